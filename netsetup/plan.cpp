// SPDX-License-Identifier: MIT
#include "netsetup/plan.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/text.h"
#include "netsetup/networks.h"

namespace netsetup {

namespace {

Step host(Object object) { return {Verb::Create, Where::Host, std::move(object)}; }
Step inside(Object object) { return {Verb::Create, Where::Container, std::move(object)}; }

Sysctl sysctl(std::string key, std::string value) {
  return {
      .key = std::move(key), .value = std::move(value), .ours = {}, .guard = {}, .guard_value = {}};
}

Mac mac_with(std::uint8_t second, const Ip& address) {
  Mac mac{{0x02, second}};
  std::ranges::copy(address.wire().last(4), mac.bytes.begin() + 2);
  return mac;
}

}  // namespace

bool has_ipv6(const Network& network) {
  return std::ranges::any_of(
      network.gateways, [](const Cidr& gateway) { return gateway.address.family == Family::V6; });
}

std::string veth_name(std::uint32_t run, std::size_t number) {
  constexpr std::string_view Hex = "0123456789abcdef";
  std::string name = "mr-";
  for (unsigned shift = 32; shift != 0;) {
    shift -= 4;
    name += Hex[run >> shift & 0xfU];
  }
  return number == 0 ? name : base::cat(name, '-', number);
}

Mac mac_of(const Ip& address) { return mac_with(0x42, address); }

Ip link_local(const Mac& mac) {
  const auto& m = mac.bytes;
  const std::array<std::uint8_t, 16> bytes = {
      0xfe, 0x80, 0,    0,    0,    0,    0,   0, static_cast<std::uint8_t>(m[0] ^ 2U),
      m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]};
  return Ip::of_bytes(Family::V6, bytes);
}

Mac bridge_mac(const Network& network) { return mac_of(network.gateways.front().address); }

std::string interface_sysctl(std::string_view family, std::string_view interface,
                             std::string_view key) {
  if (interface.find('.') != std::string_view::npos)
    return base::cat("net/", family, "/conf/", interface, "/", key);
  return base::cat("net.", family, ".conf.", interface, ".", key);
}

std::vector<Step> described_plan(std::string_view name, std::string_view up,
                                 const std::vector<OpenedInterface>& interfaces) {
  if (!name.starts_with(NetworkScopePrefix)) return host_plan({interfaces, {}, false, false});
  const auto network = described_network(up);
  return network ? network_plan(*network) : std::vector<Step>();
}

std::vector<Step> opening_plan(const Closed& closed) {
  constexpr const char* Guard4 = "net.ipv4.ip_forward";
  constexpr const char* Guard6 = "net.ipv6.conf.all.forwarding";
  std::vector<Step> plan;
  for (const auto& interface : closed.interfaces) {
    // The guard first: forwarding is never on without it.
    plan.push_back(host(interface));
    const bool v4 = interface.family == Family::V4;
    Sysctl forwarding =
        v4 ? sysctl(interface_sysctl("ipv4", interface.name, "forwarding"), "1")
           : sysctl(interface_sysctl("ipv6", interface.name, "force_forwarding"), "1");
    // Whoever switches the global one on meanwhile (Docker does) wants it on here too: then it
    // is not ours any more to switch off.
    forwarding.guard = v4 ? Guard4 : Guard6;
    plan.push_back(host(std::move(forwarding)));
  }
  if (!closed.host6) return plan;
  plan.push_back(host(OpenedHost{}));
  // A router takes no advertisements, unless told so: the host would lose its own default route.
  for (const auto& name : closed.advertised)
    plan.push_back(host(sysctl(interface_sysctl("ipv6", name, "accept_ra"), "2")));
  plan.push_back(host(sysctl(Guard6, "1")));
  return plan;
}

std::vector<Step> host_plan(const Closed& closed) {
  std::vector<Step> plan = {host(RuleSet{}), host(NetnsDirectory{})};
  if (closed.loopback6) plan.push_back(host(LoopbackGate{}));
  collect(plan, opening_plan(closed));
  return plan;
}

std::vector<Step> network_plan(const Network& network) {
  const std::string& bridge = network.bridge;
  const bool ipv6 = has_ipv6(network);
  std::vector<Step> plan = {
      host(Bridge{bridge, bridge_mac(network), network.mtu}),
      host(sysctl(interface_sysctl("ipv6", bridge, "disable_ipv6"), ipv6 ? "0" : "1")),
      host(sysctl(interface_sysctl("ipv4", bridge, "forwarding"), "1")),
      host(sysctl(interface_sysctl("ipv4", bridge, "route_localnet"), "1")),
  };
  if (ipv6) {
    plan.push_back(host(sysctl(interface_sysctl("ipv6", bridge, "accept_ra"), "0")));
    plan.push_back(host(sysctl(interface_sysctl("ipv6", bridge, "force_forwarding"), "1")));
  }
  plan.push_back(host(NetworkRules{network}));
  for (const auto& gateway : network.gateways) plan.push_back(host(Address{bridge, gateway}));
  plan.push_back(host(LinkUp{bridge}));
  if (ipv6)
    plan.push_back(host(LoopbackRoute{bridge, network.gateways.front().address.low_bits()}));
  return plan;
}

std::vector<Step> name_plan(const std::string& name, pid_t pid) {
  return {host(Namespace{name, pid})};
}

std::vector<Step> namespace_plan() {
  return {inside(sysctl("net.ipv4.ping_group_range", "0\t2147483647")),
          inside(sysctl("net.ipv4.ip_unprivileged_port_start", "0")), inside(LinkUp{"lo"}),
          inside(NameServer{})};
}

PortGuard port_guard(const Endpoint& endpoint) {
  PortGuard guard{endpoint.veth, endpoint.mac, endpoint.addresses};
  guard.addresses.push_back(link_local(endpoint.mac));
  return guard;
}

std::vector<Step> attachment_plan(const std::string& name, const Network& network,
                                  const Endpoint& endpoint) {
  const std::string& link = endpoint.link;
  std::vector<Step> plan = {
      host(port_guard(endpoint)),  // first: the cable never carries what it does not stop
      host(Veth{endpoint.veth, mac_with(0x43, endpoint.addresses.front()), network.bridge, link,
                endpoint.mac, network.mtu}),
      host(Alias{endpoint.veth, name}),
      host(Hairpin{endpoint.veth}),
  };
  if (network.isolated) plan.push_back(host(Isolated{endpoint.veth}));
  plan.push_back(inside(sysctl(interface_sysctl("ipv6", link, "accept_ra"), "0")));
  for (std::size_t i = 0; i < endpoint.addresses.size(); ++i)
    plan.push_back(inside(Address{link, {endpoint.addresses[i], network.gateways[i].prefix}}));
  plan.push_back(inside(LinkUp{link}));
  if (endpoint.way_out && !network.internal)
    for (const auto& gateway : network.gateways)
      plan.push_back(inside(DefaultRoute{gateway.address, link}));
  return plan;
}

std::vector<Step> publish_plan(const std::string& name, const std::vector<Ip>& addresses,
                               const std::vector<PublishedPort>& ports) {
  std::vector<Step> plan;
  if (ports.empty()) return plan;
  plan.push_back(host(Publish{name, addresses, ports}));
  Flows flows;
  for (const auto& port : ports)
    if (port.protocol == Protocol::Udp) flows.udp_ports.push_back(port.host_ports());
  if (!flows.udp_ports.empty()) plan.push_back({Verb::Delete, Where::Host, std::move(flows)});
  return plan;
}

std::vector<Step> host_ports_plan(const std::string& name, const std::vector<Ip>& addresses,
                                  const std::vector<std::uint16_t>& ports) {
  std::vector<Step> plan;
  if (!ports.empty()) plan.push_back(host(HostPorts{name, addresses.front(), ports}));
  return plan;
}

std::optional<Cidr> choose_subnet(unsigned prefix, const std::vector<Cidr>& taken) {
  // The last is nobody's private range but for tests of devices (RFC 2544): free where a VPN has
  // taken all that is private.
  const std::array Pool = {Cidr{Ip::v4(0x0ad20000), 16}, Cidr{Ip::v4(0xac1e0000), 16},
                           Cidr{Ip::v4(0xc0a8c000), 18}, Cidr{Ip::v4(0xc6120000), 15}};
  std::optional<Cidr> within_wider;
  for (const auto& block : Pool) {
    for (std::uint64_t base = block.first().low_bits(); base < block.last().low_bits();
         base += std::uint64_t{1} << (32U - prefix)) {
      const Cidr candidate{Ip::v4(static_cast<std::uint32_t>(base)), prefix};
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

std::optional<Cidr> choose_subnet6(const std::vector<Cidr>& taken) {
  constexpr unsigned Prefix = 64;
  constexpr std::array<std::uint8_t, 6> Site = {0xfd, 'm', 'i', 'n', 'i', 'r'};
  for (unsigned number = 0; number <= 0xffffU; ++number) {
    Cidr candidate{Ip::of_bytes(Family::V6, Site), Prefix};
    candidate.address.bytes[6] = static_cast<std::uint8_t>(number >> 8U);
    candidate.address.bytes[7] = static_cast<std::uint8_t>(number);
    if (std::ranges::none_of(taken, [&](const Cidr& other) {
          return other.prefix != 0 && candidate.overlaps(other);
        }))
      return candidate;
  }
  return std::nullopt;
}

}  // namespace netsetup
