// SPDX-License-Identifier: MIT
// The plan against the real kernel: what is printed does what is done, and what is undone is gone.
#include <doctest/doctest.h>
#include <fcntl.h>

#include <fstream>

#include "base/error.h"
#include "base/text.h"
#include "fresh.h"
#include "netsetup/container_network.h"
#include "netsetup/explain.h"
#include "netsetup/publish.h"
#include "netsetup/transaction.h"
#include "runtime/configs.h"

using namespace netsetup;

namespace {

const Network Mini{"mini0", {*Cidr::parse("10.210.0.1/22"), *Cidr::parse("fd00::1/64")}};
const std::vector<PublishedPort> Ports = {{std::nullopt, 8080, 80, Protocol::Tcp}};
const Closed Uplink{{{"eth0", Family::V4, false}, {"eth0", Family::V6, false}}, {}, false, true};

void make_uplink() {
  fresh::sh(
      "ip link add eth0 type bridge && ip addr add 192.0.2.1/24 dev eth0 && "
      "ip addr add 2001:db8::1/64 dev eth0");
}

std::vector<Step> shared_plan() {
  auto plan = host_plan(Uplink);
  const auto network = network_plan(Mini);
  plan.insert(plan.end(), network.begin(), network.end());
  return plan;
}

/// Everything that a plan may change on the host, as text. Interface indexes count up: left out.
std::string state() {
  return fresh::sh(
      "ip -d -j link | sed 's/\"ifindex\":[0-9]*,//g'; ip -j addr | sed "
      "'s/\"ifindex\":[0-9]*,//g'; ip route show table all; nft list ruleset; "
      "cd /proc/sys/net && grep -r . ipv4/conf ipv6/conf ipv4/ip_forward 2>/dev/null | sort");
}

base::UniqueFd journal_directory() {
  fresh::sh("mkdir -p /run/journal && rm -f /run/journal/journal");
  return base::UniqueFd(::open("/run/journal", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

}  // namespace

TEST_CASE("a plan that fails at any step leaves the host as it was") {
  const auto plan = shared_plan();
  for (std::size_t failing = 0; failing <= plan.size(); ++failing) {
    const fresh::Host host;
    make_uplink();
    const auto before = state();
    Kernel kernel(configs::Ruleset);
    const auto directory = journal_directory();
    Journal journal(directory.get());
    std::size_t step = 0;
    const Observer observer = [&](const Step&) {
      if (step++ == failing) throw base::Error("told to fail");
    };
    const auto carry_out = [&] {
      Transaction transaction(kernel, journal, observer);
      for (const auto& each : plan) transaction.apply(each);
      throw base::Error("told to fail after the last");
    };
    CHECK_THROWS_AS(carry_out(), base::Error);
    CHECK(state() == before);
  }
}

TEST_CASE("the journal alone undoes a plan whose owner was killed") {
  const fresh::Host host;
  make_uplink();
  const auto before = state();
  const auto directory = journal_directory();
  {
    Kernel kernel(configs::Ruleset);
    Journal journal(directory.get());
    const Observer none;
    Transaction transaction(kernel, journal, none);
    for (const auto& each : shared_plan()) transaction.apply(each);
    transaction.commit();
    CHECK(state() != before);
  }
  Kernel another(configs::Ruleset);
  const auto steps = Journal(directory.get()).read();
  CHECK(undo_all(another, steps).empty());
  CHECK(state() == before);
  CHECK(undo_all(another, steps).empty());  // and once more: gone already is no failure
  CHECK(state() == before);
}

TEST_CASE("what somebody else switched on meanwhile stays on") {
  const fresh::Host host;
  make_uplink();
  const auto directory = journal_directory();
  Kernel kernel(configs::Ruleset);
  Journal journal(directory.get());
  {
    const Observer none;
    Transaction transaction(kernel, journal, none);
    for (const auto& each : host_plan(Uplink)) transaction.apply(each);
    transaction.commit();
  }
  fresh::sh("sysctl -qw net.ipv4.ip_forward=1");
  CHECK(undo_all(kernel, journal.read()).empty());
  CHECK(fresh::sh("cat /proc/sys/net/ipv4/conf/eth0/forwarding") == "1\n");
}

TEST_CASE("things of others that look like ours are refused and stay") {
  const fresh::Host host;
  Kernel kernel(configs::Ruleset);
  fresh::sh("ip link add mini0 type bridge && nft add table inet mini_run");
  const Step bridge{Verb::Create, Where::Host, Bridge{"mini0", bridge_mac(Mini)}};
  const Step rules{Verb::Create, Where::Host, RuleSet{}};
  CHECK_THROWS_WITH_AS(static_cast<void>(kernel.undo(bridge)),
                       doctest::Contains("ip link delete mini0"), base::Error);
  CHECK_THROWS_WITH_AS(static_cast<void>(kernel.undo(rules)),
                       doctest::Contains("nft delete table inet mini_run"), base::Error);
  kernel.execute({Verb::Delete, Where::Host, bridge.object});
  kernel.execute({Verb::Delete, Where::Host, rules.object});
  fresh::sh("ip link show mini0 && nft list table inet mini_run");
}

TEST_CASE("a port's guard: its command does the same, and both are undone") {
  const fresh::Host host;
  Kernel kernel(configs::Ruleset);
  kernel.execute({Verb::Create, Where::Host, RuleSet{}});
  const auto list = [] { return fresh::sh("nft list table bridge mini_run"); };
  const auto empty = list();
  const PortGuard guard{"mr-1f2e3d4c",
                        *Mac::parse("02:42:0a:d2:00:02"),
                        {*Ip::parse("10.210.0.2"), *Ip::parse("fd00::2")}};
  const Step create{Verb::Create, Where::Host, guard};
  const Step remove{Verb::Delete, Where::Host, guard};
  kernel.execute(create);
  const auto guarded = list();
  CHECK(guarded != empty);
  fresh::sh(command(remove, ""));
  CHECK(list() == empty);
  fresh::sh(command(create, ""));
  CHECK(list() == guarded);
  kernel.execute(remove);
  CHECK(list() == empty);
  fresh::sh("nft delete table bridge mini_run");  // as where the kernel has none
  kernel.execute(create);
  kernel.execute(remove);
}

TEST_CASE("ranges are the elements that their commands make, and go again") {
  const fresh::Host host;
  Kernel kernel(configs::Ruleset);
  kernel.execute({Verb::Create, Where::Host, RuleSet{}});
  const std::string none = fresh::sh("nft -n list ruleset");
  const Step step{Verb::Create, Where::Host,
                  Publish{"web",
                          {*Ip::parse("10.210.0.2"), *Ip::parse("fd00::2")},
                          {{std::nullopt, 8000, 8000, Protocol::Tcp, 1000},
                           {Ip::parse("127.0.0.1"), 8000, 8000, Protocol::Udp, 2},
                           {Ip::parse("::1"), 1, 1, Protocol::Udp, 65535},
                           {std::nullopt,
                            80,
                            8080,
                            Protocol::Tcp,
                            1,
                            {*Cidr::parse("10.0.0.0/8"), *Cidr::parse("192.0.2.7/32"),
                             *Cidr::parse("2001:db8::/32")}}}}};
  const Step back{Verb::Delete, Where::Host, step.object};
  kernel.execute(step);
  const std::string ours = fresh::sh("nft -n list ruleset");
  CHECK(ours.find("0.0.0.0/0 . 6 . 8000-8999 comment \"web\" : 10.210.0.2") != std::string::npos);
  kernel.execute(step);  // as who mends it
  CHECK(fresh::sh("nft -n list ruleset") == ours);
  kernel.execute(back);
  CHECK(fresh::sh("nft -n list ruleset") == none);
  fresh::sh(command(step, "web"));
  CHECK(fresh::sh("nft -n list ruleset") == ours);
  fresh::sh(command(back, "web"));
  CHECK(fresh::sh("nft -n list ruleset") == none);
}

TEST_CASE("a port has one owner, alone or in a range, whoever comes first") {
  const fresh::Host host;
  Kernel kernel(configs::Ruleset);
  kernel.execute({Verb::Create, Where::Host, RuleSet{}});
  const auto step = [](Verb verb, const char* name, const char* address, PublishedPort port) {
    return Step{verb, Where::Host, Publish{name, {*Ip::parse(address)}, {std::move(port)}}};
  };
  const PublishedPort range{std::nullopt, 8000, 8000, Protocol::Tcp, 1000};
  const auto local = Ip::parse("127.0.0.1");
  const std::vector<PublishedPort> clashes = {{std::nullopt, 8500, 80, Protocol::Tcp},
                                              {local, 8000, 80, Protocol::Tcp},
                                              {std::nullopt, 8999, 8999, Protocol::Tcp, 100},
                                              {local, 8100, 8100, Protocol::Tcp, 10},
                                              {std::nullopt, 8000, 8000, Protocol::Tcp, 1000}};
  for (const auto& port : clashes) {
    CAPTURE(port.text());
    for (const auto& [first, second] : {std::pair(range, port), std::pair(port, range)}) {
      kernel.execute(step(Verb::Create, "web", "10.210.0.2", first));
      const auto late = step(Verb::Create, "db", "10.210.0.3", second);
      CHECK_THROWS_WITH_AS(check_free(kernel, {second}),
                           doctest::Contains("is taken: the container web has it"), base::Error);
      CHECK_THROWS_WITH_AS(kernel.execute(late),
                           doctest::Contains("is taken: the container web has it"), base::Error);
      kernel.execute({Verb::Delete, Where::Host, late.object});  // as the journal says
      kernel.execute(step(Verb::Delete, "web", "10.210.0.2", first));
      CHECK(fresh::sh("nft list ruleset").find("comment \"web\"") == std::string::npos);
      CHECK(fresh::sh("nft list ruleset").find("comment \"db\"") == std::string::npos);
    }
  }
  // Two single ports, too, of different maps.
  kernel.execute(step(Verb::Create, "web", "10.210.0.2", {local, 80, 80, Protocol::Tcp}));
  CHECK_THROWS_WITH_AS(check_free(kernel, {{std::nullopt, 80, 80, Protocol::Tcp}}),
                       doctest::Contains("80/tcp is taken: the container web"), base::Error);
  kernel.execute(step(Verb::Create, "web", "10.210.0.2", range));
  for (const PublishedPort& port :
       std::vector<PublishedPort>{{std::nullopt, 7999, 80, Protocol::Tcp},
                                  {std::nullopt, 8500, 80, Protocol::Udp},
                                  {std::nullopt, 9000, 9000, Protocol::Tcp, 10}})
    kernel.execute(step(Verb::Create, "db", "10.210.0.3", port));
}

TEST_CASE("unpublishing leaves alone what has become another's") {
  const fresh::Host host;
  Kernel kernel(configs::Ruleset);
  kernel.execute({Verb::Create, Where::Host, RuleSet{}});
  const Publish web{"web", {*Ip::parse("10.210.0.2"), *Ip::parse("fd00::2")}, Ports};
  const Publish other{"other", {*Ip::parse("10.210.0.9")}, Ports};
  kernel.execute({Verb::Create, Where::Host, web});
  CHECK_THROWS_WITH_AS(kernel.execute({Verb::Create, Where::Host, other}),
                       doctest::Contains("the container web has it"), base::Error);
  kernel.execute({Verb::Delete, Where::Host, other});
  CHECK(fresh::sh("nft list map inet mini_run pub4_any").find("8080") != std::string::npos);
  kernel.execute({Verb::Delete, Where::Host, web});
  CHECK(fresh::sh("nft list map inet mini_run pub4_any").find("8080") == std::string::npos);
}
