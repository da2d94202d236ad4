// SPDX-License-Identifier: MIT
// The container from the inside: from the first instruction in the new namespaces to execve(2).
#pragma once

#include <linux/filter.h>

#include <csignal>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "rootfs/root.h"
#include "runtime/caps.h"
#include "runtime/channel.h"

namespace runtime {

/// All that the child needs to know. It is decided before the clone.
struct ChildConfig {
  rootfs::Root root;
  std::string hostname;
  std::string user;  // USER[:GROUP]
  std::vector<std::pair<std::string, std::string>> environment;
  std::string workdir;  // absolute; empty: /
  std::vector<std::string> command;
  CapabilitySet capabilities = 0;
  std::span<const sock_filter> seccomp;  // empty: unconfined
  bool in_foreground = false;            // of the terminal that is our standard input
  bool tty = false;                      // the program gets a terminal of its own
  int input = -1;                        // its standard input, -1: ours
  int output = -1;                       // its standard output and error, -1: ours
  int network = -1;                      // the network namespace to enter, -1: there already
  int stop_signal = SIGTERM;             // asks the container to end
  std::span<char> arguments;             // of mini-run: wiped, since /proc/1/cmdline shows them
};

/// Sets the container up, runs its program, is its init; returns the exit status for _exit(2).
/// Never throws: what goes wrong is told to the parent. Needs: to be process 1 of new mount, net,
/// uts, ipc, pid and cgroup namespaces.
int child_main(const ChildConfig& config, Channel channel) noexcept;

}  // namespace runtime
