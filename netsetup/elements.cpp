// SPDX-License-Identifier: MIT
#include "netsetup/elements.h"

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
  return cat("pub", digit(family), port.on_any_address() ? "_any" : "_addr");
}

std::vector<nft::Element> elements(const Publish& publish, const PublishedPort& port) {
  std::vector<nft::Element> made;
  for (const auto& container : publish.container) {
    if (!port.serves(container.family)) continue;
    made.push_back({publish_map(port, container.family),
                    {nft::field(port.protocol), nft::field(port.host_port)},
                    {},
                    {nft::field(container), nft::field(port.container_port)},
                    publish.comment});
    if (!port.on_any_address())
      made.back().key.insert(made.back().key.begin(), nft::field(*port.host_address));
  }
  return made;
}

}  // namespace netsetup
