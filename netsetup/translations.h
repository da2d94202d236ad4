// SPDX-License-Identifier: MIT
// What a network namespace translates: its NAT, whoever wrote the rules.
//
// Theory of operation. The kernel keeps a rule as a row of expressions: one loads a field of the
// packet into a register, one compares a register with a value or looks it up in a set, one ends
// the rule with a translation whose address and port are in registers too, where a constant or the
// datum of a map put them. So a rule is read by remembering what each register holds, and a map by
// the fields that its key was loaded from: no name of a chain or a set has to be known. iptables
// keeps a few of its matches and targets in one piece, as a C struct (xt). Conditions that are
// nothing of what a Translation says (a mark, the state of a connection) are passed over, and so
// is the way that leads to the rule's chain.
// Source: linux/netfilter/nf_tables.h; `nft --debug=netlink list ruleset` prints the expressions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace netsetup {

/// Texts are as nft(8) has them; an empty one: any, or as it was. "!" before one: all but that.
struct Translation {
  enum class Kind : std::uint8_t { Destination, Source, Masquerade };
  Kind kind = Kind::Destination;
  // which connections
  std::string protocol;  // "tcp", "udp", or the number of another
  std::string source;    // "10.210.0.0/22"
  std::string address;   // the destination asked for: "203.0.113.1"
  std::string port;      // the destination's: "8080", "8000-8999"
  std::string in, out;   // interfaces
  // what becomes of them
  std::string to;  // address
  std::string to_port;
  std::string comment;  // of the map's element, else of the rule
  auto operator<=>(const Translation&) const = default;
};

/// Of the network namespace that the caller is in, sorted; none where the kernel has no nf_tables.
/// Throws Error.
std::vector<Translation> translations();

}  // namespace netsetup
