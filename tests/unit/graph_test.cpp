// SPDX-License-Identifier: MIT
// The drawings of a topology, compared with tests/golden; UPDATE_GOLDEN=1 writes what they are now.
#include <doctest/doctest.h>

#include <cstdlib>
#include <stdexcept>

#include "base/file.h"
#include "base/text.h"
#include "graph/languages.h"
#include "graph/scene.h"
#include "graph/svg.h"
#include "graph/text.h"

using base::cat;
using netsetup::Topology;
using netsetup::Translation;

namespace {

using Device = Topology::Device;
using Space = Topology::Space;

Device device(unsigned index, const char* name, const char* kind,
              std::vector<std::string> addresses) {
  return {index, name, kind, "02:00:00:00:00:01", true, std::move(addresses), {}, 0, {}, false};
}

Device loopback() { return device(1, "lo", "", {"127.0.0.1/8", "::1/128"}); }

void join(Topology& topology, Topology::End a, Topology::End b) {
  const auto at = [&](Topology::End end) -> Device& {
    for (auto& each : topology.spaces[end.space].devices)
      if (each.index == end.index) return each;
    throw std::out_of_range("no such device");
  };
  at(a).peer = b;
  at(b).peer = a;
}

Translation door(const char* address, const char* port, const char* to, const char* to_port) {
  Translation rule;
  rule.protocol = "tcp";
  rule.address = address;
  rule.port = port;
  rule.to = to;
  rule.to_port = to_port;
  return rule;
}

/// A container on the bridge 3 of the first namespace, its cable's host end INDEX.
void add_container(Topology& topology, unsigned index, const std::string& name) {
  const auto number = topology.spaces.size();
  auto port = device(index, cat("mr-0000000", index % 10).c_str(), "veth", {});
  port.bridge = 3;
  topology.spaces.front().devices.push_back(port);
  auto inside =
      device(2, "eth0", "veth",
             {cat("10.210.0.", index - 2, "/22"), cat("fd6d:696e:6972::", index - 2, "/64")});
  inside.gateways = {"10.210.0.1", "fd6d:696e:6972::1"};
  topology.spaces.push_back({name, {loopback(), inside}, {}});
  join(topology, {0, index}, {number, 2});
}

Topology host() {
  auto uplink = device(2, "eth0", "", {"203.0.113.1/24"});
  uplink.gateways = {"203.0.113.254"};
  Topology topology;
  topology.spaces = {{"host",
                      {loopback(), uplink,
                       device(3, "mini0", "bridge", {"10.210.0.1/22", "fd6d:696e:6972::1/64"})},
                      {}}};
  Translation out;
  out.kind = Translation::Kind::Masquerade;
  out.source = "10.210.0.0/22";
  topology.spaces.front().translations = {out};
  return topology;
}

/// As README.md draws it: two containers, published ports on all and on one address.
Topology bridge() {
  auto topology = host();
  add_container(topology, 4, "web");
  add_container(topology, 5, "client");
  auto& rules = topology.spaces.front().translations;
  rules.insert(rules.begin(),
               {door("", "8080", "10.210.0.2", "80"), door("", "8080", "fd6d:696e:6972::2", "80"),
                door("127.0.0.1", "8443", "10.210.0.2", "443"), door("", "53", "192.0.2.1", "53")});
  return topology;
}

Topology many() {
  auto topology = host();
  for (unsigned i = 0; i < 20; ++i) {
    add_container(topology, 4 + i, cat("web-", i));
    topology.spaces.front().translations.push_back(
        door("", std::to_string(8000 + i).c_str(), cat("10.210.0.", 2 + i).c_str(), "80"));
  }
  return topology;
}

/// Namespaces joined directly, as exercises 1 and 4 of a course have it; one end is down, a cable
/// leads to where nobody can look, a namespace has none.
Topology cables() {
  Topology topology;
  auto stranger = device(5, "veth9", "veth", {"10.9.0.1/24"});
  stranger.peer_is_elsewhere = true;
  topology.spaces = {
      {"host", {loopback(), device(4, "veth0", "veth", {"10.200.0.2/24"}), stranger}, {}},
      {"blue", {loopback(), device(4, "veth-blue", "veth", {"192.168.15.2/24"})}, {}},
      {"direct_netns", {loopback(), device(3, "veth1", "veth", {"10.200.0.3/24"})}, {}},
      {"lonely", {device(1, "lo", "", {})}, {}},
      {"red", {loopback(), device(5, "veth-red", "veth", {"192.168.15.1/24"})}, {}}};
  join(topology, {0, 4}, {2, 3});
  join(topology, {1, 4}, {4, 5});
  topology.spaces[2].devices[1].up = false;
  return topology;
}

/// The host is a router between two clients and two bridges, one of them empty.
Topology router() {
  auto topology = host();
  add_container(topology, 4, "web");
  auto& devices = topology.spaces.front().devices;
  devices.push_back(device(8, "eth1", "veth", {"198.51.100.1/24"}));
  auto empty = device(9, "empty0", "bridge", {"10.5.0.1/24"});
  empty.up = false;
  devices.push_back(empty);
  topology.spaces.push_back({"client", {device(2, "eth0", "veth", {"198.51.100.2/24"})}, {}});
  join(topology, {0, 8}, {2, 2});
  return topology;
}

void same(const std::string& file, const std::string& text) {
  const std::string path = cat(GOLDEN, "/", file);
  if (std::getenv("UPDATE_GOLDEN") != nullptr) {
    const auto out = base::open_or_throw(path, O_WRONLY | O_CREAT | O_TRUNC, AT_FDCWD, 0644);
    base::write_all(out.get(), text, "write");
  }
  CHECK_MESSAGE(base::read_file(path).value_or("there is no such file") == text, file);
}

std::size_t widest(const std::string& text) {
  std::size_t width = 0;
  for (const auto line : base::split(text, '\n')) width = std::max(width, line.size());
  return width;
}

}  // namespace

TEST_CASE("topologies are drawn as text") {
  for (const auto& [name, topology] : {std::pair{"bridge", bridge()},
                                       {"many", many()},
                                       {"cables", cables()},
                                       {"router", router()}}) {
    const auto text = graph::text(topology, 80);
    same(cat("graph-", name, ".txt"), text);
    CHECK_MESSAGE(widest(text) <= 80, name);
  }
}

TEST_CASE("a wide terminal is used") {
  CHECK(widest(graph::text(many(), 120)) > 80);
  CHECK(base::split(graph::text(many(), 120), '\n').size() <
        base::split(graph::text(many(), 80), '\n').size());
}

TEST_CASE("topologies are drawn as SVG, Mermaid, dot and JSON") {
  same("graph-bridge.svg", graph::svg(bridge()));
  same("graph-many.svg", graph::svg(many()));
  same("graph-cables.svg", graph::svg(cables()));
  same("graph-router.svg", graph::svg(router()));
  same("graph-bridge.mermaid", graph::mermaid(bridge()));
  same("graph-bridge.dot", graph::dot(bridge()));
  same("graph-bridge.json", graph::json(bridge()));
}

TEST_CASE("no name gets out of its place in a drawing") {
  auto topology = cables();
  topology.spaces[1].name = R"(a"b\<c>&d)";
  CHECK(graph::svg(topology).find("a\"b\\&lt;c&gt;&amp;d") != std::string::npos);
  CHECK(graph::dot(topology).find(R"(label="a\"b\\<c>&d")") != std::string::npos);
  CHECK(graph::mermaid(topology).find("a#quot;b\\#lt;c#gt;&d") != std::string::npos);
  CHECK(graph::json(topology).find(R"("a\"b\\<c>&d")") != std::string::npos);
}

TEST_CASE("a door is one for both families, and leads to who has the address") {
  const auto scene = graph::arrange(bridge());
  CHECK(graph::doors_to(scene, {1, 2}) ==
        std::vector<std::string>{"8080->80/tcp", "127.0.0.1:8443->443/tcp"});
  CHECK(graph::doors_to(scene, {2, 2}).empty());
  REQUIRE(scene.doors.size() == 3);
  CHECK(scene.doors.back().text == "53->192.0.2.1:53/tcp");
}
