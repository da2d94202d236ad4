// SPDX-License-Identifier: MIT
// What is in a set or a map, anybody's.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "netsetup/netlink.h"

namespace netsetup::nft {

/// As the kernel holds it: of a concatenation the fields one after the other, each padded to four
/// bytes.
struct ListedElement {
  netlink::Bytes key;
  netlink::Bytes key_end;  // inclusive; of a single value that again
  netlink::Bytes data;     // in maps
  std::string comment;
};

/// Of the set or map NAME, by key; none where there is no such set. Throws Error.
std::vector<ListedElement> list_elements(netlink::Socket& socket, std::uint8_t family,
                                         const std::string& table, const std::string& name);

}  // namespace netsetup::nft
