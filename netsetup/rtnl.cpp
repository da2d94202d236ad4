// SPDX-License-Identifier: MIT
// Links, addresses and routes by rtnetlink: each function builds one message and sends it.
#include "netsetup/rtnl.h"

#include <arpa/inet.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
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
        if (const nlattr* port = Attributes(attribute).find(IFLA_INFO_SLAVE_DATA))
          if (const nlattr* mode = Attributes(port).find(IFLA_BRPORT_MODE))
            link.hairpin = netlink::value_u8(mode) != 0;
        break;
      default:
        break;
    }
  }
  return link;
}

std::optional<InterfaceAddress> parse_address(const nlmsghdr* header) {
  if (header->nlmsg_type != RTM_NEWADDR) return std::nullopt;
  const auto& info = *static_cast<const ifaddrmsg*>(mnl_nlmsg_get_payload(header));
  if (info.ifa_family != AF_INET) return std::nullopt;
  InterfaceAddress found;
  found.index = info.ifa_index;
  found.cidr.prefix = info.ifa_prefixlen;
  const nlattr* address = own_address(header);
  if (address == nullptr) return std::nullopt;
  found.cidr.address.value = netlink::value_be32(address);
  return found;
}

std::optional<Cidr> parse_destination(const nlmsghdr* header) {
  if (header->nlmsg_type != RTM_NEWROUTE) return std::nullopt;
  const auto& info = *static_cast<const rtmsg*>(mnl_nlmsg_get_payload(header));
  if (info.rtm_family != AF_INET || info.rtm_type == RTN_LOCAL || info.rtm_type == RTN_BROADCAST)
    return std::nullopt;
  Cidr destination{{}, info.rtm_dst_len};
  if (const nlattr* address = Attributes(header, sizeof info).find(RTA_DST))
    destination.address.value = netlink::value_be32(address);
  return destination;
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

void create_bridge(netlink::Socket& socket, const std::string& name, const Mac& mac) {
  Message message(RTM_NEWLINK, CreateNew);
  message.extra_header<ifinfomsg>();
  message.put_string(IFLA_IFNAME, name);
  message.put_bytes(IFLA_ADDRESS, mac.bytes);
  {
    const Nest info(message, IFLA_LINKINFO);
    message.put_string(IFLA_INFO_KIND, "bridge");
  }
  socket.request(message);
}

void create_veth(netlink::Socket& socket, const std::string& name, const Mac& mac,
                 unsigned bridge_index, const std::string& peer, const Mac& peer_mac, int netns) {
  Message message(RTM_NEWLINK, CreateNew);
  auto& info = message.extra_header<ifinfomsg>();
  info.ifi_flags = IFF_UP;
  info.ifi_change = IFF_UP;
  message.put_string(IFLA_IFNAME, name);
  message.put_bytes(IFLA_ADDRESS, mac.bytes);
  message.put_u32(IFLA_MASTER, bridge_index);
  {
    const Nest link_info(message, IFLA_LINKINFO);
    message.put_string(IFLA_INFO_KIND, "veth");
    const Nest data(message, IFLA_INFO_DATA);
    Nest peer_info(message, VETH_INFO_PEER);
    peer_info.put_header(sizeof(ifinfomsg));
    message.put_string(IFLA_IFNAME, peer);
    message.put_bytes(IFLA_ADDRESS, peer_mac.bytes);
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
  Message message = change_link(index, AF_BRIDGE);
  {
    const Nest port(message, IFLA_PROTINFO);
    message.put_u8(IFLA_BRPORT_MODE, 1);
  }
  socket.request(message);
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
  info.ifa_family = AF_INET;
  info.ifa_prefixlen = static_cast<std::uint8_t>(cidr.prefix);
  info.ifa_index = index;
  message.put_be32(IFA_LOCAL, cidr.address.value);
  message.put_be32(IFA_ADDRESS, cidr.address.value);
  socket.request(message);
}

void add_default_route(netlink::Socket& socket, unsigned index, Ipv4 gateway) {
  Message message(RTM_NEWROUTE, CreateNew);
  auto& info = message.extra_header<rtmsg>();
  info.rtm_family = AF_INET;
  info.rtm_table = RT_TABLE_MAIN;
  info.rtm_protocol = RTPROT_BOOT;  // as ip(8) marks what it adds
  info.rtm_scope = RT_SCOPE_UNIVERSE;
  info.rtm_type = RTN_UNICAST;
  message.put_be32(RTA_GATEWAY, gateway.value);
  message.put_u32(RTA_OIF, index);
  socket.request(message);
}

const nlattr* own_address(const nlmsghdr* header) {
  const Attributes attributes(header, sizeof(ifaddrmsg));
  const nlattr* local = attributes.find(IFA_LOCAL);
  return local != nullptr ? local : attributes.find(IFA_ADDRESS);
}

std::vector<InterfaceAddress> addresses(netlink::Socket& socket) {
  Message message(RTM_GETADDR, 0);
  message.extra_header<ifaddrmsg>().ifa_family = AF_INET;
  return socket.dump<InterfaceAddress>(message, parse_address);
}

std::vector<Cidr> route_destinations(netlink::Socket& socket) {
  Message message(RTM_GETROUTE, 0);
  message.extra_header<rtmsg>().rtm_family = AF_INET;
  return socket.dump<Cidr>(message, parse_destination);
}

}  // namespace netsetup::rtnl
