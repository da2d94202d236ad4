// SPDX-License-Identifier: MIT
// What somebody removes by hand under running containers comes back as it was, and what goes on
// meanwhile goes on.
#include "netsetup/repair.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <functional>

#include "base/file.h"
#include "fresh.h"
#include "netsetup/journal.h"
#include "netsetup/rtnl.h"
#include "running.h"

using namespace netsetup;
using fresh::sh;

namespace {

const std::vector<PublishedPort> WebPorts = {{std::nullopt, 8080, 80, Protocol::Tcp},
                                             {Ip::v4(0x7f000001), 8081, 80, Protocol::Tcp}};
constexpr auto Port1 = "mr-00000001";

void repair_now() {
  Kernel kernel(configs::Ruleset);
  const State state;
  repair(kernel, state);
}

std::string rules() {
  auto listed = fresh::json("nft -s -j list ruleset").at("nftables");
  std::string text;
  for (auto& item : listed) {
    auto& object = item.begin().value();
    object.erase("handle");
    if (object.contains("elem")) {  // hashed: in no order
      auto elements = object["elem"].get<std::vector<nlohmann::json>>();
      std::ranges::sort(elements);
      object["elem"] = elements;
    }
    text += item.dump() + "\n";
  }
  return text;
}

/// The host's network without order, handles, indexes, counters.
std::string snapshot() {
  std::vector<std::string> links;
  for (const auto& link : fresh::json("ip -j -d link")) {
    const auto info = link.value("linkinfo", nlohmann::json::object());
    const auto port = info.value("info_slave_data", nlohmann::json::object());
    links.push_back(base::cat(link.value("ifname", ""), " ", info.value("info_kind", ""), " ",
                              link.value("address", ""), " ", link.value("ifalias", ""), " master ",
                              link.value("master", ""), " hairpin ", port.value("hairpin", false),
                              " up ", std::ranges::count(link.at("flags"), "UP")));
  }
  std::ranges::sort(links);
  return base::cat(rules(), base::join(links, "\n"),
                   sh("ip -o -4 addr | awk '{print $2, $4}' | sort; cd /proc/sys/net && grep -rs . "
                      "ipv4/conf/mini0 ipv6/conf/mini0/disable_ipv6 | sort"));
}

/// With handles and indexes: equal only where nothing was made anew.
std::string identity() { return sh("nft -a -s list ruleset; grep . /sys/class/net/*/ifindex"); }

/// A connection by a published port into CONTAINER, established.
class Connection {
 public:
  explicit Connection(const fresh::Container& container) {
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_port = htons(80);
    const auto listener = container.in([&] {
      base::UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      base::check(::bind(fd.get(), reinterpret_cast<sockaddr*>(&name), sizeof name), "bind");
      base::check(::listen(fd.get(), 1), "listen");
      return fd;
    });
    name.sin_port = htons(8080);
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    client_ = base::UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    base::check(::connect(client_.get(), reinterpret_cast<sockaddr*>(&name), sizeof name),
                "connect");
    server_ = base::UniqueFd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    REQUIRE(server_.valid());
  }
  /// Whether a byte passes in both directions. Nothing is under way afterwards: a delayed ACK that
  /// meets the host without rules is answered with a reset.
  [[nodiscard]] bool alive() const {
    const auto passes = [](const base::UniqueFd& from, const base::UniqueFd& to) {
      char byte = 'x';
      constexpr int On = 1;
      pollfd wait{to.get(), POLLIN, 0};
      return ::send(from.get(), &byte, 1, MSG_NOSIGNAL) == 1 && ::poll(&wait, 1, 3000) == 1 &&
             ::recv(to.get(), &byte, 1, 0) == 1 &&
             ::setsockopt(to.get(), IPPROTO_TCP, TCP_QUICKACK, &On, sizeof On) == 0;
    };
    return passes(client_, server_) && passes(server_, client_);
  }

 private:
  base::UniqueFd client_, server_;
};

base::UniqueFd state_directory(const std::string& name = "") {
  const auto state = State::peek();
  return base::open_or_throw(name.empty() ? "." : name, O_RDONLY | O_DIRECTORY, state.get());
}

/// Runs FUNCTION in another process, and MEANWHILE here once that one had time to come to wait.
void while_waiting(const std::function<void()>& function, const std::function<void()>& meanwhile) {
  const pid_t child = base::check(::fork(), "fork");
  if (child == 0) {
    try {
      function();
      ::_exit(0);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s\n", error.what());
      ::_exit(1);
    }
  }
  ::usleep(100'000);
  int status = 0;
  CHECK(::waitpid(child, &status, WNOHANG) == 0);  // it waits
  meanwhile();
  ::waitpid(child, &status, 0);
  CHECK(status == 0);
}

}  // namespace

TEST_CASE("repair: whatever was removed is back as it was, connections go on") {
  const fresh::Host host;
  sh("ip link add eth0 type bridge && ip addr add 192.0.2.1/24 dev eth0");
  const fresh::Container web("web", WebPorts);
  const Connection connection(web);
  REQUIRE(connection.alive());
  const auto before = snapshot();
  for (const std::string damage : {
           "nft flush ruleset",
           "nft delete table inet mini_run",
           "nft delete table bridge mini_run",
           "nft flush chain bridge mini_run from_port",
           "nft flush set bridge mini_run own4",
           "nft flush table inet mini_run",
           "nft flush chain inet mini_run forward",
           "nft flush chain inet mini_run guard; nft delete chain inet mini_run guard",
           "nft delete rule inet mini_run forward handle $(nft -a list chain inet mini_run "
           "forward | sed -n 's/.*accept.*handle //p' | head -1)",
           "nft 'flush table inet mini_run; delete map inet mini_run pub4_addr'",
           "nft flush set inet mini_run own4",
           "nft flush set inet mini_run subnet4",
           "nft flush set inet mini_run opened",
           "nft flush map inet mini_run pub4_any",
           "nft delete element inet mini_run pub4_addr '{ 127.0.0.1 . tcp . 8081 }'",
           "ip link delete mini0",
           "ip link set mini0 down",
           "ip addr flush dev mini0",
           "sysctl -qw net.ipv4.conf.mini0.route_localnet=0",
           "ip link set mr-00000001 nomaster",
           "ip link set mr-00000001 down",
           "bridge link set dev mr-00000001 hairpin off",
           "nft flush ruleset; sleep 0.1; ip link delete mini0; ip link set mr-00000001 down",
       }) {
    INFO("damage: ", damage);
    sh(damage);
    CHECK(snapshot() != before);
    repair_now();
    CHECK(snapshot() == before);
    CHECK(connection.alive());
    const auto mended = identity();
    repair_now();
    CHECK(identity() == mended);
  }
}

TEST_CASE("repair: after what was heard of, as much as is needed") {
  const fresh::Host host;
  const fresh::Container web("web", WebPorts);
  const fresh::Container db("db", {{std::nullopt, 5432, 80, Protocol::Tcp}}, "mini0", 2);
  const fresh::Container apart("apart", {}, "lab0", 3);
  ::usleep(200'000);  // carriers have settled
  const auto before = snapshot();
  Kernel kernel(configs::Ruleset);
  const State state;
  for (const std::string damage : {
           "nft flush ruleset",
           "nft delete table bridge mini_run",
           "nft flush chain inet mini_run forward",
           "ip link delete mini0",
           "ip link delete lab0",
           "ip link set mini0 down",
           "ip addr flush dev lab0",
           "ip link set mr-00000002 nomaster",
           "ip link set mr-00000001 down; ip link set mr-00000003 nomaster",
           "bridge link set dev mr-00000002 hairpin off",
           "nft flush ruleset; sleep 0.1; ip link delete mini0; ip link set mr-00000001 down",
       }) {
    INFO("damage: ", damage);
    Watch watch;
    sh(damage);
    CHECK(snapshot() != before);
    ::usleep(100'000);
    Heard heard;
    CHECK(watch.drain(heard));
    CHECK_FALSE(heard.everything);
    repair_after(kernel, state, heard);
    CHECK(snapshot() == before);
    // Its own doing, that it hears of, is no reason to do it again.
    ::usleep(100'000);
    heard = {};
    watch.drain(heard);
    const auto mended = identity();
    repair_after(kernel, state, heard);
    CHECK(identity() == mended);
    CHECK_FALSE(watch.drain(heard));
  }
}

TEST_CASE("repair: several networks and containers, each back where it belongs") {
  const fresh::Host host;
  const fresh::Container one("one", WebPorts, "mini0", 1);
  const fresh::Container two("two", {{std::nullopt, 9000, 80, Protocol::Udp}}, "mini0", 2);
  const fresh::Container other("other", {}, "lan", 3);
  const auto before = snapshot();
  sh("ip link delete mini0; ip link delete lan; nft flush ruleset");
  repair_now();
  CHECK(snapshot() == before);
}

TEST_CASE("repair: without containers there is nothing to mend") {
  const fresh::Host host;
  repair_now();
  CHECK(sh("nft list ruleset; ip -br link").find("mini") == std::string::npos);
  CHECK(sh("find /run/mini-run -name 'host*' -o -name 'network*'").empty());
}

TEST_CASE("repair: another's bridge of that name is named and stays, the rest is mended") {
  const fresh::Host host;
  const fresh::Container one("one", WebPorts, "mini0", 1);
  const fresh::Container other("other", {}, "lan", 2);
  sh("ip link delete lan; nft delete element inet mini_run pub4_any '{ tcp . 8080 }';"
     "ip link delete mini0; ip link add mini0 type bridge");
  const auto theirs = sh("ip -d link show mini0; ip addr show mini0");
  CHECK_THROWS_WITH_AS(repair_now(), doctest::Contains("ip link delete mini0"), base::Error);
  CHECK(sh("ip -d link show mini0; ip addr show mini0") == theirs);
  CHECK(sh("ip -br link show master mini0").empty());
  CHECK(sh("ip -br link show master lan").find("mr-00000002") != std::string::npos);
  CHECK(sh("nft list map inet mini_run pub4_any").find("8080") != std::string::npos);
  sh("ip link delete mini0");
  repair_now();
  CHECK(sh("ip -br link show master mini0").find(Port1) != std::string::npos);
}

TEST_CASE("repair: another's table is named and stays") {
  const fresh::Host host;
  const fresh::Container web("web", WebPorts);
  sh("nft delete table inet mini_run; nft 'add table inet mini_run; add set inet mini_run bridges "
     "{ type ifname; }'");
  const auto theirs = sh("nft -a list ruleset");
  CHECK_THROWS_WITH_AS(repair_now(), doctest::Contains("nft delete table inet mini_run"),
                       base::Error);
  CHECK(sh("nft -a list ruleset") == theirs);
  sh("nft delete table inet mini_run");
}

TEST_CASE("repair: a published port that became another's is named and stays") {
  const fresh::Host host;
  const fresh::Container web("web", WebPorts);
  sh("nft 'delete element inet mini_run pub4_any { tcp . 8080 }; create element inet mini_run "
     "pub4_any { tcp . 8080 comment \"theirs\" : 10.9.9.9 . 80 }'; ip link set mini0 down");
  CHECK_THROWS_WITH_AS(repair_now(), doctest::Contains("theirs"), base::Error);
  CHECK(sh("nft list map inet mini_run pub4_any").find("10.9.9.9") != std::string::npos);
  CHECK(sh("ip link show mini0").find(",UP") != std::string::npos);
}

TEST_CASE("repair: what only looks like a container's cable is left alone") {
  const fresh::Host host;
  const fresh::Container web("web");
  SUBCASE("another alias") { sh("ip link set mr-00000001 nomaster alias somebody"); }
  SUBCASE("another MAC") { sh("ip link set mr-00000001 nomaster address 02:00:00:00:00:01"); }
  SUBCASE("another kind") {
    sh("mac=$(cat /sys/class/net/mr-00000001/address); ip link set mr-00000001 down; "
       "ip link set mr-00000001 name old; ip link add mr-00000001 address $mac type bridge; "
       "ip link set mr-00000001 alias web");
  }
  SUBCASE("moved to another bridge") {
    sh("ip link add br9 type bridge; ip link set mr-00000001 master br9;"
       "bridge link set dev mr-00000001 hairpin on");
  }
  const auto before = sh("ip -d -j link show mr-00000001");
  repair_now();
  CHECK(sh("ip -d -j link show mr-00000001") == before);
}

TEST_CASE("repair: the next start mends a removed bridge and flushed rules") {
  const fresh::Host host;
  const fresh::Container one("one", WebPorts, "mini0", 1);
  const Connection connection(one);
  SUBCASE("the bridge") { sh("ip link delete mini0"); }
  SUBCASE("the rules") { sh("nft flush ruleset"); }
  SUBCASE("both") { sh("ip link delete mini0; nft flush ruleset"); }
  const fresh::Container two("two", {{std::nullopt, 9000, 80, Protocol::Tcp}}, "mini0", 2);
  CHECK(connection.alive());
  CHECK(two.attachment().network() == one.attachment().network());
  CHECK(sh("ip -br link show master mini0 | wc -l") == "2\n");
  const auto map = sh("nft list map inet mini_run pub4_any");
  CHECK(map.find("8080") != std::string::npos);
  CHECK(map.find("9000") != std::string::npos);
}

TEST_CASE("repair: afterwards the last one out still leaves nothing") {
  const fresh::Host host;
  const auto before = snapshot();
  {
    const fresh::Container web("web", WebPorts);
    sh("ip link delete mini0; nft flush ruleset");
    repair_now();
  }
  // The namespace dies in the background, its veth with it.
  for (int tries = 0; tries < 300 && fresh::run("ip link show mr-00000001 2>&1").status == 0;
       ++tries)
    ::usleep(10'000);
  CHECK(snapshot() == before);
  CHECK(sh("ls /run").empty());
}

TEST_CASE("repair: a container that goes meanwhile does not come back") {
  const fresh::Host host;
  const fresh::Container stays("stays", {}, "mini0", 1);
  const fresh::Container web("web", WebPorts, "mini0", 2);
  const auto directory = state_directory("containers/web");
  const Journal journal(directory.get());
  std::optional<Turn> turn(std::in_place, journal);
  while_waiting(repair_now, [&] {
    Kernel kernel(configs::Ruleset);
    for (const auto& step : journal.read())
      if (std::holds_alternative<Publish>(step.object)) kernel.execute(step);
    sh("rm /run/mini-run/*/containers/web/journal");
    turn.reset();
  });
  CHECK(sh("nft list map inet mini_run pub4_any").find("8080") == std::string::npos);
}

TEST_CASE("repair: a container that goes waits while it is mended") {
  const fresh::Host host;
  fresh::Container web("web", WebPorts);
  const auto directory = state_directory("containers/web");
  const Journal journal(directory.get());
  std::optional<Turn> turn(std::in_place, journal);
  while_waiting([&] { web.network.disconnect(); }, [&] { turn.reset(); });
  CHECK(journal.removed());
}

TEST_CASE("repair: rules of another version are replaced once, not again and again") {
  const fresh::Host host;
  const fresh::Container web("web", WebPorts);
  const auto before = snapshot();
  const auto old = identity();
  sh("cd /run/mini-run/*/host && echo 'table 3, forward 7' > up");
  repair_now();
  const auto mended = identity();
  CHECK(mended != old);
  CHECK(snapshot() == before);
  repair_now();
  CHECK(identity() == mended);
}

TEST_CASE("repair: what nobody lives in any more is not put back") {
  const fresh::Host host;
  const fresh::Container stays("stays", {}, "mini0", 1);
  sh("cd /run/mini-run/*/containers && mkdir dead && cp stays/journal dead/ && echo "
     "'{\"noun\":\"publish\",\"object\":{\"comment\":\"dead\",\"container\":\"10.210.0.9\","
     "\"ports\""
     ":[{\"container_port\":80,\"host_port\":8080,\"protocol\":\"tcp\"}]},\"verb\":\"delete\","
     "\"where\":\"host\"}' >> dead/journal");
  repair_now();
  CHECK(sh("nft list map inet mini_run pub4_any").find("8080") == std::string::npos);
}

TEST_CASE("repair: who waited while a whole look began and ended need not look again") {
  const fresh::Host host;
  const fresh::Container web("web", WebPorts);
  const auto containers = state_directory("containers");
  base::check(::flock(containers.get(), LOCK_EX), "flock");
  while_waiting(repair_now, [&] {
    const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
    sh(base::cat("cd /run/mini-run/*/host && echo ", now, " > repaired; ip link set mini0 down"));
    base::check(::flock(containers.get(), LOCK_UN), "flock");
  });
  CHECK(sh("ip link show mini0").find(",UP") == std::string::npos);
  repair_now();
  CHECK(sh("ip link show mini0").find(",UP") != std::string::npos);
}

TEST_CASE("repair: a cable whose namespace somebody holds goes with its dead container") {
  const fresh::Host host;
  Kernel kernel(configs::Ruleset);
  const fresh::Container web("web");
  const auto directory = state_directory("containers/web");
  std::vector<Step> steps = Journal(directory.get()).read();
  std::erase_if(steps, [](const Step& step) { return !std::holds_alternative<Veth>(step.object); });
  REQUIRE(steps.size() == 1);
  SUBCASE("ours") {
    CHECK(undo_all(kernel, steps).empty());
    CHECK(fresh::run("ip link show mr-00000001 2>&1").status != 0);
    CHECK(undo_all(kernel, steps).empty());  // gone already
  }
  SUBCASE("one with another MAC is another's") {
    sh("ip link set mr-00000001 address 02:00:00:00:00:01");
    CHECK(undo_all(kernel, steps).empty());
    sh("ip link show mr-00000001");
  }
}
