// SPDX-License-Identifier: MIT
// Headers of IPv4 (RFC 791), IPv6 (RFC 8200), TCP (RFC 9293), UDP (RFC 768), ICMP (RFC 792, 4443).
#include "netsetup/packet.h"

#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace netsetup {

using base::cat;
using conntrack::Tuple;

namespace {

using Bytes = std::span<const std::uint8_t>;

std::uint16_t be16(Bytes bytes, std::size_t at) {
  return static_cast<std::uint16_t>(bytes[at] << 8U | bytes[at + 1]);
}

std::uint32_t be32(Bytes bytes, std::size_t at) {
  return static_cast<std::uint32_t>(be16(bytes, at)) << 16U | be16(bytes, at + 2);
}

/// SIZE: of the payload; a short frame is filled up behind it.
std::uint64_t first_bytes(Bytes bytes, unsigned size) {
  std::uint64_t number = 0;
  for (const std::uint8_t byte :
       bytes.first(std::min({bytes.size(), sizeof number, std::size_t{size}})))
    number = number << 8U | byte;
  return number;
}

/// Where the next header begins, and how many bytes there are from there on.
struct Next {
  std::size_t offset = 0;
  unsigned size = 0;
};

std::optional<Next> parse_ip(Bytes bytes, Packet& packet) {
  constexpr std::size_t Size4 = 20;
  constexpr std::size_t Size6 = 40;
  constexpr unsigned Fragment = 0x1fff;
  if (bytes.size() >= Size4 && bytes[0] >> 4U == 4) {
    const std::size_t size = std::size_t{bytes[0] & 0xfU} * 4;
    const unsigned total = be16(bytes, 2);
    if (size < Size4 || total < size || (be16(bytes, 6) & Fragment) != 0) return std::nullopt;
    packet.id = be16(bytes, 4);
    packet.ttl = bytes[8];
    packet.tuple.protocol = bytes[9];
    packet.tuple.source = Ip::of_bytes(Family::V4, bytes.subspan(12, 4));
    packet.tuple.destination = Ip::of_bytes(Family::V4, bytes.subspan(16, 4));
    return Next{size, total - static_cast<unsigned>(size)};
  }
  if (bytes.size() >= Size6 && bytes[0] >> 4U == 6) {
    packet.ttl = bytes[7];
    packet.tuple.protocol = bytes[6];
    packet.tuple.source = Ip::of_bytes(Family::V6, bytes.subspan(8, 16));
    packet.tuple.destination = Ip::of_bytes(Family::V6, bytes.subspan(24, 16));
    return Next{Size6, be16(bytes, 4)};
  }
  return std::nullopt;
}

bool parse_tcp(Bytes bytes, unsigned size, Packet& packet) {
  constexpr std::size_t Least = 20;
  if (bytes.size() < Least) return false;
  packet.tuple.source_port = be16(bytes, 0);
  packet.tuple.destination_port = be16(bytes, 2);
  packet.sequence = be32(bytes, 4);
  packet.acknowledged = be32(bytes, 8);
  packet.flags = bytes[13];
  const unsigned header = (bytes[12] >> 4U) * 4U;
  packet.payload = size > header ? size - header : 0;
  return true;
}

constexpr std::size_t ShortHeader = 8;  // of UDP and of an echo

bool parse_udp(Bytes bytes, unsigned size, Packet& packet) {
  if (bytes.size() < ShortHeader) return false;
  packet.tuple.source_port = be16(bytes, 0);
  packet.tuple.destination_port = be16(bytes, 2);
  packet.payload = size - std::min<unsigned>(size, ShortHeader);
  packet.first = first_bytes(bytes.subspan(ShortHeader), packet.payload);
  return true;
}

bool parse_echo(Bytes bytes, unsigned size, Packet& packet) {
  constexpr std::uint8_t Types[] = {ICMP_ECHO, ICMP_ECHOREPLY, ICMP6_ECHO_REQUEST,
                                    ICMP6_ECHO_REPLY};
  if (bytes.size() < ShortHeader || std::ranges::find(Types, bytes[0]) == std::end(Types))
    return false;
  packet.flags = bytes[0];
  packet.tuple.source_port = packet.tuple.destination_port = be16(bytes, 4);
  packet.sequence = be16(bytes, 6);
  packet.payload = size - std::min<unsigned>(size, ShortHeader);
  packet.first = first_bytes(bytes.subspan(ShortHeader), packet.payload);
  return true;
}

std::string endpoint(const Tuple& tuple, const Ip& address, std::uint16_t port) {
  if (tuple.protocol != IPPROTO_TCP && tuple.protocol != IPPROTO_UDP) return address.text();
  if (address.family == Family::V6) return cat('[', address.text(), "]:", port);
  return cat(address.text(), ':', port);
}

}  // namespace

bool Packet::same_as(const Packet& other) const {
  constexpr std::uint8_t Marks = TH_SYN | TH_FIN | TH_RST;
  if (tuple.protocol != other.tuple.protocol || tuple.source.family != other.tuple.source.family ||
      id != other.id)
    return false;
  if (tuple.protocol == IPPROTO_TCP)  // a long one may be cut in pieces on its way
    return sequence == other.sequence && acknowledged == other.acknowledged &&
           (flags & Marks) == (other.flags & Marks) && (payload == 0) == (other.payload == 0);
  return flags == other.flags && sequence == other.sequence && payload == other.payload &&
         first == other.first;
}

bool Packet::is_syn() const {
  return tuple.protocol == IPPROTO_TCP && (flags & (TH_SYN | TH_ACK)) == TH_SYN;
}

std::optional<Packet> parse_packet(Bytes network, Bytes transport) {
  Packet packet;
  const auto next = parse_ip(network, packet);
  if (!next) return std::nullopt;
  if (transport.empty()) transport = network.subspan(std::min(next->offset, network.size()));
  bool known = false;
  switch (packet.tuple.protocol) {
    case IPPROTO_TCP:
      known = parse_tcp(transport, next->size, packet);
      break;
    case IPPROTO_UDP:
      known = parse_udp(transport, next->size, packet);
      break;
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
      known = parse_echo(transport, next->size, packet);
      break;
    default:
      break;
  }
  if (!known) return std::nullopt;
  return packet;
}

std::string source_text(const Tuple& tuple) {
  return endpoint(tuple, tuple.source, tuple.source_port);
}

std::string destination_text(const Tuple& tuple) {
  return endpoint(tuple, tuple.destination, tuple.destination_port);
}

std::string kind_text(const Packet& packet) {
  if (packet.tuple.protocol == IPPROTO_UDP) return cat("UDP, ", packet.payload, " bytes");
  if (packet.tuple.protocol != IPPROTO_TCP)
    return packet.flags == ICMP_ECHO || packet.flags == ICMP6_ECHO_REQUEST ? "echo request"
                                                                           : "echo reply";
  constexpr std::pair<unsigned, const char*> Names[] = {
      {TH_SYN, "SYN"}, {TH_FIN, "FIN"}, {TH_RST, "RST"}, {TH_PUSH, "PSH"}, {TH_ACK, "ACK"}};
  std::string text;
  for (const auto& [bit, name] : Names)
    if ((packet.flags & bit) != 0) text += cat(text.empty() ? "" : "+", name);
  return packet.payload == 0 ? text : cat(text, ", ", packet.payload, " bytes");
}

}  // namespace netsetup
