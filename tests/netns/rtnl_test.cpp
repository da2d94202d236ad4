// SPDX-License-Identifier: MIT
// Each rtnetlink message, read back with ip(8) and bridge(8).
#include "netsetup/rtnl.h"

#include <linux/rtnetlink.h>

#include <algorithm>
#include <cerrno>

#include "fresh.h"

using namespace netsetup;
using fresh::json;
using fresh::sh;

namespace {

const Mac BridgeMac{{0x02, 0x4d, 0x52, 0, 0, 1}};
const Mac HostMac{{0x02, 0x4d, 0x52, 0, 0, 2}};
const Mac PeerMac{{0x02, 0x4d, 0x52, 0, 0, 3}};

int error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const base::Error& error) {
    return error.code().value();
  }
  return 0;
}

}  // namespace

TEST_CASE("bridge: created with its own MAC, up, deleted") {
  const fresh::Host host;
  netlink::Socket socket(NETLINK_ROUTE);
  CHECK_FALSE(rtnl::find_link(socket, "mini0"));
  rtnl::create_bridge(socket, "mini0", BridgeMac, 1400);
  const auto link = rtnl::find_link(socket, "mini0");
  REQUIRE(link);
  CHECK(link->name == "mini0");
  CHECK(link->kind == "bridge");
  CHECK(link->mac.bytes == BridgeMac.bytes);
  CHECK_FALSE(link->up);
  rtnl::set_up(socket, link->index);
  const auto seen = json("ip -j -d link show mini0").at(0);
  CHECK(seen.at("address") == "02:4d:52:00:00:01");
  CHECK(seen.at("linkinfo").at("info_kind") == "bridge");
  CHECK(seen.at("mtu") == 1400);
  CHECK(seen.at("flags").dump().find("\"UP\"") != std::string::npos);
  CHECK(error_of([&] { rtnl::create_bridge(socket, "mini0", BridgeMac, 1400); }) == EEXIST);
  rtnl::delete_link(socket, link->index);
  CHECK_FALSE(rtnl::find_link(socket, "mini0"));
  CHECK(error_of([&] { rtnl::delete_link(socket, link->index); }) == ENODEV);
  CHECK_FALSE(rtnl::find_link(socket, "a-name-of-more-than-15-bytes"));
}

TEST_CASE("veth: the peer is born in the namespace, the host's end is a port and up") {
  const fresh::Host host;
  const fresh::Namespace container;
  netlink::Socket socket(NETLINK_ROUTE);
  rtnl::create_bridge(socket, "mini0", BridgeMac, 1400);
  const unsigned bridge = rtnl::find_link(socket, "mini0")->index;
  rtnl::create_veth(socket, {"mr-1", HostMac}, {"eth0", PeerMac}, 1400, bridge, container.fd());
  const auto link = rtnl::find_link(socket, "mr-1");
  REQUIRE(link);
  CHECK(link->kind == "veth");
  CHECK(link->master == bridge);
  CHECK(link->up);
  CHECK(link->mac.bytes == HostMac.bytes);
  rtnl::set_alias(socket, link->index, "web");
  rtnl::set_hairpin(socket, link->index);
  rtnl::set_isolated(socket, link->index);
  CHECK(rtnl::find_link(socket, "mr-1")->alias == "web");
  const auto seen = json("ip -j -d link show mr-1").at(0);
  CHECK(seen.at("ifalias") == "web");
  CHECK(seen.at("master") == "mini0");
  CHECK(seen.at("mtu") == 1400);
  CHECK(seen.at("linkinfo").at("info_slave_data").at("hairpin") == true);
  CHECK(seen.at("linkinfo").at("info_slave_data").at("isolated") == true);

  container.in([] {
    netlink::Socket inside(NETLINK_ROUTE);
    const auto peer = rtnl::find_link(inside, "eth0");
    REQUIRE(peer);
    CHECK(peer->mac.bytes == PeerMac.bytes);
    CHECK_FALSE(peer->up);
    rtnl::set_up(inside, peer->index);
    rtnl::add_address(inside, peer->index, {Ip::v4(0x0ad20002), 22});
    rtnl::add_default_route(inside, peer->index, Ip::v4(0x0ad20001));
    const auto address = json("ip -j addr show eth0").at(0).at("addr_info").at(0);
    CHECK(address.at("local") == "10.210.0.2");
    CHECK(address.at("prefixlen") == 22);
    CHECK_FALSE(address.contains("broadcast"));
    rtnl::add_address(inside, peer->index, *Cidr::parse("fd00::2/64"));
    rtnl::add_default_route(inside, peer->index, *Ip::parse("fd00::1"));
    const auto six = json("ip -6 -j addr show eth0 scope global").at(0).at("addr_info").at(0);
    CHECK(six.at("local") == "fd00::2");
    CHECK(six.at("nodad") == true);
    CHECK(json("ip -6 -j route show default").at(0).at("gateway") == "fd00::1");
    const auto route = json("ip -j -d route show default").at(0);
    CHECK(route.at("gateway") == "10.210.0.1");
    CHECK(route.at("dev") == "eth0");
    CHECK(route.at("protocol") == "boot");
    CHECK(error_of([&] {
            rtnl::add_address(inside, peer->index, {Ip::v4(0x0ad20002), 22});
          }) == EEXIST);
    CHECK(error_of([&] { rtnl::add_default_route(inside, peer->index, Ip::v4(0x0ad20001)); }) ==
          EEXIST);
  });
}

TEST_CASE("addresses and route destinations are those of ip(8)") {
  const fresh::Host host;
  sh("ip link add d0 type bridge && ip link set d0 up && ip addr add 192.0.2.7/24 dev d0 &&"
     "ip route add default via 192.0.2.1 && ip route add 198.51.100.0/25 via 192.0.2.1 table 77 &&"
     "ip route add unreachable 203.0.113.0/24 && ip addr add 2001:db8::7/64 dev d0 nodad");
  netlink::Socket socket(NETLINK_ROUTE);
  const unsigned index = rtnl::find_link(socket, "d0")->index;
  auto found = rtnl::addresses(socket);
  CHECK(std::ranges::count(found, rtnl::InterfaceAddress{index, *Cidr::parse("2001:db8::7/64")}) ==
        1);
  CHECK(std::ranges::count(found, rtnl::InterfaceAddress{index, {Ip::v4(0xc0000207), 24}}) == 1);
  auto routes = rtnl::route_destinations(socket);
  std::ranges::sort(routes);
  const std::vector<Cidr> expected = {
      *Cidr::parse("0.0.0.0/0"),       *Cidr::parse("192.0.2.0/24"),
      *Cidr::parse("198.51.100.0/25"), *Cidr::parse("203.0.113.0/24"),
      *Cidr::parse("2001:db8::/64"),   *Cidr::parse("fe80::/64")};
  CHECK(routes == expected);
  CHECK(rtnl::links(socket).size() == 2);
}

TEST_CASE("the MTU of the way out is that of the narrowest link of a default route") {
  const fresh::Host host;
  netlink::Socket socket(NETLINK_ROUTE);
  CHECK_FALSE(rtnl::way_out_mtu(socket));
  sh("for d in d0 d1 d2; do ip link add $d type bridge && ip link set $d up; done;"
     "ip link set d0 mtu 1400; ip link set d1 mtu 1360; ip link set d2 mtu 1280;"
     "ip addr add 192.0.2.7/24 dev d0 && ip route add default via 192.0.2.1");
  CHECK(rtnl::way_out_mtu(socket) == 1400);
  sh("ip addr add 2001:db8::7/64 dev d1 nodad && ip -6 route add default via 2001:db8::1");
  CHECK(rtnl::way_out_mtu(socket) == 1360);
}

TEST_CASE("a route to ::1 by a bridge, beside that of lo and of other bridges") {
  const fresh::Host host;
  netlink::Socket socket(NETLINK_ROUTE);
  for (const char* name : {"mini0", "mini1"}) {
    rtnl::create_bridge(socket, name, BridgeMac, 1500);
    const unsigned index = rtnl::find_link(socket, name)->index;
    rtnl::set_up(socket, index);
    rtnl::add_loopback_route(socket, index, 1000 + index);
    rtnl::add_loopback_route(socket, index, 1000 + index);  // there already: no error
  }
  const auto routes = json("ip -6 -j route show table local ::1");
  CHECK(routes.size() == 3);
  CHECK(json("ip -j route get ::1").at(0).at("dev") == "lo");
}

TEST_CASE("a refusal carries the kernel's own sentence") {
  const fresh::Host host;
  netlink::Socket socket(NETLINK_ROUTE);
  std::string text;
  try {
    rtnl::add_default_route(socket, 1, Ip::v4(0x01020304));
  } catch (const base::Error& error) {
    text = error.what();
  }
  CHECK(text.find("gateway") != std::string::npos);
  CHECK(text.find("unreachable") != std::string::npos);
}

TEST_CASE("a message grows, a listing is longer than one datagram") {
  const fresh::Host host;
  netlink::Socket socket(NETLINK_ROUTE);
  sh("for i in $(seq 300); do echo link add d$i type bridge; done | ip -batch -");
  CHECK(rtnl::links(socket).size() == 301);
  netlink::Message message(RTM_SETLINK, 0);
  message.extra_header<ifinfomsg>().ifi_index = 2;
  {
    const netlink::Nest nest(message, IFLA_PROP_LIST);
    for (int i = 0; i < 100; ++i)
      message.put_string(IFLA_ALT_IFNAME, base::cat("another-name-of-", i));
  }
  CHECK(message.bytes().size() > 2048);
  const auto* nest = netlink::Attributes(message.header(), sizeof(ifinfomsg)).find(IFLA_PROP_LIST);
  REQUIRE(nest != nullptr);
  int names = 0;
  for (const nlattr* name : netlink::Attributes(nest))
    CHECK(netlink::value_string(name) == base::cat("another-name-of-", names++));
  CHECK(names == 100);
}
