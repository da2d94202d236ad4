// SPDX-License-Identifier: MIT
// The way of a packet in lines, as a person follows it. Nothing is asked of the kernel here: the
// same packets give the same lines.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "netsetup/follow.h"

namespace netsetup::trace {

/// Where it happened.
struct Scene {
  struct Link {
    std::string name;
    enum class Role : std::uint8_t { Wire, Bridge, Cable } role = Role::Wire;
    std::string container = {},
                inside = {};  // of a cable: whose, and what its other end is called there
    unsigned bridge = 0;      // index of the bridge that it is a port of, 0: none
  };
  std::map<unsigned, Link> host;
  std::map<unsigned, std::string> inside;  // of the container that is followed
  std::string container;                   // its name
  bool bridge_nf = false;                  // what a bridge passes on goes through the rules, too
  std::optional<conntrack::Connection> connection;
  /// Whose a chain is ("Docker", "ufw", ...), empty where nobody known.
  std::map<std::string, std::string> owners;  // by chain_text()
};

struct Line {
  std::string step;   // "wire", "forward", "DNAT", ...; empty: the same as above
  std::string where;  // the chain, the interface
  std::string what;   // the decision
  std::string why;
  std::optional<std::int64_t> time = {};  // nanoseconds since 1970
  std::optional<nft::Decision> decision = {};
};

/// The way of one packet, in its order. Needs: Decision::says of all decisions.
std::vector<Line> tell(const Way& way, const Scene& scene);

/// "SYN 203.0.113.2:39936 -> 203.0.113.1:8080", as it was first seen.
std::string headline(const Way& way, const Scene& scene);

/// The addresses that it has there.
conntrack::Tuple first_tuple(const Way& way, const Scene& scene);

/// What decides where WAY goes, for rtnl::look_up(): nothing where no route is asked.
struct RouteQuestion {
  Ip to, from;
  unsigned in = 0;
};
std::optional<RouteQuestion> route_question(const Way& way);

/// "inet mini_run forward".
std::string chain_text(const nft::Decision& decision);

}  // namespace netsetup::trace
