// SPDX-License-Identifier: MIT
// Connections forgotten, with entries made by conntrack(8) and looked at with it.
#include "netsetup/conntrack.h"

#include <algorithm>

#include "fresh.h"

using namespace netsetup;
using fresh::sh;

namespace {

void entry(const std::string& protocol, const std::string& from, const std::string& to,
           const std::string& answer_from, int port) {
  sh(base::cat("conntrack -I -p ", protocol, protocol == "tcp" ? " --state ESTABLISHED" : "",
               " -s ", from, " -d ", to, " --sport 1234 --dport ", port, " -r ", answer_from,
               " -q ", from, " --reply-port-src ", port,
               " --reply-port-dst 1234 -t 300 -u SEEN_REPLY", " >/dev/null 2>&1"));
}

std::ptrdiff_t entries() {
  const std::string all = sh("conntrack -L 2>/dev/null");
  return std::ranges::count(all, '\n');
}

}  // namespace

TEST_CASE("nothing there, nothing done") {
  const fresh::Host host;
  conntrack::forget_address(Ip::v4(0x0ad20002));
  conntrack::forget_udp_ports({{53, 53}});
  CHECK(entries() == 0);
}

TEST_CASE("a container's connections in both directions, and no others") {
  const fresh::Host host;
  entry("tcp", "10.210.0.2", "192.0.2.9", "192.0.2.9", 443);   // from it
  entry("udp", "10.210.0.2", "192.0.2.9", "192.0.2.9", 53);    // from it
  entry("tcp", "192.0.2.9", "192.0.2.1", "10.210.0.2", 8080);  // to it, published
  entry("tcp", "192.0.2.9", "192.0.2.1", "10.210.0.3", 8081);  // a neighbour's
  entry("tcp", "192.0.2.10", "192.0.2.1", "192.0.2.1", 22);    // the host's own
  REQUIRE(entries() == 5);
  conntrack::forget_address(Ip::v4(0x0ad20002));
  CHECK(entries() == 2);
  CHECK(sh("conntrack -L 2>/dev/null").find("10.210.0.2 ") == std::string::npos);
  conntrack::forget_address(Ip::v4(0x0ad20002));
  CHECK(entries() == 2);
}

TEST_CASE("IPv6 connections of a container, and to a port") {
  const fresh::Host host;
  sh("ip addr add 2001:db8::1/64 dev lo nodad");
  entry("tcp", "fd00::2", "2001:db8::9", "2001:db8::9", 443);   // from it
  entry("tcp", "2001:db8::9", "2001:db8::1", "fd00::2", 8080);  // to it, published
  entry("tcp", "2001:db8::9", "2001:db8::1", "fd00::3", 8081);  // a neighbour's
  entry("udp", "2001:db8::9", "2001:db8::1", "2001:db8::1", 53);
  entry("udp", "2001:db8::9", "2001:db8::5", "2001:db8::5", 53);  // passes through
  entry("tcp", "192.0.2.9", "192.0.2.1", "192.0.2.1", 22);
  REQUIRE(entries() == 6);
  conntrack::forget_address(*Ip::parse("fd00::2"));
  CHECK(entries() == 4);
  conntrack::forget_udp_ports({{53, 53}});
  CHECK(entries() == 3);
}

TEST_CASE("a UDP port of the host: what passes through and what is TCP stays") {
  const fresh::Host host;
  sh("ip link add d0 type bridge && ip link set d0 up && ip addr add 192.0.2.1/24 dev d0");
  SUBCASE("by pattern, where the kernel can") {}
  SUBCASE("by listing, with many addresses") {
    sh("for i in $(seq 40); do echo addr add 10.9.9.$i/32 dev d0; done | ip -batch -");
  }
  entry("udp", "192.0.2.9", "192.0.2.1", "192.0.2.1", 5353);       // to the host: goes
  entry("udp", "127.0.0.1", "127.0.0.1", "127.0.0.1", 5353);       // on its loopback: goes
  entry("udp", "192.0.2.9", "192.0.2.1", "192.0.2.1", 5354);       // another port
  entry("tcp", "192.0.2.9", "192.0.2.1", "192.0.2.1", 5353);       // another protocol
  entry("udp", "10.0.0.9", "198.51.100.1", "198.51.100.1", 5353);  // through the host
  REQUIRE(entries() == 5);
  conntrack::forget_udp_ports({{5353, 5353}});
  CHECK(entries() == 3);
  CHECK(sh("conntrack -L -p udp 2>/dev/null").find("198.51.100.1") != std::string::npos);
}
