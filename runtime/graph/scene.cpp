// SPDX-License-Identifier: MIT
#include "graph/scene.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "base/text.h"

namespace graph {

using base::cat;

namespace {

bool is_bridge(const Topology::Device& device) { return device.kind == "bridge"; }

/// One that leads somewhere: others are there on many a host, and never used (tunl0, dummy0).
bool leads_out(const Topology::Device& device) {
  return device.name != "lo" && (device.up || !device.addresses.empty());
}

Machine machine_of(const Topology& topology, std::size_t number, std::set<End>& drawn) {
  Machine machine{number, {}, {}};
  const auto& devices = topology.spaces[number].devices;
  const auto take = [&](const Topology::Device& device) {
    const End end{number, device.index};
    drawn.insert(end);
    if (device.peer) drawn.insert(*device.peer);
    return Cable{end, device.peer};
  };
  for (const auto& device : devices) {
    if (!is_bridge(device)) continue;
    Bridge bridge{{number, device.index}, {}};
    for (const auto& port : devices)
      if (port.bridge == device.index && !drawn.contains({number, port.index}))
        bridge.ports.push_back(take(port));
    machine.bridges.push_back(std::move(bridge));
  }
  for (const auto& device : devices) {
    if (is_bridge(device) || device.bridge != 0 || drawn.contains({number, device.index})) continue;
    // A cable without a bridge beside it is two equals joined directly: not one beyond the other.
    const bool equals = device.gateways.empty() && machine.bridges.empty() && device.peer;
    if (!equals && leads_out(device)) machine.uplinks.push_back(take(device));
  }
  return machine;
}

/// Who has which address; where several have it, the one beyond the first namespace.
std::map<std::string, End> holders(const Topology& topology) {
  std::map<std::string, End> all;
  for (std::size_t space = 0; space < topology.spaces.size(); ++space)
    for (const auto& device : topology.spaces[space].devices)
      for (const auto& address : device.addresses)
        if (device.name != "lo")
          all.insert_or_assign(address.substr(0, address.find('/')), End{space, device.index});
  return all;
}

std::string with_port(const std::string& address, const std::string& port) {
  if (port.empty()) return address;
  if (address.empty()) return port;
  return address.find(':') == std::string::npos ? cat(address, ":", port)
                                                : cat("[", address, "]:", port);
}

std::vector<Door> doors_of(const Topology& topology) {
  const auto holder = holders(topology);
  std::vector<Door> all;
  std::set<std::tuple<std::size_t, std::string, std::optional<End>>> known;
  for (std::size_t space = 0; space < topology.spaces.size(); ++space) {
    for (const auto& rule : topology.spaces[space].translations) {
      if (rule.kind != Translation::Kind::Destination) continue;
      Door door{space, "", with_port(rule.to, rule.to_port), {}};
      if (const auto end = holder.find(rule.to); end != holder.end()) door.end = end->second;
      const auto& port = rule.to_port.empty() ? rule.port : rule.to_port;
      door.text = cat(with_port(rule.address, rule.port.empty() ? "*" : rule.port), "->",
                      door.end ? port : with_port(rule.to, port));
      if (!rule.protocol.empty()) door.text += cat("/", rule.protocol);
      if (!rule.source.empty()) door.text += cat(" from ", rule.source);
      if (known.emplace(space, door.text, door.end).second) all.push_back(std::move(door));
    }
  }
  return all;
}

}  // namespace

Scene arrange(const Topology& topology) {
  Scene scene;
  std::set<End> drawn;
  std::set<std::size_t> machines;
  for (std::size_t number = 0; number < topology.spaces.size(); ++number) {
    const auto& space = topology.spaces[number];
    if (number != 0 && std::ranges::none_of(space.devices, is_bridge)) continue;
    auto machine = machine_of(topology, number, drawn);
    if (machine.uplinks.empty() && machine.bridges.empty() && space.translations.empty()) continue;
    machines.insert(number);
    scene.machines.push_back(std::move(machine));
  }
  for (std::size_t number = 0; number < topology.spaces.size(); ++number) {
    bool joined = machines.contains(number);
    for (const auto& device : topology.spaces[number].devices) {
      const End end{number, device.index};
      joined = joined || device.peer || device.peer_is_elsewhere;
      if (!device.peer || !drawn.insert(end).second) continue;
      drawn.insert(*device.peer);
      scene.cables.push_back({end, device.peer});
    }
    if (!joined) scene.alone.push_back(number);
  }
  scene.doors = doors_of(topology);
  return scene;
}

std::vector<std::string> doors_to(const Scene& scene, const End& end) {
  std::vector<std::string> found;
  for (const auto& door : scene.doors)
    if (door.end == end) found.push_back(door.text);
  return found;
}

std::vector<std::string> masqueraded(const Topology& topology, std::size_t space) {
  std::vector<std::string> subnets;
  for (const auto& rule : topology.spaces[space].translations)
    if (rule.kind == Translation::Kind::Masquerade)
      subnets.push_back(rule.source.empty() ? "all" : rule.source);
  std::ranges::sort(subnets);
  subnets.erase(std::unique(subnets.begin(), subnets.end()), subnets.end());
  return subnets;
}

std::string label(const Topology::Device& device) {
  return cat(device.index, ": ", device.name, device.up ? "" : " DOWN");
}

}  // namespace graph
