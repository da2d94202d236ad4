// SPDX-License-Identifier: MIT
// What is to be done, as lists of steps: pure functions of names and numbers.
//
// Theory of operation. Docker's bridge mode is three things, and each has its own life:
//   the host's share   the rule set, and forwarding on the interfaces that traffic comes in by;
//                      there from the first container of any network to the last
//   the network        a bridge with the gateway's address; there from its first container to
//                      its last
//   the container      a veth pair, an address, a route, published ports
// A start makes what is missing, in this order; scope.h tells who is first and who is last.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "netsetup/step.h"

namespace netsetup {

/// A network as its containers see it: the bridge's name and its subnet, whose first address is
/// the gateway.
struct Network {
  std::string bridge;
  Cidr subnet;

  [[nodiscard]] Ipv4 gateway() const { return {subnet.first().value + 1}; }
};

struct Endpoint {
  std::string name;  // the container's
  pid_t pid = 0;     // its process 1
  std::string veth;  // host end of its veth pair, see veth_name()
  Ipv4 address;
  std::vector<PublishedPort> ports;
};

/// A network's scope (scope.h) is named with this before its bridge's name, and described by its
/// subnet's text.
inline constexpr std::string_view NetworkScopePrefix = "network-";
/// The network whose scope is called NAME and described by UP; nothing where UP is damaged.
std::optional<Network> described_network(std::string_view name, std::string_view up);
/// What made the thing of the scope NAME, as far as that and UP tell; the host's INTERFACES are
/// those that were opened.
std::vector<Step> described_plan(std::string_view name, std::string_view up,
                                 const std::vector<OpenedInterface>& interfaces);

/// INTERFACES: those of the host on which forwarding is to be switched on.
std::vector<Step> host_plan(const std::vector<OpenedInterface>& interfaces);
std::vector<Step> network_plan(const Network& network);
std::vector<Step> container_plan(const Network& network, const Endpoint& endpoint);
/// The last part of container_plan(): the ports alone.
std::vector<Step> publish_plan(const Endpoint& endpoint);

/// "mr-" and eight hex digits of the run: new for each run, since the host end of a veth outlives
/// its container by some milliseconds.
std::string veth_name(std::uint32_t run);

/// 02:42 and the address, as docker does for a container; the host's end has 02:43.
Mac mac_of(Ipv4 address);

/// `net.ipv4.conf.IFACE.KEY`, with slashes where the interface's name has a dot (sysctl(8)).
std::string interface_sysctl(std::string_view family, std::string_view interface,
                             std::string_view key);

/// The first subnet of PREFIX bits of the pool that overlaps none of TAKEN. Where all of the pool
/// is covered by wider routes (a VPN that routes everything), the first that lies within such
/// routes only, and touches none that is as narrow as itself or narrower. The pool is
/// 10.210.0.0/16, then 172.30.0.0/16, 192.168.192.0/18, 198.18.0.0/15.
std::optional<Cidr> choose_subnet(unsigned prefix, const std::vector<Cidr>& taken);

}  // namespace netsetup
