// SPDX-License-Identifier: MIT
// What our caller may have left in a state that would surprise us.
#pragma once

namespace runtime {

/// Standard descriptors are open and no others, SIGPIPE and SIGXFSZ are errors and not our death,
/// and nobody can trace us or open our memory and binary. Throws Error. First thing in main().
void tidy_up_inheritance();

}  // namespace runtime
