// SPDX-License-Identifier: MIT
// Connections that the kernel remembers, forgotten (ctnetlink,
// linux/netfilter/nfnetlink_conntrack.h).
#pragma once

#include <cstdint>
#include <vector>

#include "netsetup/address.h"

namespace netsetup::conntrack {

/// Deletes every entry in which ADDRESS is the original source or the reply source, that is,
/// every connection from or to that container: `conntrack -D -s ADDRESS; conntrack -D -r ADDRESS`.
void forget_address(const Ip& address);

/// Deletes every UDP entry whose original destination port is in one of RANGES, if the original
/// destination is an address of this host (loopback included): a sender that talked to a port
/// before it was published would else never be translated.
/// `conntrack -D -p udp --orig-port-dst PORT`, for each.
void forget_udp_ports(const std::vector<PortRange>& ranges);

}  // namespace netsetup::conntrack
