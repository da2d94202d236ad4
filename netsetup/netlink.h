// SPDX-License-Identifier: MIT
// Netlink over libmnl: one socket, one request at a time, every request acknowledged.
//
// Source: netlink(7), linux/netlink.h. Extended acknowledgements (NETLINK_EXT_ACK) are on, so that
// an Error carries the kernel's own sentence where it has one; strict checking of dump requests
// (NETLINK_GET_STRICT_CHK) too.
#pragma once

#include <libmnl/libmnl.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "base/unique_fd.h"

namespace netsetup::netlink {

/// A request that is being built: header, family header, attributes. Grows as needed.
class Message {
 public:
  /// TYPE as RTM_NEWLINK; FLAGS beside NLM_F_REQUEST, which is always set.
  Message(std::uint16_t type, std::uint16_t flags);

  /// The protocol's own header (ifinfomsg, nfgenmsg, ...), zeroed. Needs: no attribute put yet.
  template <class Header>
  Header& extra_header() {
    return *static_cast<Header*>(extra(sizeof(Header)));
  }
  // ... put_u8/u16/u32/be16/be32/string/bytes, nest guard, see netlink.cpp
};

}  // namespace netsetup::netlink
