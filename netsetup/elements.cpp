// SPDX-License-Identifier: MIT
#include "netsetup/elements.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/text.h"

namespace netsetup {

using base::cat;

std::vector<nft::Element> elements(const OpenedInterface& opened) {
  const auto name = nft::interface_field(opened.name);
  std::vector<nft::Element> made = {{"opened", {name, nft::field(opened.family)}, {}, {}, {}}};
  if (opened.bridge) made.push_back({"same_net", {name, name}, {}, {}, {}});
  return made;
}

std::vector<nft::Element> elements(const OpenedHost& /*opened*/) {
  return {{"opened_host", {nft::field(Family::V6)}, {}, {}, {}}};
}

std::vector<nft::Element> elements(const LoopbackGate& /*gate*/) {
  return {{"loopback6", {nft::interface_field("lo")}, {}, {}, {}}};
}

std::vector<nft::Element> elements(const NetworkRules& rules) {
  const auto& network = rules.network;
  const auto bridge = nft::interface_field(network.bridge);
  std::vector<nft::Element> made = {{"bridges", {bridge}, {}, {}, {}},
                                    {"same_net", {bridge, bridge}, {}, {}, {}}};
  if (network.internal) made.push_back({"internal", {bridge}, {}, {}, {}});
  for (const auto& gateway : network.gateways) {
    const auto digit = netsetup::digit(gateway.address.family);
    const auto first = nft::field(gateway.first());
    const auto last = nft::field(gateway.last());
    made.push_back({cat("subnet", digit), {first}, {last}, {}, {}});
    made.push_back({cat("own", digit), {bridge, first}, {bridge, last}, {}, {}});
    made.push_back({cat("gateway", digit), {bridge}, {}, {nft::field(gateway.address)}, {}});
    if (gateway.address.family == Family::V4)
      made.push_back({"gateways4", {bridge, nft::field(gateway.address)}, {}, {}, {}});
  }
  return made;
}

std::vector<nft::Element> elements(const PortGuard& guard) {
  const auto link = nft::interface_field(guard.link);
  const auto mac = nft::field(guard.mac);
  // From :: IPv6 asks whether an address is somebody's before it takes it.
  std::vector<nft::Element> made = {
      {"ports", {link}, {}, {}, {}, "bridge"},
      {"own6", {link, mac, nft::field(Ip{Family::V6, {}})}, {}, {}, {}, "bridge"}};
  for (const auto& address : guard.addresses) {
    const bool v4 = address.family == Family::V4;
    const auto field = nft::field(address);
    made.push_back({v4 ? "own4" : "own6", {link, mac, field}, {}, {}, {}, "bridge"});
    if (!v4) made.push_back({"target6", {link, field}, {}, {}, {}, "bridge"});
  }
  return made;
}

std::vector<nft::Element> elements(const HostPorts& host) {
  std::vector<nft::Element> made;
  for (const auto port : host.ports)
    made.push_back({"host_ports",
                    {nft::field(host.address), nft::field(Protocol::Tcp), nft::field(port)},
                    {},
                    {nft::field(Ip::v4(0x7f000001)), nft::field(port)},
                    host.comment});
  return made;
}

std::string publish_map(const PublishedPort& port, Family family) {
  const std::string_view kind = port.count > 1          ? "_range"
                                : port.on_any_address() ? "_any"
                                                        : "_addr";
  return cat("pub", digit(family), kind);
}

namespace {

/// PORT as an interval of SET, one of those whose keys are ADDRESS . PROTOCOL . PORT: "any" is from
/// the first address of FAMILY to the last.
nft::Element interval(std::string set, const PublishedPort& port, Family family) {
  const Cidr all{{family, {}}, 0};
  const bool any = port.on_any_address();
  const auto protocol = nft::field(port.protocol);
  const auto ports = port.host_ports();
  return {std::move(set),
          {nft::field(any ? all.first() : *port.host_address), protocol, nft::field(ports.first)},
          {nft::field(any ? all.last() : *port.host_address), protocol, nft::field(ports.last)},
          {},
          {}};
}

nft::Element way_in(const PublishedPort& port, const Ip& container) {
  const std::string map = publish_map(port, container.family);
  if (port.count > 1) {
    auto range = interval(map, port, container.family);
    range.data = {nft::field(container)};
    return range;
  }
  nft::Element one = {map,
                      {nft::field(port.protocol), nft::field(port.host_port)},
                      {},
                      {nft::field(container), nft::field(port.container_port)},
                      {}};
  if (!port.on_any_address()) one.key.insert(one.key.begin(), nft::field(*port.host_address));
  return one;
}

/// For whom PORT is published, where that is not everybody.
std::vector<nft::Element> clients(const PublishedPort& port, Family family) {
  if (port.from.empty()) return {};
  std::vector<nft::Element> made = {interval(cat("limited", digit(family)), port, family)};
  for (const auto& cidr : port.from) {
    if (cidr.address.family != family) continue;
    made.push_back(interval(cat("from", digit(family)), port, family));
    made.back().key.push_back(nft::field(cidr.first()));
    made.back().key_end.push_back(nft::field(cidr.last()));
  }
  return made;
}

}  // namespace

std::vector<nft::Element> elements(const Publish& publish) {
  std::vector<nft::Element> made;
  for (const auto& container : publish.container) {
    for (const auto& port : publish.ports) {
      if (!port.serves(container.family)) continue;
      made.push_back(way_in(port, container));
      std::ranges::move(clients(port, container.family), std::back_inserter(made));
    }
  }
  for (auto& element : made) element.comment = publish.comment;
  return made;
}

}  // namespace netsetup
