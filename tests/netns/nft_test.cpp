// SPDX-License-Identifier: MIT
// Elements read back with nft(8), and compared with those that nft(8) itself writes.
#include "netsetup/nft.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "base/file.h"
#include "fresh.h"
#include "netsetup/explain.h"
#include "netsetup/step.h"

using namespace netsetup;
using fresh::sh;

namespace {

std::string ruleset() {
  const auto here = std::filesystem::path(__FILE__).parent_path();
  return base::read_file(here / "../../configs/ruleset.nft").value();
}

nft::Element port(std::uint16_t number, std::string comment = "") {
  return {"pub4_any",
          {nft::field(Protocol::Tcp), nft::field(number)},
          {},
          {nft::field(Ip::v4(0x0ad20002)), nft::field(std::uint16_t{80})},
          std::move(comment)};
}

std::vector<nft::Element> network() {
  const auto bridge = nft::interface_field("mini0");
  const auto first = nft::field(Ip::v4(0x0ad20000));
  const auto last = nft::field(Ip::v4(0x0ad203ff));
  return {{"bridges", {bridge}, {}, {}, {}},
          {"same_net", {bridge, bridge}, {}, {}, {}},
          {"subnet4", {first}, {last}, {}, {}},
          {"own4", {bridge, first}, {bridge, last}, {}, {}}};
}

int error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const base::Error& error) {
    return error.code().value();
  }
  return 0;
}

constexpr auto List = "nft -n list table inet mini_run";

}  // namespace

TEST_CASE("the rule set loads as text, is found by its comment and never replaces a table") {
  const fresh::Host host;
  nft::Socket socket;
  CHECK_FALSE(socket.find_table());
  socket.delete_table();
  nft::run_text(ruleset());
  REQUIRE(socket.find_table());
  CHECK(socket.find_table()->comment == nft::TableComment);
  CHECK_THROWS_WITH(nft::run_text(ruleset()), doctest::Contains("File exists"));
  CHECK(error_of([] { nft::run_text(ruleset()); }) == EEXIST);
  for (const auto family : nft::Families) socket.delete_table(nft::TableName, family);
  CHECK(sh("nft list ruleset").empty());

  sh("nft add table inet mini_run");
  CHECK(socket.find_table()->comment.empty());
}

TEST_CASE("where the kernel refuses rules for bridge ports, the others load all the same") {
  const fresh::Host host;
  nft::Socket socket;
  auto text = ruleset();
  CHECK(nft::load_rules(text));
  const auto whole = socket.shape();
  for (const auto family : nft::Families) socket.delete_table(nft::TableName, family);
  const std::string hook = "chain prerouting {\n\t\ttype filter hook prerouting priority filter;";
  const auto at = text.find(hook);
  REQUIRE(at != std::string::npos);
  text.replace(at, hook.size(), "chain x {\n\t\ttype nat hook prerouting priority 0;");  // nowhere
  CHECK_FALSE(nft::load_rules(text));
  CHECK(sh("nft list tables") == "table inet mini_run\n");
  CHECK_FALSE(socket.shape().empty());
  CHECK(socket.shape() != whole);
  CHECK(error_of([&] { nft::load_rules(text); }) == EEXIST);
  CHECK_THROWS_WITH(nft::load_rules("bogus"), doctest::Contains("syntax error"));
}

TEST_CASE("text that nft refuses: its first line, nothing printed, nothing done") {
  const fresh::Host host;
  CHECK_THROWS_WITH(nft::run_text("add table inet x\nadd chain inet y z"),
                    doctest::Contains("No such file or directory"));
  CHECK_THROWS_WITH(nft::run_text("bogus"), doctest::Contains("syntax error"));
  CHECK(sh("nft list ruleset").empty());
}

TEST_CASE("elements of every kind of set are those that nft itself writes") {
  const fresh::Host host;
  nft::Socket socket;
  nft::run_text(ruleset());
  const std::string empty = sh(List);
  auto elements = network();
  elements.push_back(port(8080, "web"));
  elements.push_back(
      {"pub4_addr",
       {nft::field(Ip::v4(0x7f000001)), nft::field(Protocol::Udp), nft::field(std::uint16_t{53})},
       {},
       {nft::field(Ip::v4(0x0ad20003)), nft::field(std::uint16_t{5353})},
       "dns"});
  elements.push_back(
      {"opened", {nft::interface_field("eth0"), nft::field(Family::V6)}, {}, {}, {}});
  elements.push_back({"opened_host", {nft::field(Family::V6)}, {}, {}, {}});
  const Cidr subnet = *Cidr::parse("fd6d:696e:6972::/64");
  const auto bridge = nft::interface_field("mini0");
  const auto first = nft::field(subnet.first());
  const auto last = nft::field(subnet.last());
  elements.push_back({"subnet6", {first}, {last}, {}, {}});
  elements.push_back({"own6", {bridge, first}, {bridge, last}, {}, {}});
  elements.push_back({"gateway6", {bridge}, {}, {nft::field(subnet.first().plus(1))}, {}});
  elements.push_back({"pub6_any",
                      {nft::field(Protocol::Tcp), nft::field(std::uint16_t{8080})},
                      {},
                      {nft::field(subnet.first().plus(2)), nft::field(std::uint16_t{80})},
                      "web"});
  socket.add(elements);
  const std::string ours = sh(List);
  socket.add(elements);  // once more changes nothing
  CHECK(sh(List) == ours);
  socket.remove(elements);
  CHECK(sh(List) == empty);

  sh("nft 'add element inet mini_run bridges { \"mini0\" };"
     "add element inet mini_run same_net { \"mini0\" . \"mini0\" };"
     "add element inet mini_run subnet4 { 10.210.0.0/22 };"
     "add element inet mini_run own4 { \"mini0\" . 10.210.0.0/22 };"
     "add element inet mini_run pub4_any { tcp . 8080 comment \"web\" : 10.210.0.2 . 80 };"
     "add element inet mini_run opened { \"eth0\" . ipv6 };"
     "add element inet mini_run opened_host { ipv6 };"
     "add element inet mini_run subnet6 { fd6d:696e:6972::/64 };"
     "add element inet mini_run own6 { \"mini0\" . fd6d:696e:6972::/64 };"
     "add element inet mini_run gateway6 { \"mini0\" : fd6d:696e:6972::1 };"
     "add element inet mini_run pub6_any"
     " { tcp . 8080 comment \"web\" : fd6d:696e:6972::2 . 80 };"
     "add element inet mini_run pub4_addr"
     " { 127.0.0.1 . udp . 53 comment \"dns\" : 10.210.0.3 . 5353 }'");
  CHECK(sh(List) == ours);
  CHECK(ours.find("8080 comment \"web\" : 10.210.0.2 . 80") != std::string::npos);
  CHECK(ours.find("\"mini0\" . 10.210.0.0/22") != std::string::npos);
  socket.remove(elements);  // theirs are the same to us
  CHECK(sh(List) == empty);
}

TEST_CASE("a taken port: EEXIST, and nothing of the transaction stays") {
  const fresh::Host host;
  nft::Socket socket;
  nft::run_text(ruleset());
  socket.add({port(80, "first")});
  socket.add({port(80)});  // the same: no conflict
  auto other = port(80);
  other.data = port(80).key;
  CHECK(error_of([&] { socket.add({port(81), other, port(82)}); }) == EEXIST);
  CHECK_FALSE(socket.find(port(81)));
  CHECK_FALSE(socket.find(port(82)));
  CHECK(socket.find(port(80)).value().data == nft::Bytes{10, 210, 0, 2, 0, 80, 0, 0});
  CHECK(socket.find(port(80)).value().comment == "first");
}

TEST_CASE("what has gone already is no error, and the others go all the same") {
  const fresh::Host host;
  nft::Socket socket;
  nft::run_text(ruleset());
  auto elements = network();
  socket.add(elements);
  socket.add({port(80), port(82)});
  elements.insert(elements.begin(), {port(80), port(81), port(82)});
  socket.remove(elements);
  CHECK_FALSE(socket.find(port(80)));
  CHECK_FALSE(socket.find(port(82)));
  socket.remove(elements);
  CHECK(sh(List).find("elements") == std::string::npos);
  socket.delete_table();
  socket.remove(elements);
  CHECK(error_of([&] { socket.add(elements); }) == ENOENT);
}

TEST_CASE("several thousand elements in one transaction, and as many errors") {
  const fresh::Host host;
  nft::Socket socket;
  nft::run_text(ruleset());
  std::vector<nft::Element> elements;
  for (std::uint16_t number = 1; number <= 5000; ++number)
    elements.push_back(port(number, std::string(128, 'x')));
  socket.add(elements);
  CHECK(socket.find(port(1)));
  CHECK(socket.find(port(5000)).value().comment == std::string(128, 'x'));
  for (auto& element : elements) element.data = element.key;
  CHECK(error_of([&] { socket.add(elements); }) == EEXIST);
  socket.remove(elements);
  CHECK_FALSE(socket.find(port(5000)));
}

TEST_CASE("an interval up to the last address there is") {
  const fresh::Host host;
  nft::Socket socket;
  nft::run_text(ruleset());
  const nft::Element last{
      "subnet4", {nft::field(Ip::v4(0xffff0000))}, {nft::field(Ip::v4(0xffffffff))}, {}, {}};
  socket.add({last});
  CHECK(sh(List).find("255.255.0.0") != std::string::npos);
  socket.remove({last});
  CHECK(sh(List).find("255.255.0.0") == std::string::npos);
}

TEST_CASE("the translation of a container's name server is the one that its text makes") {
  const fresh::Host host;
  constexpr auto ListNames = "nft -n list table ip mini_run_names";
  nft::Socket().add_name_server();
  const std::string ours = sh(ListNames);
  const auto program = "nft --debug=netlink list table ip mini_run_names | grep '\\['";
  const std::string compiled = sh(program);
  sh("nft delete table ip mini_run_names; ip netns attach web $$");
  sh(command({Verb::Create, Where::Container, NameServer{}}, "web"));
  CHECK(sh(ListNames) == ours);
  CHECK(sh(program) == compiled);
  CHECK(ours.find("udp dport 53 udp dport set 1023") != std::string::npos);
}
