// SPDX-License-Identifier: MIT
// Connections that the kernel remembers, listed and forgotten (ctnetlink,
// linux/netfilter/nfnetlink_conntrack.h).
#pragma once

#include <linux/netlink.h>

#include <cstdint>
#include <vector>

#include "netsetup/address.h"

namespace netsetup::conntrack {

/// Who speaks to whom, in one direction. The ports of an ICMP echo are its identifier, both.
struct Tuple {
  Ip source, destination;
  std::uint8_t protocol = 0;  // IPPROTO_TCP, ...
  std::uint16_t source_port = 0, destination_port = 0;

  [[nodiscard]] Tuple reversed() const {
    return {destination, source, protocol, destination_port, source_port};
  }
  auto operator<=>(const Tuple&) const = default;
};

/// A connection: its first packet as that came in, and an answer to it as that comes in. Where the
/// two do not mirror each other there is NAT.
struct Connection {
  Tuple original, reply;
};

/// What a message of ctnetlink tells: an entry of a listing, an event of NFNLGRP_CONNTRACK_*.
Connection parse_connection(const nlmsghdr* header);

/// All that this namespace remembers; none where the kernel has no ctnetlink. Throws Error.
std::vector<Connection> connections();

/// Deletes every entry in which ADDRESS is the original source or the reply source, that is,
/// every connection from or to that container: `conntrack -D -s ADDRESS; conntrack -D -r ADDRESS`.
void forget_address(const Ip& address);

/// Deletes every UDP entry whose original destination port is in one of RANGES, if the original
/// destination is an address of this host (loopback included): a sender that talked to a port
/// before it was published would else never be translated.
/// `conntrack -D -p udp --orig-port-dst PORT`, for each.
void forget_udp_ports(const std::vector<PortRange>& ranges);

}  // namespace netsetup::conntrack
