// SPDX-License-Identifier: MIT
// Our own program file, out of a container's reach.
#pragma once

#include "runtime/caps.h"

namespace runtime {

/// Whether a container with CAPABILITIES could reach our file through /proc/PID/exe: that takes
/// SYS_PTRACE, since what of ours runs inside is non-dumpable.
bool needs_sealing(CapabilitySet capabilities);

/// Runs this program again from a sealed copy in memory, or returns at once where it already runs
/// from one. ARGV is main's. Throws Error. Needs: /proc; nothing done yet that a second start would
/// do again. Source: memfd_create(2), fcntl(2) F_ADD_SEALS.
void run_from_sealed_memfd(char** argv);

}  // namespace runtime
