// SPDX-License-Identifier: MIT
// What the headers of a packet tell.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "netsetup/conntrack.h"

namespace netsetup {

/// Of TCP, UDP, and the echo requests and replies of ICMP, over IPv4 and IPv6.
struct Packet {
  conntrack::Tuple tuple;
  unsigned ttl = 0;  // IPv6: hop limit
  std::uint16_t id = 0;
  std::uint32_t sequence = 0, acknowledged = 0;
  std::uint8_t flags = 0;   // of TCP; the type of an ICMP message
  unsigned payload = 0;     // bytes behind the header of TCP, UDP or ICMP
  std::uint64_t first = 0;  // the first eight of them where they are known; not with TCP

  /// Whether OTHER may be the same packet at another place, before or after NAT. What NAT leaves
  /// alone tells: the identification of IPv4, the sequence numbers of TCP, the payload.
  [[nodiscard]] bool same_as(const Packet& other) const;
  /// The first of a TCP connection: SYN without ACK.
  [[nodiscard]] bool is_syn() const;
};

/// Which packets are looked for: those from or to an address, and those from or to a port.
struct PacketFilter {
  std::vector<Ip> addresses;
  struct Port {
    Protocol protocol = Protocol::Tcp;
    PortRange numbers;
  };
  std::vector<Port> ports;
};

/// NETWORK begins with the header of IPv4 or IPv6, as long as it may be; TRANSPORT, where the two
/// come apart, with the next. Nothing where it is no packet as above, a later fragment, or cut off.
std::optional<Packet> parse_packet(std::span<const std::uint8_t> network,
                                   std::span<const std::uint8_t> transport = {});

/// "192.0.2.1:80", "[2001:db8::1]:80"; of ICMP only the address.
std::string source_text(const conntrack::Tuple& tuple);
std::string destination_text(const conntrack::Tuple& tuple);
/// "SYN+ACK", "UDP, 5 bytes", "echo request".
std::string kind_text(const Packet& packet);

}  // namespace netsetup
