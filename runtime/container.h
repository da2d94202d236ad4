// SPDX-License-Identifier: MIT
// The recipe: how a container starts, lives and ends.
#pragma once

#include "runtime/detach.h"
#include "runtime/options.h"

namespace runtime {

/// Runs the container that OPTIONS describe and exits with its status: exits, and does not return,
/// since what the last container leaves on the host is undone by a process that nobody waits for.
/// HERALD: with -d, who is to hear of the start. Throws Error where it could not be started; then
/// nothing is left of it.
[[noreturn]] void run(const Options& options, Herald* herald);

/// --dry-run: prints the script that does what run() would do now.
void print_plan(const Options& options);

}  // namespace runtime
