// SPDX-License-Identifier: MIT
// The sockets of a network namespace that have a port, as sock_diag(7) lists them.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "netsetup/address.h"
#include "netsetup/netlink.h"

namespace netsetup {

enum class PortUse {
  Holds,     // nobody else can have the port: bound or listening; of UDP also connected
  Receives,  // takes what anyone sends to it: listening; of UDP bound and not connected
};

struct PortSocket {
  std::optional<Ip> address;  // nothing: any address of the families it serves
  bool ipv4 = true;           // serves this family
  bool ipv6 = false;
  unsigned device = 0;  // index of the only device it serves (SO_BINDTODEVICE), 0: all
  std::uint16_t port = 0;
  unsigned inode = 0;
};

/// The IPv4 and IPv6 sockets of PROTOCOL with PORT (0: any) that use it so, in the namespace of
/// DIAG, a socket of NETLINK_SOCK_DIAG. A TCP socket that is bound and does not listen is listed
/// since Linux 6.8. Throws Error: ENOENT where the kernel lacks the module that lists PROTOCOL.
std::vector<PortSocket> port_sockets(netlink::Socket& diag, Protocol protocol, PortUse use,
                                     std::uint16_t port);

}  // namespace netsetup
