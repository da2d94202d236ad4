// SPDX-License-Identifier: MIT
// Chains of others that drop what is forwarded, and our rules among theirs.
#include "netsetup/foreign.h"

#include <algorithm>

#include "fresh.h"
#include "netsetup/legacy_tables.h"
#include "running.h"

using namespace netsetup;
using fresh::sh;

namespace {

Network network(const std::string& bridge, bool ipv6 = false) {
  Network made{bridge, {Cidr::parse("10.210.0.1/22").value()}};
  if (ipv6) made.gateways.push_back(Cidr::parse("fd6d:696e:6972::1/64").value());
  return made;
}

constexpr auto Base = "{ type filter hook forward priority 0; policy drop; }";

std::vector<nft::Socket::DroppingChain> drops(const std::string& interface = "mini0") {
  return nft::Socket().dropping_forward_chains(interface);
}

/// Docker's chains as its 20.10 makes them.
void docker() {
  sh("iptables-nft -P FORWARD DROP; iptables-nft -N DOCKER-USER; iptables-nft -N DOCKER;"
     "iptables-nft -A DOCKER-USER -j RETURN; iptables-nft -I FORWARD -j DOCKER-USER;"
     "iptables-nft -A FORWARD -o docker0 -j DOCKER");
}

std::string chain(const std::string& name) {
  return sh("iptables-nft -S " + name + " | tail -n +2 | tr '\\n' ';'");
}

constexpr auto From = "-A DOCKER-USER -i mini0 -m comment --comment mini-run -j ACCEPT;";
constexpr auto To = "-A DOCKER-USER -o mini0 -m comment --comment mini-run -j ACCEPT;";
constexpr auto Return = "-A DOCKER-USER -j RETURN;";

}  // namespace

TEST_CASE("foreign: chains that drop what is forwarded") {
  const fresh::Host host;
  nft::run_text(std::string(configs::Ruleset));
  CHECK(drops().empty());
  sh(base::cat("nft 'add table ip filter; add chain ip filter FORWARD ", Base,
               "; add chain ip filter DOCKER-USER; add table inet fw; add chain inet fw forward ",
               Base,
               "; add chain inet fw input { type filter hook input priority 0; policy drop; };"
               "add table ip6 six; add chain ip6 six forward ",
               Base, "; add table ip open; add chain ip open forward ",
               "{ type filter hook forward priority 0; }'"));
  auto found = drops();
  REQUIRE(found.size() == 3);
  std::ranges::sort(found, {}, [](const auto& chain) { return chain.family != "ip"; });
  std::ranges::sort(found.begin() + 1, found.end(), {},
                    [](const auto& c) { return c.family != "inet"; });
  CHECK(found[0].family == "ip");
  CHECK(found[0].table == "filter");
  CHECK(found[0].chain == "FORWARD");
  CHECK(found[1].table == "fw");
  CHECK(found[2].family == "ip6");
  CHECK_FALSE(found[0].place);  // nothing leads there
  CHECK_FALSE(found[0].names_interface);

  SUBCASE("an exception by nft") {
    sh("nft insert rule ip filter DOCKER-USER iifname mini0 accept");
  }
  SUBCASE("an exception by iptables") { sh("iptables-nft -I DOCKER-USER -i mini0 -j ACCEPT"); }
  SUBCASE("a rule that drops the rest, under a policy of accept") {
    for (const std::string rule : {"drop", "counter reject", "log counter drop"}) {
      sh("nft add rule ip open forward ct state established accept; nft add rule ip open forward " +
         rule);
      CHECK(drops().size() == 4);
      sh("nft flush chain ip open forward");
    }
    sh("nft add rule ip open forward ip daddr 192.0.2.1 drop");
    CHECK(drops().size() == 3);
    sh("iptables-nft -P FORWARD ACCEPT; iptables-nft -A FORWARD -j REJECT");
    CHECK(drops().size() == 3);
    sh("iptables-nft -F FORWARD");
    CHECK(drops().size() == 2);
    sh("iptables-nft -P FORWARD DROP");
  }
  const bool named = std::ranges::any_of(drops(), &nft::Socket::DroppingChain::names_interface);
  const bool excepted = sh("nft list ruleset").find("mini0") != std::string::npos;
  CHECK(named == excepted);
  for (const auto& chain : drops("mini")) CHECK_FALSE(chain.names_interface);
  for (const auto& chain : drops("xmini0")) CHECK_FALSE(chain.names_interface);
}

TEST_CASE("foreign: an exception goes behind what the administrator says, and before the end") {
  const fresh::Host host;
  docker();
  sh("iptables-nft -I DOCKER-USER -s 192.0.2.1 -j DROP");
  const std::string drop = "-A DOCKER-USER -s 192.0.2.1/32 -j DROP;";
  const auto before = sh("nft -s list ruleset");
  Kernel kernel(configs::Ruleset);
  const auto plan = exception_plan(kernel, network("mini0"));
  REQUIRE(plan.size() == 1);
  const auto undo = kernel.undo(plan.front());
  REQUIRE(undo);
  kernel.execute(plan.front());
  CHECK(chain("DOCKER-USER") == base::cat(drop, From, To, Return));
  CHECK(exception_plan(kernel, network("mini0")).empty());

  SUBCASE("it is made once") { kernel.execute(plan.front()); }
  SUBCASE("what lacks of it is made") {
    sh("iptables-nft -D DOCKER-USER -i mini0 -m comment --comment mini-run -j ACCEPT");
    const auto rest = exception_plan(kernel, network("mini0"));
    REQUIRE(rest.size() == 1);
    kernel.execute(rest.front());
    CHECK(chain("DOCKER-USER") == base::cat(drop, To, From, Return));
  }
  SUBCASE("another network's stays") {
    const auto other = exception_plan(kernel, network("mini1"));
    REQUIRE(other.size() == 1);
    kernel.execute(other.front());
    kernel.execute(*undo);
    CHECK(chain("DOCKER-USER").find("mini0") == std::string::npos);
    CHECK(exception_plan(kernel, network("mini1")).empty());
    kernel.execute(*kernel.undo(other.front()));
  }
  SUBCASE("the chain was flushed meanwhile") {
    sh("iptables-nft -F DOCKER-USER");
    kernel.execute(*undo);
    CHECK(exception_plan(kernel, network("mini0")).size() == 1);
    return;
  }
  SUBCASE("the table has gone meanwhile") {
    sh("nft delete table ip filter");
    kernel.execute(*undo);
    return;
  }
  kernel.execute(*undo);
  kernel.execute(*undo);
  CHECK(sh("nft -s list ruleset") == before);
}

TEST_CASE("foreign: an administrator's own exception is enough, half of one is not") {
  const fresh::Host host;
  docker();
  Kernel kernel(configs::Ruleset);
  sh("iptables-nft -I DOCKER-USER -i mini0 -j ACCEPT");
  CHECK(exception_plan(kernel, network("mini0")).size() == 1);
  sh("iptables-nft -I DOCKER-USER -o mini0 -s 192.0.2.1 -j ACCEPT");
  CHECK(exception_plan(kernel, network("mini0")).size() == 1);
  sh("iptables-nft -I DOCKER-USER -o mini0 -m comment --comment mine -j ACCEPT");
  CHECK(exception_plan(kernel, network("mini0")).empty());
  CHECK(foreign_drops(kernel, network("mini0")).empty());
}

TEST_CASE("foreign: IPv6 has chains of its own, which concern a network that has it") {
  const fresh::Host host;
  Kernel kernel(configs::Ruleset);
  sh("ip6tables-nft -P FORWARD DROP; ip6tables-nft -N ufw6-user-forward; "
     "ip6tables-nft -A FORWARD -j ufw6-user-forward");
  CHECK(exception_plan(kernel, network("mini0")).empty());
  const auto plan = exception_plan(kernel, network("mini0", true));
  REQUIRE(plan.size() == 1);
  const auto undo = kernel.undo(plan.front());
  kernel.execute(plan.front());
  CHECK(sh("ip6tables-nft -S ufw6-user-forward | tail -n +2") ==
        "-A ufw6-user-forward -i mini0 -m comment --comment mini-run -j ACCEPT\n"
        "-A ufw6-user-forward -o mini0 -m comment --comment mini-run -j ACCEPT\n");
  CHECK(exception_plan(kernel, network("mini0", true)).empty());
  kernel.execute(*undo);
  CHECK(sh("ip6tables-nft -S ufw6-user-forward | tail -n +2").empty());
}

TEST_CASE("foreign: a table that somebody owns is left alone, with the command that mends it") {
  const fresh::Host host;
  sh("mkfifo /run/in; (nft -i </run/in >/dev/null 2>&1 &); exec 3>/run/in; echo 'add table inet"
     " firewalld { flags owner; }; add chain inet firewalld filter_FORWARD_POLICIES_post; add chain"
     " inet firewalld filter_FORWARD { type filter hook forward priority 10; policy drop; }; add"
     " rule inet firewalld filter_FORWARD jump filter_FORWARD_POLICIES_post' >&3; (sleep 3 &);"
     " sleep 0.3");
  Kernel kernel(configs::Ruleset);
  CHECK(exception_plan(kernel, network("mini0")).empty());
  const auto troubles = foreign_drops(kernel, network("mini0"));
  REQUIRE(troubles.size() == 1);
  CHECK(troubles.front().what.find("inet firewalld filter_FORWARD") != std::string::npos);
  CHECK(troubles.front().command == "firewall-cmd --zone=trusted --add-interface=mini0");
}

TEST_CASE("foreign: iptables-legacy") {
  const fresh::Host host;
  CHECK_FALSE(legacy_chain_that_drops("mini0"));
  CHECK(sh("cat /proc/net/ip_tables_names").empty());  // looking makes no table
  sh("iptables-legacy -A FORWARD -i nothing -j DROP");
  CHECK_FALSE(legacy_chain_that_drops("mini0"));
  sh("iptables-legacy -P FORWARD DROP");
  CHECK(legacy_chain_that_drops("mini0") == "FORWARD");
  sh("iptables-legacy -N DOCKER-USER; iptables-legacy -I FORWARD -j DOCKER-USER");
  CHECK(legacy_chain_that_drops("mini0") == "DOCKER-USER");
  sh("iptables-legacy -I DOCKER-USER -o mini0 -j ACCEPT");
  CHECK_FALSE(legacy_chain_that_drops("mini0"));
  CHECK(legacy_chain_that_drops("mini1") == "DOCKER-USER");
}

TEST_CASE("foreign: a firewall that published ports pass by") {
  const fresh::Host host;
  Kernel kernel(configs::Ruleset);
  CHECK_FALSE(passed_by(kernel));
  sh("iptables-nft -N ufw-user-input");
  CHECK(passed_by(kernel) == "ufw");
  sh("nft add table inet firewalld");
  CHECK(passed_by(kernel) == "firewalld");
}
