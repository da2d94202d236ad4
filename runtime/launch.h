// SPDX-License-Identifier: MIT
// A program on its way into a container: a process with the container's namespaces and root becomes
// the program's user and executes it.
#pragma once

#include <sys/types.h>

#include <initializer_list>

#include "rootfs/users.h"
#include "runtime/channel.h"
#include "runtime/child.h"

namespace runtime {

/// Starts CONFIG's command as USER in a new process, in a session of its own, and returns its pid
/// when it has been executed, or has failed. On CHANNEL it says Ready, waits for Go, and says
/// Failed with the line for the user. Throws Error where there can be no process.
///
/// By vfork(2): until the program executes, the caller waits and lends it its memory, of which
/// nothing has to be copied. All that differs from one to the other is the kernel's: descriptors,
/// rights, signals, session. Needs: the container's mount, net, ipc, uts and cgroup namespaces, and
/// its pid namespace for children; not to be dumpable.
pid_t launch(const ChildConfig& config, const rootfs::User& user, const Channel& channel);

/// Closes every descriptor beyond the standard ones but KEPT, which are open, or -1 for none.
/// (close_range(2), Linux 5.9)
void close_all_but(std::initializer_list<int> kept);

}  // namespace runtime
