// SPDX-License-Identifier: MIT
// The rules as one reads them (configs/ruleset.nft) beside what the kernel says of them now.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "netsetup/set_listing.h"

namespace netsetup {

/// A part of the rule set's text, in its order.
struct RulePart {
  enum class Kind : std::uint8_t { Heading, Table, Set, Chain, Rule };
  Kind kind = Kind::Heading;
  std::string family;   // of the table: "inet", "bridge"
  std::string name;     // of a table, a set or map, a chain; of a rule: its chain's
  std::string text;     // "type ifname", "type filter hook ...", the rule without its comment
  std::string comment;  // a rule's own
  std::vector<std::string> above;  // the comment lines that stand before it
};
/// RULESET in its parts: of the layout that configs/ruleset.nft has, one rule a line.
std::vector<RulePart> parts_of(std::string_view ruleset);

/// A rule of the kernel's.
struct LiveRule {
  struct Counter {
    std::uint64_t packets = 0;
    std::uint64_t bytes = 0;
  };
  std::string chain;
  std::optional<Counter> counter;
};
/// Those of our table of FAMILY, in their order; none where it is not loaded. Throws Error.
std::vector<LiveRule> live_rules(std::string_view family);

/// The elements of the set or map NAME of our table of FAMILY as nft(8) writes them, by TYPE, the
/// set's as declared: "type ifname . ipv4_addr : inet_service"; after them their comment, if they
/// have one. None where it is not there. Throws Error.
std::vector<std::string> live_elements(std::string_view family, const std::string& name,
                                       std::string_view type);
/// One of them.
std::string element_text(const nft::ListedElement& element, std::string_view type);

}  // namespace netsetup
