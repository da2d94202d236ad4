// SPDX-License-Identifier: MIT
// Process 1 of the container, once the program runs.
#pragma once

#include <sys/types.h>

#include <string>

#include "runtime/channel.h"

namespace runtime {

/// Reaps and forwards signals until the container is over; returns its exit status.
/// Needs: all signals blocked, /proc of this pid namespace mounted. NAME: the program's, for the
/// line that says that it went to the background. STOP_SIGNAL: asks the container to end.
int run_init(pid_t program, const std::string& name, int stop_signal, const Channel& channel);

}  // namespace runtime
