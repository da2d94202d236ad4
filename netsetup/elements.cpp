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
    const std::string_view digit = gateway.address.family == Family::V4 ? "4" : "6";
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

}  // namespace netsetup
