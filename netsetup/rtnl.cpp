// SPDX-License-Identifier: MIT
// Links, addresses and routes by rtnetlink: each function builds one message and sends it.
#include "netsetup/rtnl.h"

#include <arpa/inet.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace netsetup::rtnl {

using netlink::Attributes;
using netlink::Message;
using netlink::Nest;

namespace {

constexpr std::uint16_t CreateNew = NLM_F_CREATE | NLM_F_EXCL;

std::optional<Link> parse_link(const nlmsghdr* header) {
  if (header->nlmsg_type != RTM_NEWLINK) return std::nullopt;
  const auto& info = *static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(header));
  Link link;
  link.index = static_cast<unsigned>(info.ifi_index);
  link.up = (info.ifi_flags & IFF_UP) != 0;
  for (const nlattr* attribute : Attributes(header, sizeof info)) {
    switch (mnl_attr_get_type(attribute)) {
      case IFLA_IFNAME:
        link.name = netlink::value_string(attribute);
        break;
      case IFLA_MASTER:
        link.master = netlink::value_u32(attribute);
        break;
      case IFLA_IFALIAS:
        link.alias = netlink::value_string(attribute);
        break;
      case IFLA_ADDRESS:
        link.mac = mac(attribute).value_or(Mac{});
        break;
      case IFLA_OPERSTATE:
        link.operational = netlink::value_u8(attribute) == IF_OPER_UP;
        break;
      case IFLA_MTU:
        link.mtu = netlink::value_u32(attribute);
        break;
      case IFLA_LINK:
        link.peer = netlink::value_u32(attribute);
        break;
      case IFLA_LINK_NETNSID:
        link.peer_netns = static_cast<int>(netlink::value_u32(attribute));
        break;
      case IFLA_LINKINFO:
        if (const nlattr* kind = Attributes(attribute).find(IFLA_INFO_KIND))
          link.kind = netlink::value_string(kind);
        if (const nlattr* port = Attributes(attribute).find(IFLA_INFO_SLAVE_DATA)) {
          if (const nlattr* mode = Attributes(port).find(IFLA_BRPORT_MODE))
            link.hairpin = netlink::value_u8(mode) != 0;
          if (const nlattr* isolated = Attributes(port).find(IFLA_BRPORT_ISOLATED))
            link.isolated = netlink::value_u8(isolated) != 0;
        }
        break;
      default:
        break;
    }
  }
  return link;
}

std::optional<Family> family_of(int family) {
  if (family == AF_INET) return Family::V4;
  if (family == AF_INET6) return Family::V6;
  return std::nullopt;
}

unsigned char family_number(Family family) { return family == Family::V4 ? AF_INET : AF_INET6; }

std::optional<InterfaceAddress> parse_address(const nlmsghdr* header) {
  if (header->nlmsg_type != RTM_NEWADDR) return std::nullopt;
  const auto& info = *static_cast<const ifaddrmsg*>(mnl_nlmsg_get_payload(header));
  const auto family = family_of(info.ifa_family);
  const nlattr* address = own_address(header);
  if (!family || address == nullptr) return std::nullopt;
  return InterfaceAddress{info.ifa_index,
                          {Ip::of_bytes(*family, netlink::value(address)), info.ifa_prefixlen}};
}

std::optional<Route> parse_route(const nlmsghdr* header) {
  if (header->nlmsg_type != RTM_NEWROUTE) return std::nullopt;
  const auto& info = *static_cast<const rtmsg*>(mnl_nlmsg_get_payload(header));
  const auto family = family_of(info.rtm_family);
  if (!family || info.rtm_type == RTN_LOCAL || info.rtm_type == RTN_BROADCAST ||
      info.rtm_type == RTN_MULTICAST || info.rtm_type == RTN_ANYCAST)
    return std::nullopt;
  Route route{{Ip{*family, {}}, info.rtm_dst_len}};
  const Attributes attributes(header, sizeof info);
  if (const nlattr* address = attributes.find(RTA_DST))
    route.destination.address = Ip::of_bytes(*family, netlink::value(address));
  if (const nlattr* link = attributes.find(RTA_OIF)) route.link = netlink::value_u32(link);
  return route;
}

/// What netdevice(7)'s REQUEST tells about the interface NAME.
std::optional<ifreq> ask_about(const netlink::Socket& socket, const std::string& name,
                               unsigned long request) {
  ifreq about{};
  if (name.size() >= sizeof about.ifr_name) return std::nullopt;
  std::memcpy(about.ifr_name, name.data(), name.size());
  if (::ioctl(socket.fd(), request, &about) < 0) return std::nullopt;
  return about;
}

/// A message about the link INDEX that exists.
Message change_link(unsigned index, unsigned char family = AF_UNSPEC) {
  Message message(RTM_SETLINK, 0);
  auto& info = message.extra_header<ifinfomsg>();
  info.ifi_family = family;
  info.ifi_index = static_cast<int>(index);
  return message;
}

void set_port_flag(netlink::Socket& socket, unsigned index, std::uint16_t flag) {
  Message message = change_link(index, AF_BRIDGE);
  {
    const Nest port(message, IFLA_PROTINFO);
    message.put_u8(flag, 1);
  }
  socket.request(message);
}

}  // namespace

std::optional<Mac> mac(const nlattr* attribute) {
  Mac found;
  const auto bytes = netlink::value(attribute);
  if (bytes.size() != found.bytes.size()) return std::nullopt;
  std::ranges::copy(bytes, found.bytes.begin());
  return found;
}

std::optional<unsigned> find_index(const netlink::Socket& socket, const std::string& name) {
  const auto found = ask_about(socket, name, SIOCGIFINDEX);
  if (!found) return std::nullopt;
  return static_cast<unsigned>(found->ifr_ifindex);
}

std::optional<Mac> find_mac(const netlink::Socket& socket, const std::string& name) {
  const auto found = ask_about(socket, name, SIOCGIFHWADDR);
  if (!found) return std::nullopt;
  Mac mac;
  std::memcpy(mac.bytes.data(), found->ifr_hwaddr.sa_data, mac.bytes.size());
  return mac;
}

std::optional<std::string> find_name(const netlink::Socket& socket, unsigned index) {
  ifreq request{};
  request.ifr_ifindex = static_cast<int>(index);
  if (::ioctl(socket.fd(), SIOCGIFNAME, &request) < 0) return std::nullopt;
  return std::string(request.ifr_name);
}

std::optional<Link> find_link(netlink::Socket& socket, const std::string& name) {
  if (!valid_interface_name(name)) return std::nullopt;
  Message message(RTM_GETLINK, 0);
  message.extra_header<ifinfomsg>();
  message.put_string(IFLA_IFNAME, name);
  std::optional<Link> found;
  const auto answer =
      socket.ask(message, [&](const nlmsghdr* reply) { found = parse_link(reply); });
  if (answer.error == ENODEV) return std::nullopt;
  answer.throw_error();
  return found;
}

std::vector<Link> links(netlink::Socket& socket) {
  Message message(RTM_GETLINK, 0);
  message.extra_header<ifinfomsg>();
  return socket.dump<Link>(message, parse_link);
}

std::optional<int> namespace_id(netlink::Socket& socket, int netns) {
  Message message(RTM_GETNSID, 0);
  message.extra_header<rtgenmsg>();
  message.put_u32(NETNSA_FD, static_cast<std::uint32_t>(netns));
  int id = NETNSA_NSID_NOT_ASSIGNED;
  socket
      .ask(message,
           [&](const nlmsghdr* reply) {
             const nlattr* found = Attributes(reply, sizeof(rtgenmsg)).find(NETNSA_NSID);
             if (found != nullptr) id = static_cast<int>(netlink::value_u32(found));
           })
      .throw_error();
  return id == NETNSA_NSID_NOT_ASSIGNED ? std::nullopt : std::optional(id);
}

void create_bridge(netlink::Socket& socket, const std::string& name, const Mac& mac, unsigned mtu) {
  Message message(RTM_NEWLINK, CreateNew);
  message.extra_header<ifinfomsg>();
  message.put_string(IFLA_IFNAME, name);
  message.put_bytes(IFLA_ADDRESS, mac.bytes);
  message.put_u32(IFLA_MTU, mtu);
  {
    const Nest info(message, IFLA_LINKINFO);
    message.put_string(IFLA_INFO_KIND, "bridge");
  }
  socket.request(message);
}

void create_veth(netlink::Socket& socket, const VethEnd& host, const VethEnd& peer, unsigned mtu,
                 unsigned bridge_index, int netns) {
  Message message(RTM_NEWLINK, CreateNew);
  auto& info = message.extra_header<ifinfomsg>();
  info.ifi_flags = IFF_UP;
  info.ifi_change = IFF_UP;
  message.put_string(IFLA_IFNAME, host.name);
  message.put_bytes(IFLA_ADDRESS, host.mac.bytes);
  message.put_u32(IFLA_MTU, mtu);
  message.put_u32(IFLA_MASTER, bridge_index);
  {
    const Nest link_info(message, IFLA_LINKINFO);
    message.put_string(IFLA_INFO_KIND, "veth");
    const Nest data(message, IFLA_INFO_DATA);
    Nest peer_info(message, VETH_INFO_PEER);
    peer_info.put_header(sizeof(ifinfomsg));
    message.put_string(IFLA_IFNAME, peer.name);
    message.put_bytes(IFLA_ADDRESS, peer.mac.bytes);
    message.put_u32(IFLA_MTU, mtu);
    message.put_u32(IFLA_NET_NS_FD, static_cast<std::uint32_t>(netns));
  }
  socket.request(message);
}

void set_master(netlink::Socket& socket, unsigned index, unsigned bridge_index) {
  Message message = change_link(index);
  message.put_u32(IFLA_MASTER, bridge_index);
  socket.request(message);
}

void set_alias(netlink::Socket& socket, unsigned index, const std::string& text) {
  Message message = change_link(index);
  message.put_string(IFLA_IFALIAS, text);
  socket.request(message);
}

void set_hairpin(netlink::Socket& socket, unsigned index) {
  set_port_flag(socket, index, IFLA_BRPORT_MODE);
}

void set_isolated(netlink::Socket& socket, unsigned index) {
  set_port_flag(socket, index, IFLA_BRPORT_ISOLATED);
}

void set_up(netlink::Socket& socket, unsigned index) {
  Message message(RTM_SETLINK, 0);
  auto& info = message.extra_header<ifinfomsg>();
  info.ifi_index = static_cast<int>(index);
  info.ifi_flags = IFF_UP;
  info.ifi_change = IFF_UP;
  socket.request(message);
}

void delete_link(netlink::Socket& socket, unsigned index) {
  Message message(RTM_DELLINK, 0);
  message.extra_header<ifinfomsg>().ifi_index = static_cast<int>(index);
  socket.request(message);
}

void add_address(netlink::Socket& socket, unsigned index, const Cidr& cidr) {
  Message message(RTM_NEWADDR, CreateNew);
  auto& info = message.extra_header<ifaddrmsg>();
  info.ifa_family = family_number(cidr.address.family);
  info.ifa_prefixlen = static_cast<std::uint8_t>(cidr.prefix);
  info.ifa_index = index;
  if (cidr.address.family == Family::V6) info.ifa_flags = IFA_F_NODAD;
  message.put_bytes(IFA_LOCAL, cidr.address.wire());
  message.put_bytes(IFA_ADDRESS, cidr.address.wire());
  socket.request(message);
}

void add_default_route(netlink::Socket& socket, unsigned index, const Ip& gateway) {
  Message message(RTM_NEWROUTE, CreateNew);
  auto& info = message.extra_header<rtmsg>();
  info.rtm_family = family_number(gateway.family);
  info.rtm_table = RT_TABLE_MAIN;
  info.rtm_protocol = RTPROT_BOOT;  // as ip(8) marks what it adds
  info.rtm_scope = RT_SCOPE_UNIVERSE;
  info.rtm_type = RTN_UNICAST;
  message.put_bytes(RTA_GATEWAY, gateway.wire());
  message.put_u32(RTA_OIF, index);
  socket.request(message);
}

void add_loopback_route(netlink::Socket& socket, unsigned index, std::uint32_t metric) {
  Message message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE);
  auto& info = message.extra_header<rtmsg>();
  const Ip loopback = Ip{Family::V6, {}}.plus(1);
  info.rtm_family = AF_INET6;
  info.rtm_dst_len = 128;
  info.rtm_table = RT_TABLE_LOCAL;
  info.rtm_protocol = RTPROT_BOOT;
  info.rtm_scope = RT_SCOPE_UNIVERSE;
  info.rtm_type = RTN_LOCAL;
  message.put_bytes(RTA_DST, loopback.wire());
  message.put_u32(RTA_OIF, index);
  message.put_u32(RTA_PRIORITY, metric);
  socket.request(message);
}

const nlattr* own_address(const nlmsghdr* header) {
  const Attributes attributes(header, sizeof(ifaddrmsg));
  const nlattr* local = attributes.find(IFA_LOCAL);
  return local != nullptr ? local : attributes.find(IFA_ADDRESS);
}

std::vector<InterfaceAddress> addresses(netlink::Socket& socket) {
  Message message(RTM_GETADDR, 0);
  message.extra_header<ifaddrmsg>().ifa_family = AF_UNSPEC;
  return socket.dump<InterfaceAddress>(message, parse_address);
}

std::vector<Route> routes(netlink::Socket& socket) {
  std::vector<Route> all;
  for (const int family : {AF_INET, AF_INET6}) {
    Message message(RTM_GETROUTE, 0);
    message.extra_header<rtmsg>().rtm_family = static_cast<unsigned char>(family);
    const auto some = socket.dump<Route>(message, parse_route);
    all.insert(all.end(), some.begin(), some.end());
  }
  return all;
}

std::vector<Cidr> route_destinations(netlink::Socket& socket) {
  std::vector<Cidr> destinations;
  for (const auto& route : routes(socket)) destinations.push_back(route.destination);
  return destinations;
}

Lookup look_up(netlink::Socket& socket, const Ip& to, const Ip& from, unsigned in) {
  Message message(RTM_GETROUTE, 0);
  auto& info = message.extra_header<rtmsg>();
  info.rtm_family = family_number(to.family);
  info.rtm_dst_len = static_cast<unsigned char>(to.bits());
  info.rtm_src_len = static_cast<unsigned char>(in == 0 ? 0 : from.bits());
  info.rtm_flags = RTM_F_FIB_MATCH;
  message.put_bytes(RTA_DST, to.wire());
  if (in != 0) {
    message.put_bytes(RTA_SRC, from.wire());
    message.put_u32(RTA_IIF, in);
  }
  Lookup found{0, false, {Ip{to.family, {}}, 0}, {}, 0};
  const auto answer = socket.ask(message, [&](const nlmsghdr* reply) {
    const auto& route = *static_cast<const rtmsg*>(mnl_nlmsg_get_payload(reply));
    const Attributes attributes(reply, sizeof route);
    found.local = route.rtm_type == RTN_LOCAL;
    found.destination.prefix = route.rtm_dst_len;
    if (const nlattr* address = attributes.find(RTA_DST))
      found.destination.address = Ip::of_bytes(to.family, netlink::value(address));
    if (const nlattr* gateway = attributes.find(RTA_GATEWAY))
      found.gateway = Ip::of_bytes(to.family, netlink::value(gateway));
    if (const nlattr* link = attributes.find(RTA_OIF)) found.link = netlink::value_u32(link);
  });
  found.error = answer.error;
  return found;
}

std::optional<unsigned> way_out_mtu(netlink::Socket& socket) {
  std::optional<unsigned> least;
  for (const auto& route : routes(socket)) {
    if (route.destination.prefix != 0 || route.link == 0) continue;
    const auto name = find_name(socket, route.link);
    const auto link = name ? find_link(socket, *name) : std::nullopt;
    if (link && (!least || link->mtu < *least)) least = link->mtu;
  }
  return least;
}

}  // namespace netsetup::rtnl
