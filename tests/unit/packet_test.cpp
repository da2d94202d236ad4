// SPDX-License-Identifier: MIT
// Headers from bytes, as they come from a wire.
#include <doctest/doctest.h>
#include <netinet/in.h>

#include <vector>

#include "netsetup/packet.h"

using namespace netsetup;

namespace {

using Bytes = std::vector<std::uint8_t>;

// A SYN from 203.0.113.2 port 40000 to 203.0.113.1 port 8080.
const Bytes Syn = {0x45, 0,   0,    60,   0x12, 0x34, 0x40, 0,    64,   6, 0, 0, 203, 0,    113,
                   2,    203, 0,    113,  1,    0x9c, 0x40, 0x1f, 0x90, 1, 2, 3, 4,   0,    0,
                   0,    0,   0xa0, 0x02, 0xfa, 0xf0, 0,    0,    0,    0, 2, 4, 5,   0xb4, 4,
                   2,    8,   10,   0,    0,    0,    0,    0,    0,    0, 0, 1, 3,   3,    7};

// "hello" by UDP from [fd00::2]:5000 to [fd00::1]:53.
const Bytes Udp6 = {0x60, 0,  0, 0,  0, 13, 17,  63,  0xfd, 0,   0,    0, 0,    0,
                    0,    0,  0, 0,  0, 0,  0,   0,   0,    2,   0xfd, 0, 0,    0,
                    0,    0,  0, 0,  0, 0,  0,   0,   0,    0,   0,    1, 0x13, 0x88,
                    0,    53, 0, 13, 0, 0,  'h', 'e', 'l',  'l', 'o',  0, 0};

Bytes changed(Bytes bytes, std::size_t at, std::uint8_t value) {
  bytes[at] = value;
  return bytes;
}

}  // namespace

TEST_CASE("packet: TCP over IPv4") {
  const auto packet = parse_packet(Syn);
  REQUIRE(packet);
  CHECK(source_text(packet->tuple) == "203.0.113.2:40000");
  CHECK(destination_text(packet->tuple) == "203.0.113.1:8080");
  CHECK(packet->tuple.protocol == IPPROTO_TCP);
  CHECK(packet->ttl == 64);
  CHECK(packet->id == 0x1234);
  CHECK(packet->sequence == 0x01020304);
  CHECK(packet->payload == 0);
  CHECK(packet->is_syn());
  CHECK(kind_text(*packet) == "SYN");
  CHECK_FALSE(parse_packet(changed(Syn, 33, 0x12))->is_syn());  // SYN+ACK
  CHECK(kind_text(*parse_packet(changed(changed(Syn, 33, 0x18), 3, 65))) == "PSH+ACK, 5 bytes");
}

TEST_CASE("packet: UDP over IPv6, without what fills its frame up") {
  const auto packet = parse_packet(Udp6);
  REQUIRE(packet);
  CHECK(source_text(packet->tuple) == "[fd00::2]:5000");
  CHECK(destination_text(packet->tuple) == "[fd00::1]:53");
  CHECK(packet->ttl == 63);
  CHECK(kind_text(*packet) == "UDP, 5 bytes");
  CHECK(packet->first == 0x68656c6c6f);
  CHECK(parse_packet(Bytes(Udp6.begin(), Udp6.end() - 2))->same_as(*packet));
}

TEST_CASE("packet: header and header apart, as the trace tells them") {
  const Bytes network(Syn.begin(), Syn.begin() + 20);
  const Bytes transport(Syn.begin() + 20, Syn.begin() + 40);
  REQUIRE(parse_packet(network, transport));
  CHECK(parse_packet(network, transport)->same_as(*parse_packet(Syn)));
  CHECK_FALSE(parse_packet(network));
}

TEST_CASE("packet: what is none, is cut off, or has no ports") {
  for (std::size_t size = 0; size < 40; ++size)
    CHECK_FALSE(parse_packet(Bytes(Syn.begin(), Syn.begin() + static_cast<long>(size))));
  CHECK_FALSE(parse_packet(changed(Syn, 0, 0x55)));  // version 5
  CHECK_FALSE(parse_packet(changed(Syn, 0, 0x44)));  // a header of 16 bytes
  CHECK_FALSE(parse_packet(changed(Syn, 0, 0x4f)));  // options up to where TCP is cut off
  CHECK_FALSE(parse_packet(changed(Syn, 7, 1)));     // a later fragment
  CHECK_FALSE(parse_packet(changed(Syn, 9, 47)));    // GRE
  CHECK_FALSE(parse_packet(changed(Syn, 3, 10)));    // shorter than its header
}

TEST_CASE("packet: the same before and after NAT, and another one") {
  const auto packet = *parse_packet(Syn);
  Packet other = packet;
  other.tuple.destination = *Ip::parse("10.210.0.2");
  other.tuple.destination_port = 80;
  other.ttl = 63;
  CHECK(packet.same_as(other));
  other.sequence += 1;
  CHECK_FALSE(packet.same_as(other));
  other = packet;
  other.id += 1;  // repeated
  CHECK_FALSE(packet.same_as(other));
  other = packet;
  other.payload = 7;  // data that follow the ACK with the same numbers
  CHECK_FALSE(packet.same_as(other));
}

TEST_CASE("packet: an echo has its identifier for ports, and no port in its text") {
  Bytes ping(Syn.begin(), Syn.begin() + 36);
  ping[3] = 36;
  ping[9] = IPPROTO_ICMP;
  ping[20] = 8;
  ping[24] = 0xab;
  ping[25] = 0xcd;
  const auto packet = parse_packet(ping);
  REQUIRE(packet);
  CHECK(packet->tuple.source_port == 0xabcd);
  CHECK(packet->tuple.destination_port == 0xabcd);
  CHECK(source_text(packet->tuple) == "203.0.113.2");
  CHECK(kind_text(*packet) == "echo request");
  CHECK_FALSE(parse_packet(changed(ping, 20, 3)));  // "unreachable" is no echo
}
