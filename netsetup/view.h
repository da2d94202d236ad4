// SPDX-License-Identifier: MIT
// What a network namespace looks like right now, for a person who asks.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "netsetup/address.h"
#include "netsetup/rtnl.h"

namespace netsetup {

/// IPv4 and IPv6 alike. Texts and words are those that ip(8) prints; a device is a link's name.
struct NamespaceView {
  struct Address {
    std::string device;
    std::string text;  // "10.210.0.2/22", "fe80::1/64"
    bool operator==(const Address&) const = default;
  };
  struct Route {
    bool ipv6 = false;        // what tells one "default" from the other
    std::string_view type;    // "unicast", "unreachable", "blackhole", ...
    std::string destination;  // "default", "10.210.0.0/22"; of a single host only its address
    std::optional<std::string> gateway;  // nothing: the destination is on the link itself
    std::optional<std::string> device;   // nothing: it leads nowhere (IPv6 says "lo")
    std::optional<std::string> source;   // the address that connections get, where it says one
    bool operator==(const Route&) const = default;
  };
  struct Neighbour {
    std::string device;
    std::string address;
    std::optional<Mac> mac;  // nothing while it is asked for, and where nobody answered
    std::string_view state;  // "REACHABLE", "STALE", "PERMANENT", "FAILED", ...
    bool operator==(const Neighbour&) const = default;
  };

  std::vector<rtnl::Link> links;
  std::vector<Address> addresses;
  std::vector<Route> routes;          // of the main table; one for each gateway of several
  std::vector<Neighbour> neighbours;  // without those that need no resolving (NOARP)
};

/// Of the network namespace that the caller is in, by rtnetlink(7): four listings in a row, so that
/// what changes in between may be in one and not in the next. Throws Error.
NamespaceView view_namespace();

}  // namespace netsetup
