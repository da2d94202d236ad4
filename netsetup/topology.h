// SPDX-License-Identifier: MIT
// Who is joined to whom: namespaces, their devices, and the cables between them, as the kernel has
// them this moment. None of mini-run's own files is read for it.
//
// Theory of operation. The kernel lists nobody's namespaces: one finds them by the files that keep
// or name them (/run/netns) and by their processes (/proc/PID/ns/net); the inode number tells two
// of them apart. Each is entered once for its links, addresses, routes and NAT. A veth tells the
// index of its other end and, where that is in another namespace, an id that means that namespace
// in its own; the reverse question (RTM_GETNSID: which id has this namespace here?) finds out whose
// it is.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "netsetup/translations.h"

namespace netsetup {

struct Topology {
  /// A device: the number of its namespace in spaces, and its index in there.
  struct End {
    std::size_t space = 0;
    unsigned index = 0;
    auto operator<=>(const End&) const = default;
  };
  struct Device {
    unsigned index = 0;
    std::string name;
    std::string kind;  // "bridge", "veth", "" for one without a kind
    std::string mac;
    bool up = false;
    std::vector<std::string> addresses;  // "10.210.0.2/22", without link-local ones
    std::vector<std::string> gateways;   // of the default routes that leave by it
    unsigned bridge = 0;                 // index of the bridge that it is a port of, 0: none
    std::optional<End> peer;             // of a veth
    bool peer_is_elsewhere = false;      // in a namespace that nobody here has
  };
  struct Space {
    std::string name;
    std::vector<Device> devices;  // by index
    std::vector<Translation> translations;
  };
  std::vector<Space> spaces;  // the first is the one seen from, the others are by name

  [[nodiscard]] const Device& device(const End& end) const;
};

/// What is seen from the network namespace that the caller is in: this, those that /run/netns
/// names, and those that a process has and a cable joins to one of these. What changes meanwhile
/// may be in it or not. Throws Error. Needs: no other thread, since it enters each (setns(2)).
Topology look_around();

}  // namespace netsetup
