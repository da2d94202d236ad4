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

/// MORE at the end of ALL: plans are put together of parts.
template <class Item>
void collect(std::vector<Item>& all, const std::vector<Item>& more) {
  all.insert(all.end(), more.begin(), more.end());
}

/// What is asked of a network; what is left open is chosen when its first container starts.
struct NetworkSpec {
  std::string bridge;            // its name, and its bridge's
  std::optional<Cidr> gateway;   // the gateway's IPv4 address with the subnet's prefix
  std::optional<Cidr> gateway6;  // IPv6
  bool ipv6 = true;              // where the host has it
  bool internal = false;
  bool isolated = false;
  std::optional<unsigned> mtu;        // bytes; nothing: that of the host's way out
  std::optional<Ip> publish_address;  // of published ports that name none
};

/// Whether NETWORK has IPv6.
bool has_ipv6(const Network& network);

/// A container's place in a network.
struct Endpoint {
  std::string veth;           // host end of its veth pair, see veth_name()
  std::string link = "eth0";  // the other end
  Mac mac;                    // of that
  std::vector<Ip> addresses;  // one for each gateway of the network
  bool way_out = true;        // its default routes go by this network
};

/// A network's scope (scope.h) is named with this before its bridge's name.
inline constexpr std::string_view NetworkScopePrefix = "network-";
/// What made the thing of the scope NAME, as far as that and its description UP (network.h) tell;
/// the host's INTERFACES are those that were opened.
std::vector<Step> described_plan(std::string_view name, std::string_view up,
                                 const std::vector<OpenedInterface>& interfaces);

/// What of the host is closed to what its containers send and get.
struct Closed {
  std::vector<OpenedInterface> interfaces;  // forwarding is to be switched on there
  std::vector<std::string> advertised;      // interfaces that take router advertisements (IPv6)
  bool host6 = false;                       // IPv6 can be opened for all interfaces only
  bool loopback6 = false;                   // [::1] can be served
};
std::vector<Step> host_plan(const Closed& closed);
/// That part of it which opens what was found later.
std::vector<Step> opening_plan(const Closed& closed);
std::vector<Step> network_plan(const Network& network);
/// What a container has whatever networks it is in: its namespace's name (PID: its process 1),
/// where it is in one, and then the rest.
std::vector<Step> name_plan(const std::string& name, pid_t pid);
std::vector<Step> namespace_plan();
/// NAME: the container's.
std::vector<Step> attachment_plan(const std::string& name, const Network& network,
                                  const Endpoint& endpoint);
/// The first of it: what ENDPOINT may say. Its elements outlive the cable.
PortGuard port_guard(const Endpoint& endpoint);
/// ADDRESSES: the container's, at most one of a family.
std::vector<Step> publish_plan(const std::string& name, const std::vector<Ip>& addresses,
                               const std::vector<PublishedPort>& ports);

/// PORTS of the host's loopback for the container NAME at ADDRESSES.
std::vector<Step> host_ports_plan(const std::string& name, const std::vector<Ip>& addresses,
                                  const std::vector<std::uint16_t>& ports);

/// "mr-" and eight hex digits of the run: new for each run, since the host end of a veth outlives
/// its container by some milliseconds. NUMBER: of the container's networks; from 1 on it has "-1".
std::string veth_name(std::uint32_t run, std::size_t number);

/// 02:42 and the address (the last four bytes of an IPv6 one), as docker does for a container.
Mac mac_of(const Ip& address);
/// The IPv6 address that an interface with MAC gives itself: fe80::/64 and the modified EUI-64 of
/// RFC 4291, appendix A.
Ip link_local(const Mac& mac);
/// Of the bridge of NETWORK.
Mac bridge_mac(const Network& network);

/// `net.ipv4.conf.IFACE.KEY`, with slashes where the interface's name has a dot (sysctl(8)).
std::string interface_sysctl(std::string_view family, std::string_view interface,
                             std::string_view key);

/// As many addresses as a Linux bridge has ports (1023).
inline constexpr unsigned SubnetPrefix = 22;

/// The first subnet of PREFIX bits of the pool that overlaps none of TAKEN. Where all of the pool
/// is covered by wider routes (a VPN that routes everything), the first that lies within such
/// routes only, and touches none that is as narrow as itself or narrower. The pool is
/// 10.210.0.0/16, then 172.30.0.0/16, 192.168.192.0/18, 198.18.0.0/15.
std::optional<Cidr> choose_subnet(unsigned prefix, const std::vector<Cidr>& taken);
/// The same for IPv6: the first /64 of fd6d:696e:6972::/48, unique local addresses (RFC 4193) whose
/// 40 bits of global id say "minir".
std::optional<Cidr> choose_subnet6(const std::vector<Cidr>& taken);

}  // namespace netsetup
