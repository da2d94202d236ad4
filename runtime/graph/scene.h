// SPDX-License-Identifier: MIT
// A topology put in order for those who draw it.
//
//   machine     a namespace that others hang on: the one seen from, where it has an uplink or
//               rules, and whoever has a bridge
//     uplinks   its devices that lead out of the picture, or to who is beyond it
//     bridges   with the cables that are plugged in there
//   cables      all other veth pairs
//   alone       namespaces without a cable
//   doors       what DNAT leads where
//
// The drawings themselves are pure functions: text.h (for a terminal), svg.h (for a slide),
// languages.h (Mermaid, Graphviz, JSON).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "netsetup/topology.h"

namespace graph {

using netsetup::Topology;
using netsetup::Translation;
using End = Topology::End;

struct Cable {
  End near;
  std::optional<End> far;  // nothing: it is no veth, or its other end is not in the picture
};
struct Bridge {
  End self;
  std::vector<Cable> ports;
};
struct Machine {
  std::size_t space = 0;
  std::vector<Cable> uplinks;
  std::vector<Bridge> bridges;
};
/// What comes to SPACE there goes on to a device. IPv4 and IPv6 are one.
struct Door {
  std::size_t space = 0;
  std::string text;        // "8080->80/tcp", "127.0.0.1:5353->53/udp"; without END its address, too
  std::string to;          // "10.210.0.2:80", the first of several
  std::optional<End> end;  // nothing: nobody in the picture has that address
};
struct Scene {
  std::vector<Machine> machines;
  std::vector<Cable> cables;
  std::vector<std::size_t> alone;
  std::vector<Door> doors;
};
Scene arrange(const Topology& topology);

/// The texts of the doors that lead to END.
std::vector<std::string> doors_to(const Scene& scene, const End& end);

/// Subnets whose connections leave SPACE with an address of its own: "10.210.0.0/22".
std::vector<std::string> masqueraded(const Topology& topology, std::size_t space);

/// "2: eth0", and " DOWN" where it is.
std::string label(const Topology::Device& device);

}  // namespace graph
