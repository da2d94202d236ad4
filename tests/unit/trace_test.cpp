// SPDX-License-Identifier: MIT
// Events to packets, packets to lines. The events are those of a real connection, of a client to a
// published port, as the taps and the trace told them.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <linux/netfilter.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <functional>
#include <random>

#include "base/text.h"
#include "netsetup/tell.h"

using namespace netsetup;
using namespace netsetup::trace;
using nft::Decision;
using Verdict = Decision::Verdict;

namespace {

constexpr unsigned Eth0 = 2;
constexpr unsigned Mini0 = 4;
constexpr unsigned Port = 6;
constexpr unsigned Inside = 2;

Ip ip(const char* text) { return *Ip::parse(text); }

const conntrack::Tuple Before = {ip("203.0.113.2"), ip("203.0.113.1"), IPPROTO_TCP, 40000, 8080};
const conntrack::Tuple After = {ip("203.0.113.2"), ip("10.210.0.2"), IPPROTO_TCP, 40000, 80};

Packet packet(const conntrack::Tuple& tuple, std::uint8_t flags, std::uint32_t sequence,
              unsigned ttl) {
  Packet made;
  made.tuple = tuple;
  made.flags = flags;
  made.sequence = sequence;
  made.ttl = ttl;
  return made;
}

/// One thing that was heard; of a base chain all that followed in it.
using Event = std::function<void(Follower&)>;

Event seen(unsigned link, bool out, std::int64_t time, const Packet& what, bool inside = false) {
  return [=](Follower& follower) {
    Seen event;
    event.link = link;
    event.out = out;
    event.time = time;
    event.packet = what;
    event.inside = inside;
    follower.add(event, time);
  };
}

struct Rule {
  const char* chain;
  std::uint64_t handle;  // 0: the policy
  Verdict verdict;
  const char* says;
};

Event judged(const char* family, unsigned hook, int priority, const Packet& what,
             const std::vector<Rule>& rules, std::uint32_t id = 7) {
  return [=](Follower& follower) {
    for (const Rule& rule : rules) {
      Decision decision;
      decision.id = id;
      decision.family = family;
      decision.table = "mini_run";
      decision.chain = rule.chain;
      decision.handle = rule.handle;
      decision.policy = rule.handle == 0;
      decision.verdict = rule.verdict;
      decision.says = rule.says;
      if (rule.verdict == Verdict::Jump) decision.target = (&rule + 1)->chain;
      if (&rule == &rules.front()) {
        decision.packet = what;
        decision.hook = hook;
        decision.priority = priority;
      }
      follower.add(decision, 1);
    }
  };
}

std::vector<Event> syn() {
  const Packet before = packet(Before, TH_SYN, 100, 64);
  const Packet after = packet(After, TH_SYN, 100, 63);
  return {
      seen(Eth0, false, 1000, before),
      judged("inet", NF_INET_PRE_ROUTING, -300, before, {{"guard", 0, Verdict::Accept, ""}}),
      judged("inet", NF_INET_PRE_ROUTING, -100, before,
             {{"prerouting", 3, Verdict::Jump, "to an address of this host: a published port?"},
              {"publish", 4, Verdict::Accept, "published on all addresses"}}),
      judged("inet", NF_INET_FORWARD, 0, after,
             {{"forward", 5, Verdict::Jump, "towards a container"},
              {"to_container", 6, Verdict::Accept, "published port"}}),
      seen(Mini0, true, 40000, after),
      seen(Port, true, 41000, after),
      seen(Inside, false, 44000, after, true),
  };
}

std::vector<Event> answer() {
  const Packet inside = packet(After.reversed(), TH_SYN | TH_ACK, 900, 64);
  const Packet outside = packet(Before.reversed(), TH_SYN | TH_ACK, 900, 63);
  return {
      seen(Inside, true, 50000, inside, true),
      seen(Port, false, 51000, inside),
      judged("bridge", NF_INET_PRE_ROUTING, 0, inside,
             {{"from_port", 8, Verdict::Accept, "IPv4 of its own"}}),
      seen(Mini0, false, 55000, inside),
      judged("inet", NF_INET_PRE_ROUTING, -300, inside, {{"guard", 0, Verdict::Accept, ""}}),
      judged("inet", NF_INET_FORWARD, 0, inside,
             {{"forward", 9, Verdict::Accept, "known connection"}}),
      seen(Eth0, true, 68000, outside),
  };
}

Follower follower() {
  return Follower(
      {{ip("10.210.0.2")}, {{std::nullopt, 8080, 80, Protocol::Tcp}}, {ip("203.0.113.1")}, true},
      {});
}

Scene scene() {
  using Role = Scene::Link::Role;
  Scene made;
  made.host = {{Eth0, {"eth0"}},
               {Mini0, {"mini0", Role::Bridge}},
               {Port, {"mr-1", Role::Cable, "web", "eth0", Mini0}}};
  made.inside = {{Inside, "eth0"}};
  made.container = "web";
  made.connection = {Before, After.reversed()};
  return made;
}

std::string text_of(std::vector<Way> ways) {
  std::string text;
  for (Way& way : ways) {
    way.route = rtnl::Lookup{0, false, *Cidr::parse("10.210.0.0/22"), {}, Mini0};
    text += base::cat("#", way.number, ' ', headline(way, scene()), '\n');
    for (const Line& line : tell(way, scene()))
      text += base::cat(line.step, " | ", line.where, " | ", line.what, " | ", line.why, " | ",
                        line.time.value_or(0), '\n');
  }
  return text;
}

constexpr auto Told =
    "#1 SYN  203.0.113.2:40000 -> 203.0.113.1:8080\n"
    "wire | eth0 | in | 203.0.113.2:40000 -> 203.0.113.1:8080, ttl 64 | 1000\n"
    "raw | guard | accept | its policy: no rule decides | 0\n"
    "conntrack |  | new | its answers will be 10.210.0.2:80 -> 203.0.113.2:40000 | 0\n"
    "prerouting | prerouting | -> publish | to an address of this host: a published port? | 0\n"
    " | publish | accept | published on all addresses | 0\n"
    "DNAT |  |  | 203.0.113.1:8080 => 10.210.0.2:80 | 0\n"
    "routing | mini0 |  | 10.210.0.0/22, on the link itself | 0\n"
    "forward | forward | -> to_container | towards a container | 0\n"
    " | to_container | accept | published port | 0\n"
    "bridge | mini0 => mr-1 |  |  | 41000\n"
    "veth | mr-1 => eth0 of web |  |  | 0\n"
    "container | eth0 of web | in | 203.0.113.2:40000 -> 10.210.0.2:80, ttl 63 | 44000\n"
    "#2 SYN+ACK  10.210.0.2:80 -> 203.0.113.2:40000\n"
    "container | eth0 of web | out | 10.210.0.2:80 -> 203.0.113.2:40000, ttl 64 | 50000\n"
    "veth | eth0 of web => mr-1 |  |  | 51000\n"
    "bridge | bridge mini_run from_port | accept | IPv4 of its own | 0\n"
    "bridge | mr-1 => mini0 |  | up to the host | 55000\n"
    "raw | guard | accept | its policy: no rule decides | 0\n"
    "conntrack |  | answer | of a connection that is known | 0\n"
    "routing | mini0 |  | 10.210.0.0/22, on the link itself | 0\n"
    "forward | forward | accept | known connection | 0\n"
    "un-DNAT |  |  | 10.210.0.2:80 => 203.0.113.1:8080, as conntrack remembers: no rule is asked "
    "| 0\n"
    "wire | eth0 | out | 203.0.113.1:8080 -> 203.0.113.2:40000, ttl 63 | 68000\n";

}  // namespace

TEST_CASE("trace: a connection to a published port, there and back") {
  auto follows = follower();
  for (const auto& events : {syn(), answer()})
    for (const Event& event : events) event(follows);
  CHECK(follows.begun());
  CHECK(follows.answered());
  CHECK_FALSE(follows.closed());
  CHECK(text_of(follows.take(1'000'000)) == Told);
}

TEST_CASE("trace: in whatever order the three sources are heard") {
  std::mt19937 random(1);  // NOLINT(cert-msc51-cpp): the same orders each time
  for (int round = 0; round < 200; ++round) {
    auto follows = follower();
    auto events = syn();
    std::ranges::move(answer(), std::back_inserter(events));
    std::ranges::shuffle(events, random);
    for (const Event& event : events) event(follows);
    REQUIRE(text_of(follows.take(1'000'000)) == Told);
  }
}

TEST_CASE("trace: what is not the subject's begins nothing") {
  const auto begins = [](const conntrack::Tuple& tuple, std::uint8_t flags) {
    auto follows = follower();
    seen(Eth0, false, 1, packet(tuple, flags, 1, 64))(follows);
    return follows.begun();
  };
  CHECK(begins(Before, TH_SYN));
  CHECK_FALSE(begins(Before, TH_ACK));  // one that is there already
  CHECK_FALSE(begins(After, TH_SYN));   // not by the port
  auto other = Before;
  other.destination_port = 8081;
  CHECK_FALSE(begins(other, TH_SYN));
  other = Before;
  other.destination = ip("198.51.100.7");  // passes through this host
  CHECK_FALSE(begins(other, TH_SYN));
  other = Before;
  other.destination = ip("127.0.0.1");
  CHECK(begins(other, TH_SYN));
}

TEST_CASE("trace: a repeated packet is another, and one that was dropped says by what") {
  auto follows = follower();
  const Packet before = packet(Before, TH_SYN, 100, 64);
  for (const std::int64_t time : {1000, 2000}) {  // the trace's id is used again
    seen(Eth0, false, time, before)(follows);
    judged("inet", NF_INET_PRE_ROUTING, -300, before,
           {{"guard", 5, Verdict::Drop, "forged"}})(follows);
  }
  const auto ways = follows.take(1'000'000);
  REQUIRE(ways.size() == 2);
  for (const Way& way : ways) {
    CHECK(way.stops.size() == 2);
    REQUIRE(way.dropped() != nullptr);
    CHECK(way.dropped()->says == "forged");
  }
  CHECK(text_of(ways).find("DROPPED |  |  | by a rule of the chain guard, table inet mini_run") !=
        std::string::npos);
}

TEST_CASE("trace: one that vanishes without a rule is lost") {
  auto follows = follower();
  auto events = syn();
  events.resize(3);
  for (const Event& event : events) event(follows);
  CHECK(text_of(follows.take(1'000'000)).find("\nLOST") != std::string::npos);
}

TEST_CASE("trace: packets are told when nothing more comes of them, in their order") {
  auto follows = follower();
  for (const auto& events : {syn(), answer()})
    for (const Event& event : events) event(follows);
  CHECK(follows.take(1).empty());
  CHECK(follows.take(1'000'000).size() == 2);
  CHECK(follows.take(1'000'000).empty());
  seen(Eth0, false, 2'000'000, packet(Before, TH_RST, 101, 64))(follows);
  CHECK(follows.closed());
  CHECK(follows.take(3'000'000).front().number == 3);
}
