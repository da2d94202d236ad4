// SPDX-License-Identifier: MIT
// To both languages a topology is the same: a group for each namespace with a node for each of its
// devices, and lines between nodes. They differ in how that is written.
#include "graph/languages.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>

#include "base/text.h"
#include "graph/scene.h"
#include "netsetup/address.h"

namespace graph {

using base::cat;

namespace {

std::string node(const End& end) { return cat("n", end.space, "_", end.index); }

/// A language's way to write what there is; TEXTs are lines.
struct Writer {
  virtual ~Writer() = default;
  virtual void begin() = 0;
  virtual void group(std::size_t number, const std::string& name) = 0;
  virtual void device(const std::string& id, const std::vector<std::string>& text, bool bridge) = 0;
  virtual void end_group() = 0;
  enum class Line : std::uint8_t { Cable, Plugged, Rule };
  virtual void line(const std::string& from, const std::string& to, Line kind,
                    const std::string& text) = 0;
  virtual void end() = 0;
  std::string out;
};

/// TEXT with each character of WHICH as AS says it.
std::string replaced(std::string_view text, char which, std::string_view as) {
  std::string out;
  for (const char character : text) {
    if (character == which)
      out += as;
    else
      out += character;
  }
  return out;
}

struct Mermaid : Writer {
  static std::string quoted(std::string_view text) {
    return cat("\"", replaced(replaced(replaced(text, '"', "#quot;"), '<', "#lt;"), '>', "#gt;"),
               "\"");
  }
  void begin() override { out = "flowchart TD\n"; }
  void group(std::size_t number, const std::string& name) override {
    out += cat("  subgraph s", number, "[", quoted(name), "]\n");
  }
  void device(const std::string& id, const std::vector<std::string>& text, bool bridge) override {
    std::vector<std::string> lines;
    for (const auto& line : text) lines.push_back(replaced(quoted(line), '"', ""));
    out += cat("    ", id, bridge ? "[[\"" : "[\"", base::join(lines, "<br/>"),
               bridge ? "\"]]\n" : "\"]\n");
  }
  void end_group() override { out += "  end\n"; }
  void line(const std::string& from, const std::string& to, Line kind,
            const std::string& text) override {
    const std::string_view dash = kind == Line::Rule ? " -." : " --";
    const std::string_view head = kind == Line::Rule ? ".-> " : "--- ";
    out += text.empty() ? cat("  ", from, " --- ", to, "\n")
                        : cat("  ", from, dash, " ", quoted(text), " ", head, to, "\n");
  }
  void end() override {}
};

struct Dot : Writer {
  static std::string escaped(std::string_view text) {
    return replaced(replaced(text, '\\', "\\\\"), '"', "\\\"");
  }
  void begin() override {
    out =
        "graph network {\n"
        "  graph [fontname=\"sans-serif\", compound=true]\n"
        "  node [fontname=\"sans-serif\", shape=box, style=rounded]\n"
        "  edge [fontname=\"sans-serif\"]\n";
  }
  void group(std::size_t number, const std::string& name) override {
    out += cat("  subgraph cluster_", number, " {\n    label=\"", escaped(name), "\"\n");
  }
  void device(const std::string& id, const std::vector<std::string>& text, bool bridge) override {
    std::vector<std::string> lines;
    for (const auto& line : text) lines.push_back(escaped(line));
    out += cat("    ", id, " [label=\"", base::join(lines, "\\n"), "\"",
               bridge ? ", shape=box3d, style=solid" : "", "]\n");
  }
  void end_group() override { out += "  }\n"; }
  void line(const std::string& from, const std::string& to, Line kind,
            const std::string& text) override {
    out += cat("  ", from, " -- ", to);
    if (!text.empty()) out += cat(" [label=\"", escaped(text), "\"");
    if (kind == Line::Rule)
      out += cat(text.empty() ? " [" : ", ", "style=dashed, dir=forward, constraint=false");
    out += cat(text.empty() && kind != Line::Rule ? "\n" : "]\n");
  }
  void end() override { out += "}\n"; }
};

std::vector<std::string> facts(const Topology::Device& device) {
  std::vector<std::string> lines = {label(device)};
  lines.insert(lines.end(), device.addresses.begin(), device.addresses.end());
  for (const auto& gateway : device.gateways) lines.push_back(cat("default via ", gateway));
  return lines;
}

/// Where the doors of SPACE begin: at its first uplink, or its first bridge.
std::optional<End> entrance(const Scene& scene, std::size_t space) {
  for (const auto& machine : scene.machines) {
    if (machine.space != space) continue;
    if (!machine.uplinks.empty()) return machine.uplinks.front().near;
    if (!machine.bridges.empty()) return machine.bridges.front().self;
  }
  return std::nullopt;
}

void write_rules(const Topology& topology, const Scene& scene, Writer& writer) {
  for (const auto& door : scene.doors)
    if (const auto from = entrance(scene, door.space); from && door.end && *from != *door.end)
      writer.line(node(*from), node(*door.end), Writer::Line::Rule, cat("DNAT ", door.text));
  for (const auto& machine : scene.machines) {
    const auto to = entrance(scene, machine.space);
    for (const auto& subnet : masqueraded(topology, machine.space))
      for (const auto& bridge : machine.bridges)
        for (const auto& address : topology.device(bridge.self).addresses) {
          const auto own = netsetup::Cidr::parse(address);
          const auto whole = netsetup::Cidr::parse(subnet);
          if (own && whole && whole->contains(own->address) && bridge.self != *to)
            writer.line(node(bridge.self), node(*to), Writer::Line::Rule,
                        cat("masquerade ", subnet));
        }
  }
}

void write(const Topology& topology, Writer& writer) {
  const auto scene = arrange(topology);
  std::set<End> drawn;
  for (const auto& machine : scene.machines) {
    for (const auto& uplink : machine.uplinks) drawn.insert(uplink.near);
    for (const auto& bridge : machine.bridges) {
      drawn.insert(bridge.self);
      for (const auto& port : bridge.ports) drawn.insert(port.near);
    }
  }
  writer.begin();
  for (std::size_t space = 0; space < topology.spaces.size(); ++space) {
    writer.group(space, topology.spaces[space].name);
    const bool alone = std::ranges::find(scene.alone, space) != scene.alone.end();
    for (const auto& device : topology.spaces[space].devices) {
      const End end{space, device.index};
      if (device.peer || drawn.contains(end) || alone)
        writer.device(node(end), facts(device), device.kind == "bridge");
    }
    writer.end_group();
  }
  for (std::size_t space = 0; space < topology.spaces.size(); ++space) {
    for (const auto& device : topology.spaces[space].devices) {
      const End end{space, device.index};
      if (device.bridge != 0 && drawn.contains(end))
        writer.line(node({space, device.bridge}), node(end), Writer::Line::Plugged, "");
      if (device.peer && end < *device.peer)
        writer.line(node(end), node(*device.peer), Writer::Line::Cable, "veth");
    }
  }
  write_rules(topology, scene, writer);
  writer.end();
}

nlohmann::json json_of(const Translation& rule) {
  constexpr std::array<const char*, 3> Kinds = {"dnat", "snat", "masquerade"};
  nlohmann::json j = {{"kind", Kinds.at(static_cast<std::size_t>(rule.kind))}};
  const auto add = [&](const char* key, const std::string& text) {
    if (!text.empty()) j[key] = text;
  };
  add("protocol", rule.protocol);
  add("source", rule.source);
  add("address", rule.address);
  add("port", rule.port);
  add("in", rule.in);
  add("out", rule.out);
  add("to", rule.to);
  add("to_port", rule.to_port);
  add("comment", rule.comment);
  return j;
}

}  // namespace

std::string mermaid(const netsetup::Topology& topology) {
  Mermaid writer;
  write(topology, writer);
  return writer.out;
}

std::string dot(const netsetup::Topology& topology) {
  Dot writer;
  write(topology, writer);
  return writer.out;
}

std::string json(const netsetup::Topology& topology) {
  auto spaces = nlohmann::json::array();
  for (const auto& space : topology.spaces) {
    auto devices = nlohmann::json::array();
    for (const auto& device : space.devices) {
      nlohmann::json j = {
          {"index", device.index},      {"name", device.name}, {"kind", device.kind},
          {"mac", device.mac},          {"up", device.up},     {"addresses", device.addresses},
          {"gateways", device.gateways}};
      if (device.bridge != 0) j["bridge"] = device.bridge;
      if (device.peer)
        j["peer"] = {{"namespace", topology.spaces[device.peer->space].name},
                     {"index", device.peer->index},
                     {"name", topology.device(*device.peer).name}};
      devices.push_back(j);
    }
    auto rules = nlohmann::json::array();
    for (const auto& rule : space.translations) rules.push_back(json_of(rule));
    spaces.push_back({{"name", space.name}, {"devices", devices}, {"nat", rules}});
  }
  return nlohmann::json{{"namespaces", spaces}}.dump(2, ' ', false,
                                                     nlohmann::json::error_handler_t::replace) +
         "\n";
}

}  // namespace graph
