// SPDX-License-Identifier: MIT
// Who is woken by what: the messages are the kernel's own.
#include "netsetup/watch.h"

#include <linux/netlink.h>
#include <poll.h>

#include <algorithm>

#include "fresh.h"
#include "netsetup/repair.h"
#include "netsetup/rtnl.h"
#include "running.h"

using namespace netsetup;
using fresh::sh;

namespace {

/// A network of one container as its supervisor watches it.
struct Watched {
  fresh::Host host;
  fresh::Container web{"web", {{std::nullopt, 8080, 80, Protocol::Tcp}}};
  Watch watch = make();
  Heard heard;  // by the last woken_by()

  static Watch make() {
    ::usleep(200'000);  // carriers have settled
    return {};
  }
  bool readable(int milliseconds) const {
    const auto fds = watch.fds();
    std::array<pollfd, 2> wait = {pollfd{fds[0], POLLIN, 0}, pollfd{fds[1], POLLIN, 0}};
    return ::poll(wait.data(), wait.size(), milliseconds) > 0;
  }
  bool woken_by(const std::string& command) {
    sh(command);
    const bool ready = readable(300);
    heard = {};
    CHECK(watch.drain(heard) == ready);
    CHECK_FALSE(readable(0));
    return ready;
  }
};

}  // namespace

TEST_CASE("watch: removals of what is ours wake") {
  Watched watched;
  for (const std::string removal : {
           "nft flush ruleset",
           "nft delete table inet mini_run",
           "nft delete table bridge mini_run",
           "nft flush chain bridge mini_run from_port",
           "nft flush table inet mini_run",
           "nft flush chain inet mini_run forward",
           "nft 'flush chain inet mini_run guard; delete chain inet mini_run guard'",
           "nft delete rule inet mini_run guard handle $(nft -a list chain inet mini_run guard |"
           " sed -n 's/.*handle //p' | tail -1)",
           "nft 'add set inet mini_run spare { type ifname; }; delete set inet mini_run spare'",
           "nft 'add element inet mini_run opened { \"x\" . ipv4 }; flush chain inet mini_run "
           "forward'",
           "(for i in $(seq 100); do echo add element inet mini_run pub4_any { tcp . $i : "
           "10.9.9.9 . 80 }; done; echo delete table inet mini_run) | nft -f -",
           "(for i in $(seq 20); do echo add element inet mini_run pub4_any { tcp . $i : "
           "10.9.9.9 . 80 }; done; echo flush chain inet mini_run forward) | nft -f -",
           "ip link set mini0 down",
           "ip addr flush dev mini0",
           "ip link set mr-00000001 nomaster",
           "ip link set mr-00000001 down",
           "bridge link set dev mr-00000001 hairpin off",
           "ip link delete mini0",
       }) {
    INFO("removal: ", removal);
    CHECK(watched.woken_by(removal));
    Kernel kernel(configs::Ruleset);
    const State state;
    repair(kernel, state);
    watched.watch = Watched::make();
    CHECK_FALSE(watched.readable(0));
  }
}

TEST_CASE("watch: a new address wakes") {
  Watched watched;
  CHECK(watched.woken_by("ip link add eth0 type bridge"));  // it is down
  CHECK_FALSE(watched.heard.shared);
  CHECK(watched.woken_by("ip addr add 192.0.2.1/24 dev eth0"));
  CHECK(watched.heard.shared);
  CHECK(watched.woken_by("ip addr add 2001:db8::1/64 dev eth0 nodad"));
  CHECK_FALSE(watched.woken_by("ip addr add fe80::7/64 dev eth0 nodad"));
}

TEST_CASE("watch: starts and stops of other containers are nothing to mend") {
  Watched watched;
  Kernel kernel(configs::Ruleset);
  const State state;
  for (std::uint16_t run = 2; run < 7; ++run) {
    const std::vector<PublishedPort> ports = {
        {std::nullopt, run, 80, Protocol::Tcp},
        {Ip::v4(0x7f000001), static_cast<std::uint16_t>(100 + run), 80, Protocol::Udp}};
    const fresh::Container other("other", ports, "mini0", run);
    ::usleep(150'000);
  }
  ::usleep(500'000);  // namespaces die in the background
  Heard heard;
  watched.watch.drain(heard);
  CHECK_FALSE(heard.everything);
  CHECK_FALSE(heard.shared);
  for (const auto& link : heard.links) CHECK(link.starts_with("mr-"));
  // So it asks for those few links, and touches nothing.
  repair_after(kernel, state, heard);
  CHECK_FALSE(watched.readable(200));
}

TEST_CASE("watch: a repair that finds nothing missing wakes nobody") {
  Watched watched;
  Kernel kernel(configs::Ruleset);
  const State state;
  repair(kernel, state);
  CHECK_FALSE(watched.readable(200));
}

TEST_CASE("watch: what others do to what is theirs, and what changes nothing, wakes nobody") {
  Watched watched;
  for (const char* action : {
           "nft 'add table ip t; add chain ip t c; add set ip t s { type ifname; }; add element ip "
           "t s { x, y }; add rule ip t c accept'",
           "nft 'delete element ip t s { x }; add chain ip t d'",
           "nft add rule inet mini_run forward counter",
           "nft delete element inet mini_run pub4_any '{ tcp . 8080 }'",
           "ip link set mini0 alias x; ip link set mr-00000001 mtu 1400",
       }) {
    INFO("action: ", action);
    CHECK_FALSE(watched.woken_by(action));
  }
  // Links of others are heard of, as long as they are not up; no name of ours is among them.
  CHECK(
      watched.woken_by("ip link add br9 type bridge; ip link add d9 type veth peer name d8; "
                       "ip link set br9 up; ip link set d9 master br9 up; ip link delete br9"));
  CHECK_FALSE(watched.heard.shared);
  for (const auto& link : watched.heard.links)
    CHECK((link == "br9" || link == "d9" || link == "d8"));
}

TEST_CASE("watch: a firewall that begins to have a say wakes") {
  Watched watched;
  sh("nft add table inet fw");
  for (const char* action : {
           "nft 'add chain inet fw forward { type filter hook forward priority 0; policy drop; }'",
           "nft 'add set inet fw s { type ifname; }; add chain inet fw plain; add chain inet fw "
           "other { type filter hook input priority 0; }'",
           "iptables-nft -P FORWARD DROP",
           "iptables-nft -P FORWARD ACCEPT",
       }) {
    INFO("action: ", action);
    CHECK(watched.woken_by(action));
  }
  CHECK_FALSE(watched.woken_by("nft add chain inet fw another"));
}

TEST_CASE("watch: our rules may be among those of others: what is deleted there wakes") {
  Watched watched;
  // What a socket's filter may take, until Linux 6.7.
  if (::access("/proc/sys/net/core/optmem_max", W_OK) == 0)
    sh("sysctl -qw net.core.optmem_max=20480");
  watched.watch = Watched::make();
  sh("nft 'add table ip t; add chain ip t c; add rule ip t c accept'");
  for (const char* removal : {"nft flush chain ip t c", "nft delete chain ip t c",
                              "nft delete table ip t", "nft flush table inet mini_run"}) {
    INFO("removal: ", removal);
    CHECK(watched.woken_by(removal));
    CHECK(watched.heard.shared);
    CHECK(watched.heard.links.empty());
  }
}

TEST_CASE("watch: what overflowed counts") {
  Watched watched;
  sh("(for i in $(seq 3000); do echo address add 10.9.$((i / 250)).$((i % 250))/32 dev lo; done) "
     "| ip -batch -");
  Heard heard;
  CHECK(watched.watch.drain(heard));
  CHECK(heard.everything);
  CHECK_FALSE(watched.watch.drain(heard));
}
