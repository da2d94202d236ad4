// SPDX-License-Identifier: MIT
// The plan as a value: its steps as text, as journal lines, and the choice of a subnet.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>

#include "base/file.h"
#include "base/text.h"
#include "netsetup/explain.h"
#include "netsetup/journal.h"
#include "netsetup/plan.h"

using namespace netsetup;

namespace {

const Network Mini{
    "mini0", {*Cidr::parse("10.210.0.1/22"), *Cidr::parse("fd00::1/64")}, false, true, 1400};
const std::vector<Ip> Addresses = {*Ip::parse("10.210.0.2"), *Ip::parse("fd00::2")};
const Endpoint Web{veth_name(0x1f2e3d4c, 0), "eth0", mac_of(Addresses.front()), Addresses};
const std::vector<PublishedPort> Ports = {
    {std::nullopt, 8080, 80, Protocol::Tcp},
    {Ip::parse("127.0.0.1"), 5353, 53, Protocol::Udp},
    {Ip::parse("::"), 8081, 80, Protocol::Tcp},
    {std::nullopt, 9000, 9000, Protocol::Udp, 100},
    {Ip::parse("::1"), 9000, 9000, Protocol::Tcp, 2},
    {std::nullopt, 8443, 443, Protocol::Tcp, 1, {*Cidr::parse("192.0.2.0/24")}}};

std::string commands(const std::vector<Step>& plan) {
  std::string out;
  for (const auto& step : plan) out += base::cat(command(step, "web"), "\n");
  return out;
}

std::vector<Step> whole_plan() {
  auto plan = host_plan({{{"eth0", Family::V4, false},
                          {"eth0", Family::V6, false},
                          {"eth1.7", Family::V4, false},
                          {"br1", Family::V4, true}},
                         {},
                         false,
                         true});
  for (const auto& part :
       {network_plan(Mini), name_plan("web", 0), namespace_plan(),
        attachment_plan("web", Mini, Web), publish_plan("web", Addresses, Ports)})
    plan.insert(plan.end(), part.begin(), part.end());
  return plan;
}

}  // namespace

TEST_CASE("the plan reads as the commands one would type") {
  CHECK(commands(whole_plan()) ==
        R"(nft -f configs/ruleset.nft
mkdir -p /run/netns
nft 'add element inet mini_run loopback6 { "lo" }'
nft 'add element inet mini_run opened { "eth0" . ipv4 }'
sysctl -qw net.ipv4.conf.eth0.forwarding=1
nft 'add element inet mini_run opened { "eth0" . ipv6 }'
sysctl -qew net.ipv6.conf.eth0.force_forwarding=1
nft 'add element inet mini_run opened { "eth1.7" . ipv4 }'
sysctl -qw net/ipv4/conf/eth1.7/forwarding=1
nft 'add element inet mini_run opened { "br1" . ipv4 }; add element inet mini_run same_net { "br1" . "br1" }'
sysctl -qw net.ipv4.conf.br1.forwarding=1
ip link add mini0 address 02:42:0a:d2:00:01 mtu 1400 type bridge
sysctl -qw net.ipv6.conf.mini0.disable_ipv6=0
sysctl -qw net.ipv4.conf.mini0.forwarding=1
sysctl -qw net.ipv4.conf.mini0.route_localnet=1
sysctl -qw net.ipv6.conf.mini0.accept_ra=0
sysctl -qew net.ipv6.conf.mini0.force_forwarding=1
nft 'add element inet mini_run bridges { "mini0" }; add element inet mini_run same_net { "mini0" . "mini0" }; add element inet mini_run subnet4 { 10.210.0.0/22 }; add element inet mini_run own4 { "mini0" . 10.210.0.0/22 }; add element inet mini_run gateway4 { "mini0" : 10.210.0.1 }; add element inet mini_run gateways4 { "mini0" . 10.210.0.1 }; add element inet mini_run subnet6 { fd00::/64 }; add element inet mini_run own6 { "mini0" . fd00::/64 }; add element inet mini_run gateway6 { "mini0" : fd00::1 }'
ip address add 10.210.0.1/22 dev mini0
ip address add fd00::1/64 dev mini0 nodad
ip link set mini0 up
ip -6 route replace local ::1/128 dev mini0 table local metric 181534721
ip netns add web
ip netns exec web sysctl -qw 'net.ipv4.ping_group_range=0	2147483647'
ip netns exec web sysctl -qw net.ipv4.ip_unprivileged_port_start=0
ip -n web link set lo up
ip netns exec web nft 'add table ip mini_run_names { comment "mini-run answers to 127.0.0.11 port 53"; }; add chain ip mini_run_names question { type filter hook output priority raw; policy accept; }; add chain ip mini_run_names answer { type filter hook output priority mangle; policy accept; }; add rule ip mini_run_names question ip daddr 127.0.0.11 udp dport 53 udp dport set 1023; add rule ip mini_run_names answer ip saddr 127.0.0.11 udp sport 1023 udp sport set 53; add rule ip mini_run_names question ip daddr 127.0.0.11 tcp dport 53 tcp dport set 1023; add rule ip mini_run_names answer ip saddr 127.0.0.11 tcp sport 1023 tcp sport set 53'
nft 'add element bridge mini_run ports { "mr-1f2e3d4c" }; add element bridge mini_run own4 { "mr-1f2e3d4c" . 02:42:0a:d2:00:02 . 10.210.0.2 }; add element bridge mini_run own6 { "mr-1f2e3d4c" . 02:42:0a:d2:00:02 . ::, "mr-1f2e3d4c" . 02:42:0a:d2:00:02 . fd00::2, "mr-1f2e3d4c" . 02:42:0a:d2:00:02 . fe80::42:aff:fed2:2 }; add element bridge mini_run target6 { "mr-1f2e3d4c" . 0xfd000000000000000000000000000002, "mr-1f2e3d4c" . 0xfe8000000000000000420afffed20002 }'
ip link add mr-1f2e3d4c address 02:43:0a:d2:00:02 mtu 1400 master mini0 up type veth peer name eth0 address 02:42:0a:d2:00:02 mtu 1400 netns web
ip link set mr-1f2e3d4c alias web
bridge link set dev mr-1f2e3d4c hairpin on
bridge link set dev mr-1f2e3d4c isolated on
ip netns exec web sysctl -qw net.ipv6.conf.eth0.accept_ra=0
ip -n web address add 10.210.0.2/22 dev eth0
ip -n web address add fd00::2/64 dev eth0 nodad
ip -n web link set eth0 up
ip -n web route add default via 10.210.0.1 dev eth0
ip -n web -6 route add default via fd00::1 dev eth0
nft 'create element inet mini_run from4 { 0.0.0.0/0 . tcp . 8443 . 192.0.2.0/24 comment "web" }; create element inet mini_run limited4 { 0.0.0.0/0 . tcp . 8443 comment "web" }; create element inet mini_run pub4_addr { 127.0.0.1 . udp . 5353 comment "web" : 10.210.0.2 . 53 }; create element inet mini_run pub4_any { tcp . 8080 comment "web" : 10.210.0.2 . 80, tcp . 8443 comment "web" : 10.210.0.2 . 443 }; create element inet mini_run pub4_range { 0.0.0.0/0 . udp . 9000-9099 comment "web" : 10.210.0.2 }; create element inet mini_run pub6_any { tcp . 8080 comment "web" : fd00::2 . 80, tcp . 8081 comment "web" : fd00::2 . 80 }; create element inet mini_run pub6_range { ::/0 . udp . 9000-9099 comment "web" : fd00::2, ::1 . tcp . 9000-9001 comment "web" : fd00::2 }'
conntrack -D -p udp --orig-port-dst 5353 || true; for port in $(seq 9000 9099); do conntrack -D -p udp --orig-port-dst $port || true; done
)");
}

TEST_CASE("every step has a reason and a title of one line") {
  for (const auto& step : whole_plan()) {
    CHECK_FALSE(reason(step).empty());
    CHECK(reason(step).find('\n') == std::string::npos);
    CHECK_FALSE(title(step).empty());
  }
}

TEST_CASE("what is journalled reads back as the same step, and half a line is passed over") {
  std::string name = "/tmp/mini-run-journal-XXXXXX";
  REQUIRE(::mkdtemp(name.data()) != nullptr);
  const base::UniqueFd directory(::open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  auto plan = whole_plan();
  plan.push_back({Verb::Delete, Where::Host, Flows{Ip::parse("10.210.0.2"), {}}});
  plan.push_back({Verb::Create, Where::Host, Sysctl{"a.b", "0", "1", "c.d", "0"}});
  Journal journal(directory.get());
  for (const auto& step : plan) journal.append(step);
  REQUIRE(::write(journal.fd(), "{\"verb\":\"cre", 12) == 12);

  bool damaged = false;
  const auto read = Journal(directory.get()).read(&damaged);
  CHECK(damaged);
  CHECK(base::read_file("journal.damaged", directory.get()) == "{\"verb\":\"cre\n");
  CHECK(commands(read) == commands(plan));
  REQUIRE(read.size() == plan.size());
  CHECK(std::get<Sysctl>(read.back().object).ours == "1");
  CHECK(std::get<Sysctl>(read.back().object).guard == "c.d");
  ::unlink((name + "/journal").c_str());
  ::rmdir(name.c_str());
}

TEST_CASE("the subnet is chosen around what the host uses") {
  const auto choose = [](std::vector<const char*> taken) {
    std::vector<Cidr> list;
    for (const auto* text : taken) list.push_back(*Cidr::parse(text));
    const auto chosen = choose_subnet(22, list);
    return chosen ? chosen->text() : "none";
  };
  CHECK(choose({}) == "10.210.0.0/22");
  CHECK(choose({"0.0.0.0/0", "192.0.2.0/24"}) == "10.210.0.0/22");
  CHECK(choose({"10.210.3.0/24"}) == "10.210.4.0/22");
  CHECK(choose({"10.210.1.7/32", "10.210.4.0/23"}) == "10.210.8.0/22");
  CHECK(choose({"10.0.0.0/8"}) == "172.30.0.0/22");
  // a VPN that routes every private network
  CHECK(choose({"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"}) == "198.18.0.0/22");
  // one that routes everything: inside of it, but not where it says more
  CHECK(choose({"0.0.0.0/1", "128.0.0.0/1"}) == "10.210.0.0/22");
  CHECK(choose({"0.0.0.0/1", "128.0.0.0/1", "10.210.2.0/24"}) == "10.210.4.0/22");
}

TEST_CASE("where IPv6 is forwarded by the whole host or not at all, its own way out is kept") {
  const auto plan = opening_plan({{{"eth0", Family::V4, false}}, {"eth0", "wlan0"}, true, false});
  CHECK(commands(plan) == R"(nft 'add element inet mini_run opened { "eth0" . ipv4 }'
sysctl -qw net.ipv4.conf.eth0.forwarding=1
nft 'add element inet mini_run opened_host { ipv6 }'
sysctl -qw net.ipv6.conf.eth0.accept_ra=2
sysctl -qw net.ipv6.conf.wlan0.accept_ra=2
sysctl -qw net.ipv6.conf.all.forwarding=1
)");
}

TEST_CASE("a network without IPv6 has none on its bridge; an internal one has no way out") {
  Network network{"mini0", {*Cidr::parse("10.210.0.1/22")}};
  network.internal = true;
  const auto text = commands(network_plan(network));
  CHECK(text.find("disable_ipv6=1") != text.npos);
  CHECK(text.find("::1") == text.npos);
  CHECK(text.find("internal { \"mini0\" }") != text.npos);
  CHECK(commands(attachment_plan("web", network, {"mr-1", "eth0", {}, {Addresses.front()}}))
            .find("default") == std::string::npos);
}

TEST_CASE("the second network's link is eth1 and no way out") {
  Endpoint second = Web;
  second.veth = veth_name(1, 1);
  second.link = "eth1";
  second.way_out = false;
  const auto text = commands(attachment_plan("web", Mini, second));
  CHECK(text.find("ip link add mr-00000001-1 ") != text.npos);
  CHECK(text.find("peer name eth1 ") != text.npos);
  CHECK(text.find("default") == text.npos);
}

TEST_CASE("the IPv6 subnet is chosen around what the host uses") {
  CHECK(choose_subnet6({})->text() == "fd6d:696e:6972::/64");
  CHECK(choose_subnet6({*Cidr::parse("::/0"), *Cidr::parse("fd6d:696e:6972::/63")})->text() ==
        "fd6d:696e:6972:2::/64");
  CHECK_FALSE(choose_subnet6({*Cidr::parse("fd00::/8")}));
}
