// SPDX-License-Identifier: MIT
// From what was asked for (options.h) to what will be done: everything that can be decided, and
// refused, before the first change.
#pragma once

#include <string>
#include <vector>

#include "netsetup/container_network.h"
#include "runtime/child.h"
#include "runtime/options.h"
#include "runtime/seccomp.h"

namespace runtime {

struct Config {
  netsetup::NetworkRequest network;
  ChildConfig child;
  std::string resolv_conf;
  bool own_network = true;         // a network namespace of its own
  base::UniqueFd other_network;    // else: another container's, or, where this is none, the host's
  std::vector<std::string> notes;  // lines for the user
  BpfProgram seccomp;              // what child.seccomp points at, where it is not the default
};

/// Throws Error.
Config decide(const Options& options);

}  // namespace runtime
