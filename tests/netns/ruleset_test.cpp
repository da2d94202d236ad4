// SPDX-License-Identifier: MIT
// configs/ruleset.nft, path by path: who reaches whom, seen as whom. A host with two outside
// interfaces (opened, as mini-run does it) and one bridge with the containers a and b.
#include <arpa/inet.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <filesystem>
#include <functional>

#include "base/file.h"
#include "fresh.h"
#include "netsetup/nft.h"
#include "netsetup/rtnl.h"
#include "netsetup/sysctl.h"

using namespace netsetup;
using fresh::sh;

namespace {

using Seen = std::optional<std::string>;  // the client's address as the server sees it
constexpr int Patience = 250;             // ms until a packet counts as dropped

sockaddr_in name_of(const char* address, int port) {
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(static_cast<std::uint16_t>(port));
  base::check(::inet_pton(AF_INET, address, &name.sin_addr) - 1, "inet_pton");
  return name;
}

std::string address_of(const sockaddr_in& name) {
  std::array<char, INET_ADDRSTRLEN> text{};
  ::inet_ntop(AF_INET, &name.sin_addr, text.data(), text.size());
  return text.data();
}

bool ready(int fd, short event) {
  pollfd wait{fd, event, 0};
  return ::poll(&wait, 1, Patience) == 1;
}

/// A server's socket in the caller's namespace.
base::UniqueFd serve(int type, const char* address, int port) {
  base::UniqueFd fd(::socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const auto name = name_of(address, port);
  base::check(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name), "bind");
  if (type == SOCK_STREAM) base::check(::listen(fd.get(), 8), "listen");
  return fd;
}

/// Whether a client in the caller's namespace that talks to TO:PORT reaches SERVER, there and back.
Seen reach(const base::UniqueFd& server, int type, const char* to, int port) {
  const base::UniqueFd client(::socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const auto name = name_of(to, port);
  const int error = ::connect(client.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name);
  if (error != 0 && errno != EINPROGRESS) return std::nullopt;
  sockaddr_in peer{};
  socklen_t length = sizeof peer;
  auto* peer_name = reinterpret_cast<sockaddr*>(&peer);
  char byte = 'x';
  if (type == SOCK_STREAM) {
    if (!ready(client.get(), POLLOUT) || !ready(server.get(), POLLIN)) return std::nullopt;
    const base::UniqueFd served(::accept4(server.get(), peer_name, &length, SOCK_CLOEXEC));
    if (!served.valid()) return std::nullopt;
    return address_of(peer);
  }
  if (::send(client.get(), &byte, 1, 0) != 1 || !ready(server.get(), POLLIN)) return std::nullopt;
  if (::recvfrom(server.get(), &byte, 1, 0, peer_name, &length) != 1) return std::nullopt;
  ::sendto(server.get(), &byte, 1, 0, peer_name, length);
  if (!ready(client.get(), POLLIN) || ::recv(client.get(), &byte, 1, 0) != 1) return std::nullopt;
  return address_of(peer);
}

/// Whether the rule with COMMENT stopped something: then an attack came as far as the rule.
bool dropped(const std::string& comment) {
  return fresh::run(base::cat("nft list table inet mini_run | grep '", comment,
                              "' | grep -q 'packets [1-9]'"))
             .status == 0;
}

/// Makes the caller's namespace send what is for 127.0.0.1 to its gateway, as an attacker would.
void send_loopback_by_wire() {
  sh("ip route del local 127.0.0.0/8 table local; ip route del local 127.0.0.1 table local;"
     "ip route add 127.0.0.1 via $(ip route show default | cut -d' ' -f3)");
  write_sysctl("net.ipv4.conf.eth0.route_localnet", "1");
}

/// Waits until packets pass through every interface of the caller's namespace that is up: see
/// Kernel::await_carrier().
void await_links() {
  netlink::Socket socket(NETLINK_ROUTE);
  for (const auto& link : rtnl::links(socket)) {
    if (link.kind.empty() || !link.up) continue;
    for (int tries = 0; tries < 5000 && !rtnl::find_link(socket, link.name)->operational; ++tries)
      ::usleep(1000);
  }
}

class World {
 public:
  fresh::Host host;
  fresh::Namespace client, other, a, b;
  netlink::Socket route{NETLINK_ROUTE};
  nft::Socket nft;

  explicit World(const char* bridge_nf) {
    write_sysctl("net.bridge.bridge-nf-call-iptables", bridge_nf);
    const auto here = std::filesystem::path(__FILE__).parent_path();
    nft::run_text(base::read_file(here / "../../configs/ruleset.nft").value());
    rtnl::create_bridge(route, "mini0", {{2, 0, 0, 0, 0, 1}}, 1500);
    const unsigned bridge = rtnl::find_link(route, "mini0")->index;
    rtnl::add_address(route, bridge, {Ip::v4(0x0ad20001), 22});
    rtnl::set_up(route, bridge);
    write_sysctl("net.ipv4.conf.mini0.forwarding", "1");
    write_sysctl("net.ipv4.conf.mini0.route_localnet", "1");
    const auto name = nft::interface_field("mini0");
    const auto first = nft::field(Ip::v4(0x0ad20000));
    const auto last = nft::field(Ip::v4(0x0ad203ff));
    nft.add({{"bridges", {name}, {}, {}, {}},
             {"same_net", {name, name}, {}, {}, {}},
             {"subnet4", {first}, {last}, {}, {}},
             {"own4", {name, first}, {name, last}, {}, {}},
             {"gateway4", {name}, {}, {nft::field(Ip::v4(0x0ad20001))}, {}}});
    container(a, bridge, "mr-a", 2);
    container(b, bridge, "mr-b", 3);
    outside(client, "eth0", Ip::v4(0xc0000201), "192.0.2.9/24", "192.0.2.1");
    outside(other, "eth1", Ip::v4(0xc6336401), "198.51.100.9/24", "198.51.100.1");
    for (const auto* space : {&a, &b, &client, &other}) space->in(await_links);
    await_links();
  }

  void publish(std::uint16_t port, std::optional<Ip> address = std::nullopt) {
    for (const Protocol protocol : {Protocol::Tcp, Protocol::Udp}) {
      nft::Element element{address ? "pub4_addr" : "pub4_any",
                           {nft::field(protocol), nft::field(port)},
                           {},
                           {nft::field(Ip::v4(0x0ad20002)), nft::field(std::uint16_t{80})},
                           "a"};
      if (address) element.key.insert(element.key.begin(), nft::field(*address));
      nft.add({element});
    }
  }

 private:
  void container(const fresh::Namespace& inside, unsigned bridge, const char* name,
                 std::uint8_t number) {
    rtnl::create_veth(route, {name, {{2, 0, 0, 0, 1, number}}}, {"eth0", {{2, 0, 0, 0, 2, number}}},
                      1500, bridge, inside.fd());
    rtnl::set_hairpin(route, rtnl::find_link(route, name)->index);
    inside.in([&] {
      netlink::Socket there(NETLINK_ROUTE);
      const unsigned index = rtnl::find_link(there, "eth0")->index;
      rtnl::add_address(there, index, {Ip::v4(0x0ad20000U + number), 22});
      rtnl::set_up(there, index);
      rtnl::add_default_route(there, index, Ip::v4(0x0ad20001));
    });
  }

  void outside(const fresh::Namespace& beyond, const char* name, Ip here, const char* there,
               const char* gateway) {
    sh(base::cat("ip link add ", name, " type veth peer name eth0 netns /proc/", ::getpid(), "/fd/",
                 beyond.fd()));
    const unsigned index = rtnl::find_link(route, name)->index;
    rtnl::add_address(route, index, {here, 24});
    rtnl::set_up(route, index);
    nft.add({{"opened", {nft::interface_field(name), nft::field(Family::V4)}, {}, {}, {}}});
    write_sysctl(base::cat("net.ipv4.conf.", name, ".forwarding"), "1");
    beyond.in([&] {
      sh(base::cat("ip addr add ", there, " dev eth0 && ip link set eth0 up &&",
                   " ip route add default via ", gateway));
    });
  }
};

/// Each case with what a bridge forwards seen by the firewall, and not; with TCP and UDP.
void everywhere(const std::function<void(World&, int type)>& test) {
  for (const char* bridge_nf : {"0", "1"}) {
    for (const int type : {SOCK_STREAM, SOCK_DGRAM}) {
      CAPTURE(bridge_nf);
      CAPTURE(type);
      World world(bridge_nf);
      test(world, type);
    }
  }
}

}  // namespace

TEST_CASE("a published port is reached from everywhere") {
  everywhere([](World& world, int type) {
    world.publish(8080);
    const auto server = world.a.in([&] { return serve(type, "0.0.0.0", 80); });
    const auto from = [&](const fresh::Namespace& where, const char* to) {
      return where.in([&] { return reach(server, type, to, 8080); });
    };
    CHECK(from(world.client, "192.0.2.1") == "192.0.2.9");  // with its own address
    CHECK(from(world.other, "192.0.2.1") == "198.51.100.9");
    CHECK(reach(server, type, "127.0.0.1", 8080) == "10.210.0.1");
    CHECK(reach(server, type, "192.0.2.1", 8080) == "192.0.2.1");
    CHECK(reach(server, type, "10.210.0.1", 8080) == "10.210.0.1");
    CHECK(from(world.b, "192.0.2.1") == "10.210.0.1");   // a neighbour
    CHECK(from(world.b, "10.210.0.1") == "10.210.0.1");  // by its gateway
    CHECK(from(world.a, "192.0.2.1") == "10.210.0.1");   // itself
    CHECK(from(world.b, "10.210.0.2") == std::nullopt);  // 8080 is the host's port, not a's
  });
}

TEST_CASE("a port published on 127.0.0.1 is for the host only") {
  everywhere([](World& world, int type) {
    world.publish(8080, Ip::v4(0x7f000001));
    const auto server = world.a.in([&] { return serve(type, "0.0.0.0", 80); });
    CHECK(reach(server, type, "127.0.0.1", 8080) == "10.210.0.1");
    CHECK(reach(server, type, "192.0.2.1", 8080) == std::nullopt);
    for (const auto* where : {&world.client, &world.b}) {
      CHECK(where->in([&] {
        send_loopback_by_wire();
        return reach(server, type, "127.0.0.1", 8080);
      }) == std::nullopt);
    }
    CHECK(dropped("to the loopback"));
  });
}

TEST_CASE("a container does not reach what listens on the host's loopback") {
  everywhere([](World& world, int type) {
    const auto secret = serve(type, "127.0.0.1", 9999);
    CHECK(reach(secret, type, "127.0.0.1", 9999) == "127.0.0.1");
    CHECK(world.b.in([&] {
      send_loopback_by_wire();
      return reach(secret, type, "127.0.0.1", 9999);
    }) == std::nullopt);
    CHECK(dropped("to the loopback"));
  });
}

TEST_CASE("containers reach each other and the world, and nobody reaches them directly") {
  everywhere([](World& world, int type) {
    const auto at_a = world.a.in([&] { return serve(type, "0.0.0.0", 80); });
    const auto at_client = world.client.in([&] { return serve(type, "0.0.0.0", 80); });
    CHECK(world.b.in([&] { return reach(at_a, type, "10.210.0.2", 80); }) == "10.210.0.3");
    CHECK(world.a.in([&] { return reach(at_client, type, "192.0.2.9", 80); }) == "192.0.2.1");
    CHECK(reach(at_a, type, "10.210.0.2", 80) == "10.210.0.1");  // the host itself does
    const auto at_host = serve(type, "0.0.0.0", 81);
    CHECK(reach(at_host, type, "10.210.0.1", 81) ==
          "10.210.0.1");  // by lo, to the bridge's address
    CHECK(world.a.in([&] { return reach(at_host, type, "10.210.0.1", 81); }) == "10.210.0.2");
    CHECK(world.client.in([&] { return reach(at_a, type, "10.210.0.2", 80); }) == std::nullopt);
    CHECK(dropped("from beyond its network"));
  });
}

TEST_CASE("two outside interfaces stay closed to each other, but for what others publish") {
  everywhere([](World& world, int type) {
    const auto server = world.other.in([&] { return serve(type, "0.0.0.0", 80); });
    CHECK(reach(server, type, "198.51.100.9", 80) == "198.51.100.1");  // the host itself
    const auto pass = [&](const char* to, int port) {
      return world.client.in([&] { return reach(server, type, to, port); });
    };
    CHECK(pass("198.51.100.9", 80) == std::nullopt);
    CHECK(dropped("not ours"));
    sh("nft 'add table ip docker; add chain ip docker prerouting"
       " { type nat hook prerouting priority -100; };"
       " add rule ip docker prerouting fib daddr type local meta l4proto { tcp, udp } th dport 81 "
       "dnat to 198.51.100.9:80'");
    CHECK(pass("192.0.2.1", 81) == "192.0.2.9");
    CHECK(pass("198.51.100.9", 80) == std::nullopt);
    sh("nft flush chain inet mini_run transit");  // it is that chain that closes them
    CHECK(pass("198.51.100.9", 80) == "192.0.2.9");
  });
}

TEST_CASE("a container cannot send with an address that is not of its network") {
  const char* bridge_nf = "0";
  SUBCASE("bridged frames unseen") {}
  SUBCASE("bridged frames seen") { bridge_nf = "1"; }
  World world(bridge_nf);
  const auto server = world.client.in([] { return serve(SOCK_DGRAM, "0.0.0.0", 80); });
  const auto say = [&](const char* from) {
    world.a.in([&] {
      const auto fd = serve(SOCK_DGRAM, from, 1000);
      const auto name = name_of("192.0.2.9", 80);
      ::sendto(fd.get(), "x", 1, 0, reinterpret_cast<const sockaddr*>(&name), sizeof name);
    });
    char byte = 0;
    return ready(server.get(), POLLIN) && ::recv(server.get(), &byte, 1, 0) == 1;
  };
  world.a.in([] { sh("ip addr add 203.0.113.5/32 dev eth0"); });
  CHECK(say("10.210.0.2"));
  CHECK_FALSE(say("203.0.113.5"));
  CHECK(dropped("forged"));
}

TEST_CASE("a bridge of the user's that we opened passes frames between its own ports") {
  World world("1");
  const fresh::Namespace x, y;
  sh(base::cat("ip link add br0 type bridge && ip link set br0 up &&",
               " ip link add x type veth peer name eth0 netns /proc/", ::getpid(), "/fd/", x.fd(),
               " && ip link add y type veth peer name eth0 netns /proc/", ::getpid(), "/fd/",
               y.fd(), " && ip link set x master br0 up && ip link set y master br0 up"));
  x.in([] { sh("ip addr add 10.9.9.1/24 dev eth0 && ip link set eth0 up"); });
  y.in([] { sh("ip addr add 10.9.9.2/24 dev eth0 && ip link set eth0 up"); });
  for (const auto* space : {&x, &y}) space->in(await_links);
  await_links();
  const auto name = nft::interface_field("br0");
  const auto server = x.in([] { return serve(SOCK_DGRAM, "0.0.0.0", 80); });
  const auto pass = [&] { return y.in([&] { return reach(server, SOCK_DGRAM, "10.9.9.1", 80); }); };
  world.nft.add({{"opened", {name, nft::field(Family::V4)}, {}, {}, {}}});
  CHECK(pass() == std::nullopt);
  world.nft.add({{"same_net", {name, name}, {}, {}, {}}});
  CHECK(pass() == "10.9.9.2");
}
