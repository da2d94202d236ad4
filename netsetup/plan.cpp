// SPDX-License-Identifier: MIT
#include "netsetup/plan.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/text.h"

namespace netsetup {

namespace {

Step host(Object object) { return {Verb::Create, Where::Host, std::move(object)}; }
Step inside(Object object) { return {Verb::Create, Where::Container, std::move(object)}; }

Sysctl sysctl(std::string key, std::string value) {
  return {
      .key = std::move(key), .value = std::move(value), .ours = {}, .guard = {}, .guard_value = {}};
}

Mac mac_with(std::uint8_t second, Ipv4 address) {
  const std::uint32_t value = address.value;
  return {{0x02, second, static_cast<std::uint8_t>(value >> 24U),
           static_cast<std::uint8_t>(value >> 16U), static_cast<std::uint8_t>(value >> 8U),
           static_cast<std::uint8_t>(value)}};
}

}  // namespace

std::string veth_name(std::uint32_t run) {
  constexpr std::string_view Hex = "0123456789abcdef";
  std::string name = "mr-";
  for (unsigned shift = 32; shift != 0;) {
    shift -= 4;
    name += Hex[run >> shift & 0xfU];
  }
  return name;
}

Mac mac_of(Ipv4 address) { return mac_with(0x42, address); }

std::string interface_sysctl(std::string_view family, std::string_view interface,
                             std::string_view key) {
  if (interface.find('.') != std::string_view::npos)
    return base::cat("net/", family, "/conf/", interface, "/", key);
  return base::cat("net.", family, ".conf.", interface, ".", key);
}

std::optional<Network> described_network(std::string_view name, std::string_view up) {
  const auto subnet = Cidr::parse(up);
  if (!subnet || !name.starts_with(NetworkScopePrefix)) return std::nullopt;
  return Network{std::string(name.substr(NetworkScopePrefix.size())), *subnet};
}

std::vector<Step> described_plan(std::string_view name, std::string_view up,
                                 const std::vector<OpenedInterface>& interfaces) {
  if (!name.starts_with(NetworkScopePrefix)) return host_plan(interfaces);
  const auto network = described_network(name, up);
  return network ? network_plan(*network) : std::vector<Step>();
}

std::vector<Step> host_plan(const std::vector<OpenedInterface>& interfaces) {
  std::vector<Step> plan;
  plan.push_back(host(RuleSet{}));
  plan.push_back(host(NetnsDirectory{}));
  for (const auto& interface : interfaces) {
    // The guard first: forwarding is never on without it.
    plan.push_back(host(interface));
    // Whoever switches the global one on meanwhile (Docker does) wants it on here too: then it
    // is not ours any more to switch off.
    Sysctl forwarding = sysctl(interface_sysctl("ipv4", interface.name, "forwarding"), "1");
    forwarding.guard = "net.ipv4.ip_forward";
    plan.push_back(host(std::move(forwarding)));
  }
  return plan;
}

std::vector<Step> network_plan(const Network& network) {
  const std::string& bridge = network.bridge;
  return {
      host(Bridge{bridge, mac_of(network.gateway())}),
      host(sysctl(interface_sysctl("ipv6", bridge, "disable_ipv6"), "1")),
      host(sysctl(interface_sysctl("ipv4", bridge, "forwarding"), "1")),
      host(sysctl(interface_sysctl("ipv4", bridge, "route_localnet"), "1")),
      host(NetworkRules{bridge, network.subnet}),
      host(Address{bridge, {network.gateway(), network.subnet.prefix}}),
      host(LinkUp{bridge}),
  };
}

std::vector<Step> container_plan(const Network& network, const Endpoint& endpoint) {
  std::vector<Step> plan = {
      host(Namespace{endpoint.name, endpoint.pid}),
      host(Veth{endpoint.veth, mac_with(0x43, endpoint.address), network.bridge, "eth0",
                mac_of(endpoint.address)}),
      host(Alias{endpoint.veth, endpoint.name}),
      host(Hairpin{endpoint.veth}),
      inside(sysctl("net.ipv4.ping_group_range", "0\t2147483647")),
      inside(sysctl("net.ipv4.ip_unprivileged_port_start", "0")),
      inside(sysctl(interface_sysctl("ipv6", "eth0", "accept_ra"), "0")),
      inside(LinkUp{"lo"}),
      inside(Address{"eth0", {endpoint.address, network.subnet.prefix}}),
      inside(LinkUp{"eth0"}),
      inside(DefaultRoute{network.gateway(), "eth0"}),
  };
  const auto ports = publish_plan(endpoint);
  plan.insert(plan.end(), ports.begin(), ports.end());
  return plan;
}

std::vector<Step> publish_plan(const Endpoint& endpoint) {
  std::vector<Step> plan;
  if (endpoint.ports.empty()) return plan;
  plan.push_back(host(Publish{endpoint.name, endpoint.address, endpoint.ports}));
  for (const auto& port : endpoint.ports) {
    if (port.protocol == Protocol::Udp)
      plan.push_back({Verb::Delete, Where::Host, Flows{std::nullopt, port.host_port}});
  }
  return plan;
}

std::optional<Cidr> choose_subnet(unsigned prefix, const std::vector<Cidr>& taken) {
  // The last is nobody's private range but for tests of devices (RFC 2544): free where a VPN has
  // taken all that is private.
  constexpr std::array Pool = {Cidr{{0x0ad20000}, 16}, Cidr{{0xac1e0000}, 16},
                               Cidr{{0xc0a8c000}, 18}, Cidr{{0xc6120000}, 15}};
  std::optional<Cidr> within_wider;
  for (const auto& block : Pool) {
    for (std::uint64_t base = block.first().value; base < block.last().value;
         base += std::uint64_t{1} << (32U - prefix)) {
      const Cidr candidate{{static_cast<std::uint32_t>(base)}, prefix};
      const auto overlaps = [&](const Cidr& other) {
        return other.prefix != 0 && candidate.overlaps(other);  // the default route is no owner
      };
      const auto narrow = [&](const Cidr& other) {
        return overlaps(other) && other.prefix >= prefix;
      };
      if (std::none_of(taken.begin(), taken.end(), overlaps)) return candidate;
      if (!within_wider && std::none_of(taken.begin(), taken.end(), narrow))
        within_wider = candidate;
    }
  }
  return within_wider;
}

}  // namespace netsetup
