// SPDX-License-Identifier: MIT
// Connections that the kernel remembers, forgotten (ctnetlink,
// linux/netfilter/nfnetlink_conntrack.h).
#pragma once

#include <cstdint>

#include "netsetup/address.h"

namespace netsetup::conntrack {

/// Deletes every entry in which ADDRESS is the original source or the reply source, that is,
/// every connection from or to that container: `conntrack -D -s ADDRESS; conntrack -D -r ADDRESS`.
void forget_address(Ipv4 address);

/// Deletes every UDP entry whose original destination port is PORT, if the original destination
/// is an address of this host (loopback included): a sender that talked to PORT before it was
/// published would else never be translated. `conntrack -D -p udp --orig-port-dst PORT`.
void forget_udp_port(std::uint16_t port);

}  // namespace netsetup::conntrack
