// SPDX-License-Identifier: MIT
#include "netsetup/networks.h"

#include <fcntl.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "netsetup/journal.h"
#include "netsetup/json.h"
#include "netsetup/rtnl.h"
#include "netsetup/scope.h"
#include "netsetup/state.h"
#include "netsetup/sysctl.h"

namespace netsetup {

using base::cat;
using base::Error;
using nlohmann::json;

namespace {

constexpr unsigned LeastMtu6 = 1280;  // of IPv6, RFC 8200

bool host_has_ipv6() { return read_sysctl("net.ipv6.conf.all.disable_ipv6") == "0"; }

/// Where the host's own addresses and its routes lead.
struct Taken {
  explicit Taken(netlink::Socket& socket) : routes(rtnl::route_destinations(socket)) {
    for (const auto& address : rtnl::addresses(socket)) own.push_back(address.cidr);
  }
  [[nodiscard]] std::vector<Cidr> all() const {
    auto both = own;
    both.insert(both.end(), routes.begin(), routes.end());
    return both;
  }
  std::vector<Cidr> own;
  std::vector<Cidr> routes;
};

/// GATEWAY of NAME must not lie in what the host has already. A route that is wider than the subnet
/// (a VPN's, of all private addresses) is no conflict: the narrower one wins.
void check_free(const std::string& name, const Cidr& gateway, const Taken& taken) {
  const auto overlaps = [&](const Cidr& one) { return one.overlaps(gateway); };
  auto other = std::ranges::find_if(taken.own, overlaps);
  if (other == taken.own.end()) {
    other = std::ranges::find_if(taken.routes, [&](const Cidr& one) {
      return overlaps(one) && one.prefix >= gateway.prefix;
    });
    if (other == taken.routes.end()) return;
  }
  throw Error(cat("the network ", name, ": its subnet ",
                  Cidr{gateway.first(), gateway.prefix}.text(), " overlaps ", other->text(),
                  ", which an address or a route of this host has (see `ip address`, `ip route`)"));
}

Cidr first_of(const Cidr& subnet) { return {subnet.first().plus(1), subnet.prefix}; }

Cidr choose_gateway(const NetworkSpec& spec, const Taken& taken) {
  if (spec.gateway) {
    check_free(spec.bridge, *spec.gateway, taken);
    return *spec.gateway;
  }
  const auto subnet = choose_subnet(SubnetPrefix, taken.all());
  if (!subnet)
    throw Error(
        "no subnet is free for the bridge: addresses and routes of this host cover "
        "10.210.0.0/16, 172.30.0.0/16, 192.168.192.0/18 and 198.18.0.0/15 (see `ip route`)");
  return first_of(*subnet);
}

std::optional<Cidr> choose_gateway6(const NetworkSpec& spec, const Taken& taken) {
  if (spec.gateway6) {
    check_free(spec.bridge, *spec.gateway6, taken);
    return spec.gateway6;
  }
  const auto subnet = choose_subnet6(taken.all());
  return subnet ? std::optional(first_of(*subnet)) : std::nullopt;
}

/// Adds to CLOSED what IPv6 lacks. INTERFACES: those with an address of their own.
void close6(Kernel& kernel, const std::set<std::string>& interfaces, Closed& closed) {
  if (read_sysctl("net.ipv6.conf.all.forwarding") != "0") return;
  if (!read_sysctl("net.ipv6.conf.all.force_forwarding")) {
    closed.host6 = true;
    for (const auto& link : rtnl::links(kernel.host_route()))
      if (read_sysctl(interface_sysctl("ipv6", link.name, "accept_ra")) == "1")
        closed.advertised.push_back(link.name);
    return;
  }
  for (const auto& name : interfaces) {
    if (read_sysctl(interface_sysctl("ipv6", name, "force_forwarding")) != "0") continue;
    const auto link = rtnl::find_link(kernel.host_route(), name);
    closed.interfaces.push_back({name, Family::V6, link && link->kind == "bridge"});
  }
}

}  // namespace

std::string description_of(const Network& network) { return json(network).dump(); }

std::optional<Network> described_network(std::string_view up) {
  if (!up.starts_with('{')) return std::nullopt;
  try {
    auto network = json::parse(up).get<Network>();
    if (network.gateways.empty()) return std::nullopt;
    return network;
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

Network network_of(int state, const std::string& name, const std::string& up) {
  if (auto described = described_network(up)) return *std::move(described);
  const auto directory = base::open_or_throw(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, state);
  for (const auto& step : Journal(directory.get()).read())
    if (const auto* rules = std::get_if<NetworkRules>(&step.object)) return rules->network;
  throw Error(cat("neither up nor journal of ", name,
                  " in /run/mini-run tells the network's subnet; end its containers first"));
}

std::vector<Network> networks() {
  std::vector<Network> found;
  const auto state = State::peek();
  if (!state.valid()) return found;
  for (const auto& name : entries(state.get())) {
    if (!name.starts_with(NetworkScopePrefix)) continue;
    if (const auto up = Scope(state.get(), name).peek())
      found.push_back(network_of(state.get(), name, *up));
  }
  std::ranges::sort(found, {}, &Network::bridge);
  return found;
}

Network choose_network(Kernel& kernel, const NetworkSpec& spec) {
  auto& socket = kernel.host_route();
  const Taken taken(socket);
  Network network{spec.bridge,
                  {choose_gateway(spec, taken)},
                  spec.internal,
                  spec.isolated,
                  spec.mtu.value_or(rtnl::way_out_mtu(socket).value_or(1500))};
  if (!spec.ipv6 || network.mtu < LeastMtu6 || !host_has_ipv6()) return network;
  if (const auto gateway = choose_gateway6(spec, taken)) network.gateways.push_back(*gateway);
  return network;
}

bool serves_loopback6() {
  return host_has_ipv6() && read_sysctl("net.bridge.bridge-nf-call-ip6tables").value_or("0") != "1";
}

Closed closed_host(Kernel& kernel) {
  auto& socket = kernel.host_route();
  std::set<unsigned> with4;  // not of all links: there is one for each container
  std::set<unsigned> with6;
  for (const auto& address : rtnl::addresses(socket)) {
    if (address.cidr.address.family == Family::V4)
      with4.insert(address.index);
    else if (!address.cidr.address.is_link_local())
      with6.insert(address.index);
  }
  Closed closed;
  const auto names = [&](const std::set<unsigned>& indexes) {
    std::set<std::string> found;
    for (const unsigned index : indexes)
      if (const auto name = rtnl::find_name(socket, index); name && name != "lo")
        found.insert(*name);
    return found;
  };
  for (const auto& name : names(with4)) {
    if (read_sysctl(interface_sysctl("ipv4", name, "forwarding")) != "0") continue;
    const auto link = rtnl::find_link(socket, name);
    closed.interfaces.push_back({name, Family::V4, link && link->kind == "bridge"});
  }
  close6(kernel, names(with6), closed);
  closed.loopback6 = serves_loopback6();
  return closed;
}

}  // namespace netsetup
