// SPDX-License-Identifier: MIT
// The rule set's text in its parts, and elements as text.
#include <doctest/doctest.h>

#include <algorithm>

#include "netsetup/live_rules.h"
#include "netsetup/nft.h"
#include "runtime/configs.h"

using namespace netsetup;

namespace {

std::vector<RulePart> parts(RulePart::Kind kind, std::string_view family, std::string_view name) {
  auto all = parts_of(configs::Ruleset);
  std::erase_if(all, [&](const RulePart& part) {
    return part.kind != kind || part.family != family || part.name != name;
  });
  return all;
}

}  // namespace

TEST_CASE("the rule set falls into its parts") {
  using Kind = RulePart::Kind;
  const auto guard = parts(Kind::Rule, "inet", "guard");
  REQUIRE(!guard.empty());
  CHECK(guard.front().text == R"(iifname != "lo" ip daddr 127.0.0.0/8 counter drop)");
  CHECK(guard.front().comment == "to the loopback, from a wire");
  const auto chain = parts(Kind::Chain, "inet", "guard");
  REQUIRE(chain.size() == 1);
  CHECK(chain.front().text == "type filter hook prerouting priority raw; policy accept;");
  CHECK(chain.front().above.front().starts_with("Destination NAT comes before"));
  const auto set = parts(Kind::Set, "inet", "own4");
  REQUIRE(set.size() == 1);
  CHECK(set.front().text == "type ifname . ipv4_addr; flags interval");
  CHECK(parts(Kind::Set, "bridge", "own4").front().text == "type ifname . ether_addr . ipv4_addr");
  CHECK(parts(Kind::Rule, "inet", "publish").size() >= 4);
  CHECK(parts(Kind::Table, "bridge", "mini_run").size() == 1);
}

TEST_CASE("elements read as nft writes them") {
  const auto one = [](nft::Bytes key, nft::Bytes end, nft::Bytes data, std::string comment) {
    nft::ListedElement element;
    element.key = std::move(key);
    element.key_end = std::move(end);
    element.data = std::move(data);
    element.comment = std::move(comment);
    return element;
  };
  const auto port = nft::concatenate({nft::field(Protocol::Tcp), nft::field(std::uint16_t{8080})});
  const auto last = nft::concatenate({nft::field(Protocol::Tcp), nft::field(std::uint16_t{8089})});
  const auto to =
      nft::concatenate({nft::field(*Ip::parse("10.210.0.2")), nft::field(std::uint16_t{80})});
  const std::string type = "type inet_proto . inet_service : ipv4_addr . inet_service";
  CHECK(element_text(one(port, port, to, "web"), type) == "tcp . 8080 : 10.210.0.2 . 80   # web");
  CHECK(element_text(one(port, last, to, ""), type) == "tcp . 8080-8089 : 10.210.0.2 . 80");
  const auto bridge = nft::interface_field("mini0");
  const auto first = nft::field(*Ip::parse("10.210.0.0"));
  const auto end = nft::field(*Ip::parse("10.210.3.255"));
  CHECK(
      element_text(one(nft::concatenate({bridge, first}), nft::concatenate({bridge, end}), {}, ""),
                   "type ifname . ipv4_addr; flags interval") == R"("mini0" . 10.210.0.0/22)");
}
