// SPDX-License-Identifier: MIT
// What our caller may have left in a state that would surprise us, and what a start leaves.
#pragma once

namespace runtime {

/// Standard descriptors are open and no others, SIGPIPE and SIGXFSZ are errors and not our death,
/// and nobody can trace us or open our memory and binary. Throws Error. First thing in main().
void tidy_up_inheritance();

/// Lets go of the code's pages, ours and the libraries' (madvise(2), MADV_DONTNEED), and of free
/// memory: what has just been done touched many of them, a process that waits for a container's end
/// needs few, and these come back when they are touched.
void let_go_of_memory();

}  // namespace runtime
