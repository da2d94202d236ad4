// SPDX-License-Identifier: MIT
// What may be wrong with a host and its networks, looked at without changing anything: for
// `minictl doctor`.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "netsetup/foreign.h"

namespace netsetup {

/// One thing that was looked at: WELL says what was found where there are no TROUBLES.
struct Check {
  std::string name;
  std::string well;
  std::vector<Trouble> troubles = {};
};

/// What a container needs of the kernel, each tried in a child process in namespaces of its own,
/// which go with it. The kernel may load modules for that, as a start does. RULESET: the text of
/// configs/ruleset.nft. Throws Error where it cannot be tried.
Check check_kernel(std::string_view ruleset);

/// A container's place in a network.
struct Place {
  std::string network;
  std::string link;  // inside: eth0, ...
  std::vector<Ip> addresses;
};
/// The places of the container with this record, a directory; none where it has none yet.
using PlacesOf = std::function<std::vector<Place>(int directory)>;
/// The networks that are up, the firewalls of others, routes, MTU, leftovers, limits. Throws Error.
std::vector<Check> check_network(std::string_view ruleset, const PlacesOf& places_of);

}  // namespace netsetup
