// SPDX-License-Identifier: MIT
// A namespace that the test furnished with ip(8), read back: exactly that, and nothing else.
#include "netsetup/view.h"

#include <algorithm>

#include "fresh.h"

using namespace netsetup;
using fresh::json;
using fresh::sh;
using Address = NamespaceView::Address;
using Neighbour = NamespaceView::Neighbour;
using Route = NamespaceView::Route;

namespace {

const Mac NearMac{{0x02, 0x4d, 0x52, 0, 0, 1}};
const Mac FarMac{{0x02, 0x4d, 0x52, 0, 0, 2}};

/// v0 -- v1, up, with an IPv4 and an IPv6 address on v0. No addresses that the kernel makes up, and
/// none that is still being tried (nodad).
void furnish() {
  sh("for i in default all; do echo 1 > /proc/sys/net/ipv6/conf/$i/addr_gen_mode; done;"
     "ip link add v0 address 02:4d:52:00:00:01 mtu 1400 type veth"
     " peer name v1 address 02:4d:52:00:00:02 &&"
     "ip link set v0 up && ip link set v1 up && ip addr add 192.0.2.7/24 dev v0 &&"
     "ip addr add 2001:db8::7/64 dev v0 nodad");
}

const rtnl::Link& link(const NamespaceView& view, const char* name) {
  const auto found = std::ranges::find(view.links, name, &rtnl::Link::name);
  REQUIRE(found != view.links.end());
  return *found;
}

template <class Item>
void check_same(const std::vector<Item>& seen, const std::vector<Item>& expected) {
  CHECK(seen.size() == expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CAPTURE(i);
    CHECK(std::ranges::count(seen, expected[i]) == 1);
  }
}

}  // namespace

TEST_CASE("view: an empty namespace has lo and nothing else") {
  const fresh::Host host;
  sh("ip link set lo down && ip addr flush dev lo");
  const NamespaceView view = view_namespace();
  REQUIRE(view.links.size() == 1);
  CHECK(view.links[0].index == 1);
  CHECK(view.links[0].name == "lo");
  CHECK(view.links[0].kind.empty());
  CHECK(view.links[0].mtu == 65536);
  CHECK(view.links[0].peer == 0);
  CHECK_FALSE(view.links[0].up);
  CHECK(view.addresses.empty());
  CHECK(view.routes.empty());
  CHECK(view.neighbours.empty());
}

TEST_CASE("view: links, and where their peers are") {
  const fresh::Host host;
  const fresh::Namespace container;
  furnish();
  sh("ip link add b0 type bridge && ip link set v1 down");
  netlink::Socket socket(NETLINK_ROUTE);
  rtnl::create_veth(socket, {"out", NearMac}, {"eth0", FarMac}, 1500,
                    link(view_namespace(), "b0").index, container.fd());
  const NamespaceView view = view_namespace();
  CHECK(view.links.size() == 5);
  const auto& near = link(view, "v0");
  CHECK(near.kind == "veth");
  CHECK(near.mac == NearMac);
  CHECK(near.mtu == 1400);
  CHECK(near.up);
  CHECK(near.peer == link(view, "v1").index);
  CHECK_FALSE(near.peer_netns);
  CHECK(link(view, "v1").mac == FarMac);
  CHECK(link(view, "v1").mtu == 1500);
  CHECK(link(view, "v1").peer == near.index);
  CHECK_FALSE(link(view, "v1").up);
  CHECK(link(view, "b0").kind == "bridge");
  CHECK(link(view, "b0").peer == 0);

  const auto seen = json("ip -j -d link show out").at(0);
  CHECK(link(view, "out").peer_netns == seen.at("link_netnsid").get<int>());
  CHECK(link(view, "out").peer == seen.at("link_index").get<unsigned>());
  CHECK(link(view, "out").master == link(view, "b0").index);
  container.in([&] {
    const NamespaceView inside = view_namespace();
    CHECK(inside.links.size() == 2);
    CHECK(link(inside, "eth0").index == link(view, "out").peer);
    CHECK(link(inside, "eth0").peer == link(view, "out").index);
    CHECK(link(inside, "eth0").peer_netns);
    check_same(inside.addresses, {{"lo", "127.0.0.1/8"}, {"lo", "::1/128"}});
  });
}

TEST_CASE("view: addresses, of which one is an end of a point-to-point link") {
  const fresh::Host host;
  furnish();
  sh("ip addr add 192.0.2.8/24 dev v0 &&"
     "ip addr add 198.51.100.1 peer 198.51.100.2/32 dev v1 &&"
     "ip addr add 2001:db8:1::1 peer 2001:db8:1::2/128 dev v1 nodad");
  check_same(view_namespace().addresses, {{"lo", "127.0.0.1/8"},
                                          {"lo", "::1/128"},
                                          {"v0", "192.0.2.7/24"},
                                          {"v0", "192.0.2.8/24"},
                                          {"v0", "2001:db8::7/64"},
                                          {"v1", "198.51.100.1/32"},
                                          {"v1", "2001:db8:1::1/128"}});
}

TEST_CASE("view: the routes of the main tables") {
  const fresh::Host host;
  furnish();
  sh("ip route add default via 192.0.2.1 && ip route add 198.51.100.9 via 192.0.2.2 &&"
     "ip route add unreachable 203.0.113.0/24 && ip route add 198.51.100.0/24 via inet6 2001:db8::2"
     "&& ip route add 10.0.0.0/8 nexthop via 192.0.2.3 nexthop via inet6 2001:db8::3 dev v0 &&"
     "ip route add 10.1.0.0/16 via 192.0.2.4 table 77 &&"
     "ip route add 10.2.0.0/16 via 192.0.2.4 table 1000");
  sh("ip -6 route add default via 2001:db8::1 && ip -6 route add 2001:db8:5::5 dev v0 &&"
     "ip -6 route add blackhole 2001:db8:6::/48 &&"
     "ip -6 route add 2001:db8:7::/48 nexthop via 2001:db8::4 nexthop via 2001:db8::5 &&"
     "ip -6 route add 2001:db8:8::/48 via 2001:db8::6 table 77");
  const std::optional<std::string> none;
  check_same(view_namespace().routes,
             std::vector<Route>{
                 {false, "unicast", "default", "192.0.2.1", "v0", none},
                 {false, "unicast", "192.0.2.0/24", none, "v0", "192.0.2.7"},
                 {false, "unicast", "198.51.100.9", "192.0.2.2", "v0", none},
                 {false, "unreachable", "203.0.113.0/24", none, none, none},
                 {false, "unicast", "198.51.100.0/24", "2001:db8::2", "v0", none},
                 {false, "unicast", "10.0.0.0/8", "192.0.2.3", "v0", none},
                 {false, "unicast", "10.0.0.0/8", "2001:db8::3", "v0", none},
                 {true, "unicast", "default", "2001:db8::1", "v0", none},
                 {true, "unicast", "2001:db8::/64", none, "v0", none},
                 {true, "unicast", "2001:db8:5::5", none, "v0", none},
                 {true, "blackhole", "2001:db8:6::/48", none, "lo", none},
                 {true, "unicast", "2001:db8:7::/48", "2001:db8::4", "v0", none},
                 {true, "unicast", "2001:db8:7::/48", "2001:db8::5", "v0", none},
             });
}

TEST_CASE("view: neighbours in each state") {
  const fresh::Host host;
  furnish();
  const auto add = [](const char* address, const char* state, const char* mac) {
    sh(base::cat("ip neigh add ", address, " dev v0 nud ", state, *mac != '\0' ? " lladdr " : "",
                 mac));
  };
  add("192.0.2.1", "permanent", "02:4d:52:00:00:02");
  add("192.0.2.2", "reachable", "02:4d:52:00:00:02");
  add("192.0.2.3", "stale", "02:4d:52:00:00:02");
  add("192.0.2.4", "failed", "");
  add("192.0.2.5", "noarp", "02:4d:52:00:00:02");
  add("2001:db8::1", "permanent", "02:4d:52:00:00:02");
  const auto found = view_namespace().neighbours;
  check_same(found, std::vector<Neighbour>{{"v0", "192.0.2.1", FarMac, "PERMANENT"},
                                           {"v0", "192.0.2.2", FarMac, "REACHABLE"},
                                           {"v0", "192.0.2.3", FarMac, "STALE"},
                                           {"v0", "192.0.2.4", std::nullopt, "FAILED"},
                                           {"v0", "2001:db8::1", FarMac, "PERMANENT"}});
  for (const auto& neighbour : json("ip -j neigh show")) {
    const auto address = neighbour.at("dst").get<std::string>();
    const auto same = std::ranges::find(found, address, &Neighbour::address);
    REQUIRE(same != found.end());
    CHECK(neighbour.at("state").at(0) == same->state);
  }
}

TEST_CASE("view: a namespace without IPv6") {
  const fresh::Host host;
  sh("echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6");
  const NamespaceView view = view_namespace();
  check_same(view.addresses, {{"lo", "127.0.0.1/8"}});
  CHECK(view.routes.empty());
}
