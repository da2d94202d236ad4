// SPDX-License-Identifier: MIT
// Our own program file, out of a container's reach.
#pragma once

#include "base/unique_fd.h"
#include "runtime/caps.h"

namespace runtime {

/// A file in memory called NAME, to be filled with a program, then sealed: from then on nobody can
/// change it. Throws Error. Source: memfd_create(2), fcntl(2) F_ADD_SEALS.
base::UniqueFd create_executable(const char* name);
void seal(const base::UniqueFd& memory);

/// Whether a container with CAPABILITIES could reach our file through /proc/PID/exe: that takes
/// SYS_PTRACE, since what of ours runs inside is non-dumpable.
bool needs_sealing(CapabilitySet capabilities);

/// Runs this program again from a sealed copy in memory, or returns at once where it already runs
/// from one. ARGV is main's. Throws Error. Needs: /proc; nothing done yet that a second start would
/// do again.
void run_from_sealed_memfd(char** argv);

}  // namespace runtime
