// SPDX-License-Identifier: MIT
// What is in a set or a map, anybody's.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "netsetup/netlink.h"

namespace netsetup::nft {

/// As the kernel holds it: of a concatenation the fields one after the other, each padded to four
/// bytes.
struct ListedElement {
  netlink::Bytes key;
  netlink::Bytes key_end;  // of an interval of a concatenation, inclusive
  netlink::Bytes data;     // in maps
  std::string comment;
  std::uint32_t flags = 0;  // NFT_SET_ELEM_*
};

/// Those in a part of a listing.
std::vector<ListedElement> parse_elements(const nlmsghdr* header);

/// Those of the set or map NAME, in the kernel's order; none where there is no such set. Throws
/// Error.
std::vector<ListedElement> dump_elements(netlink::Socket& socket, std::uint8_t family,
                                         std::string_view table, std::string_view name);

/// The same by key, each interval as one element: each has its key_end, a single value that again.
std::vector<ListedElement> list_elements(netlink::Socket& socket, std::uint8_t family,
                                         const std::string& table, const std::string& name);

}  // namespace netsetup::nft
