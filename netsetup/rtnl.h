// SPDX-License-Identifier: MIT
// Links, addresses and routes: one function is one rtnetlink message (rtnetlink(7)), named with
// the ip(8) command that says the same. Functions that change throw Error, whose text leaves out
// what was tried (the caller knows the step); find_* return nothing where there is nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "netsetup/address.h"
#include "netsetup/netlink.h"

namespace netsetup::rtnl {

struct Link {
  unsigned index = 0;
  std::string name;
  std::string kind;  // "bridge", "veth", "" for a device without one
  Mac mac;
  unsigned master = 0;  // index of the bridge it is a port of, 0: none
  bool up = false;
  bool operational = false;  // packets pass (RFC 2863: ifOperStatus up)
  std::string alias;
  unsigned mtu = 0;
  unsigned peer = 0;  // index of a veth's other end, of a VLAN's device, 0: none (IFLA_LINK)
  // Where the peer is: nothing: in this namespace; else the other namespace's id in this one, as
  // `ip netns list-id` lists it (-1: has none).
  std::optional<int> peer_netns;
  bool hairpin = false;   // of a bridge's port
  bool isolated = false;  // as a bridge's port, too
};

/// The Ethernet address in ATTRIBUTE; nothing where it is one of another size (a tunnel's).
std::optional<Mac> mac(const nlattr* attribute);

/// The index of NAME in SOCKET's namespace: netdevice(7), SIOCGIFINDEX, a tenth of the cost of a
/// link's whole description.
std::optional<unsigned> find_index(const netlink::Socket& socket, const std::string& name);
/// Its Ethernet address, as cheaply: SIOCGIFHWADDR. Nothing where there is no such interface.
std::optional<Mac> find_mac(const netlink::Socket& socket, const std::string& name);
/// The reverse: SIOCGIFNAME.
std::optional<std::string> find_name(const netlink::Socket& socket, unsigned index);
std::optional<Link> find_link(netlink::Socket& socket, const std::string& name);
std::vector<Link> links(netlink::Socket& socket);

/// The id by which SOCKET's namespace knows the network namespace NETNS (a descriptor), see
/// Link::peer_netns; nothing where it has none. `ip netns list-id`, RTM_GETNSID.
std::optional<int> namespace_id(netlink::Socket& socket, int netns);

// ip link add NAME address MAC mtu MTU type bridge
void create_bridge(netlink::Socket& socket, const std::string& name, const Mac& mac, unsigned mtu);
/// One end of a veth pair.
struct VethEnd {
  std::string name;
  Mac mac;
};
// ip link add NAME address MAC mtu MTU master BRIDGE up type veth
//   peer name PEER address PEER_MAC mtu MTU netns FD
// The peer is born in the namespace NETNS (a descriptor); IFF_UP on the peer is not possible here.
void create_veth(netlink::Socket& socket, const VethEnd& host, const VethEnd& peer, unsigned mtu,
                 unsigned bridge_index, int netns);
// ip link set NAME master BRIDGE
void set_master(netlink::Socket& socket, unsigned index, unsigned bridge_index);
// ip link set NAME alias TEXT
void set_alias(netlink::Socket& socket, unsigned index, const std::string& text);
// bridge link set dev NAME hairpin on
void set_hairpin(netlink::Socket& socket, unsigned index);
// bridge link set dev NAME isolated on
void set_isolated(netlink::Socket& socket, unsigned index);
// ip link set NAME up
void set_up(netlink::Socket& socket, unsigned index);
// ip link delete NAME
void delete_link(netlink::Socket& socket, unsigned index);
// ip addr add CIDR dev NAME [nodad: IPv6 would else be unusable for its first seconds]
void add_address(netlink::Socket& socket, unsigned index, const Cidr& cidr);
// ip route add default via GATEWAY dev NAME
void add_default_route(netlink::Socket& socket, unsigned index, const Ip& gateway);
// ip -6 route replace local ::1/128 dev NAME table local metric METRIC
void add_loopback_route(netlink::Socket& socket, unsigned index, std::uint32_t metric);

struct InterfaceAddress {
  unsigned index = 0;
  Cidr cidr;
  bool operator==(const InterfaceAddress&) const = default;
};
/// Of an answer about an address (RTM_NEWADDR) the attribute with the address of this end, IPv4 or
/// IPv6: IFA_ADDRESS is the other end's on a point-to-point link. nullptr where there is none.
const nlattr* own_address(const nlmsghdr* header);
/// Every address of the namespace.
std::vector<InterfaceAddress> addresses(netlink::Socket& socket);

struct Route {
  Cidr destination;
  unsigned link = 0;  // index, 0: none, or several
};
/// Every route in every table, except the tables' broadcast, multicast and local entries.
std::vector<Route> routes(netlink::Socket& socket);
/// Their destinations. The default route is 0.0.0.0/0, or ::/0.
std::vector<Cidr> route_destinations(netlink::Socket& socket);

/// What becomes of a packet by the routes.
struct Lookup {
  int error = 0;              // errno, where there is no way
  bool local = false;         // it is for this host itself
  Cidr destination;           // of the route; 0.0.0.0/0, ::/0: the default route
  std::optional<Ip> gateway;  // nothing: the destination is on the link itself
  unsigned link = 0;
};
/// ip route get fibmatch TO from FROM iif INTERFACE, where IN is that interface's index;
/// ip route get fibmatch TO, where IN is 0: for what the host sends
Lookup look_up(netlink::Socket& socket, const Ip& to, const Ip& from, unsigned in);

/// The MTU, in bytes, of the narrowest link that a default route leaves by; nothing where there is
/// no default route.
std::optional<unsigned> way_out_mtu(netlink::Socket& socket);

}  // namespace netsetup::rtnl
