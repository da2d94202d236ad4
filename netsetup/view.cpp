// SPDX-License-Identifier: MIT
// A namespace by four listings of rtnetlink(7): links, addresses, routes, neighbours.
//
// Each listing asks for AF_UNSPEC, which is every family at once: that is one question instead of
// two, and no error from a kernel without IPv6 or a namespace whose IPv4 table is not made yet.
// Families other than IPv4 and IPv6 (MPLS, multicast routing) are left out here.
#include "netsetup/view.h"

#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "base/text.h"

namespace netsetup {

using netlink::Attributes;
using netlink::Message;

namespace {

using Links = std::vector<rtnl::Link>;
using Bytes = std::span<const std::uint8_t>;

bool is_ip(int family) { return family == AF_INET || family == AF_INET6; }

/// The address in BYTES, whose number tells the family.
std::optional<std::string> address_text(Bytes bytes) {
  if (bytes.size() != sizeof(in_addr) && bytes.size() != sizeof(in6_addr)) return std::nullopt;
  const int family = bytes.size() == sizeof(in_addr) ? AF_INET : AF_INET6;
  std::array<char, INET6_ADDRSTRLEN> text;
  return ::inet_ntop(family, bytes.data(), text.data(), text.size());
}

std::optional<std::string> address_text(const nlattr* attribute) {
  if (attribute == nullptr) return std::nullopt;
  return address_text(netlink::value(attribute));
}

/// The name of the link INDEX; "if7" (as ip(8) says) where it came after LINKS were listed.
std::string name_of(unsigned index, const Links& links) {
  const auto link = std::ranges::find(links, index, &rtnl::Link::index);
  return link != links.end() ? link->name : base::cat("if", index);
}

// ---------------------------------------------------------------------------------- Addresses

std::optional<NamespaceView::Address> parse_address(const nlmsghdr* header, const Links& links) {
  if (header->nlmsg_type != RTM_NEWADDR) return std::nullopt;
  const auto& info = *static_cast<const ifaddrmsg*>(mnl_nlmsg_get_payload(header));
  const auto address = address_text(rtnl::own_address(header));
  if (!is_ip(info.ifa_family) || !address) return std::nullopt;
  return NamespaceView::Address{name_of(info.ifa_index, links),
                                base::cat(*address, '/', info.ifa_prefixlen)};
}

// ------------------------------------------------------------------------------------- Routes

std::string_view route_type(unsigned type) {
  constexpr auto Names = std::to_array<std::string_view>(
      {"none", "unicast", "local", "broadcast", "anycast", "multicast", "blackhole", "unreachable",
       "prohibit", "throw", "nat", "xresolve"});  // RTN_UNSPEC and on
  return type < Names.size() ? Names[type] : "unknown";
}

/// The gateway that ATTRIBUTES (a route's own, or those of one hop) name; RTA_VIA is one of the
/// other family, an IPv6 router of an IPv4 route: a family of two bytes, then the address.
std::optional<std::string> gateway(const Attributes& attributes) {
  if (const nlattr* via = attributes.find(RTA_VIA)) {
    const Bytes value = netlink::value(via);
    return address_text(value.subspan(std::min(value.size(), sizeof(rtvia::rtvia_family))));
  }
  return address_text(attributes.find(RTA_GATEWAY));
}

/// Nothing where the answer lacks the address.
std::optional<std::string> destination(const rtmsg& info, const nlattr* address) {
  if (info.rtm_dst_len == 0) return "default";
  auto text = address_text(address);
  const unsigned single_host = info.rtm_family == AF_INET ? 32 : 128;
  if (!text || info.rtm_dst_len == single_host) return text;
  return base::cat(*text, '/', info.rtm_dst_len);
}

/// ROUTE once for each of HOPS, the value of RTA_MULTIPATH: a row of rtnexthop, each with its
/// length, a device and attributes.
std::vector<NamespaceView::Route> by_hop(const NamespaceView::Route& route, Bytes hops,
                                         const Links& links) {
  std::vector<NamespaceView::Route> routes;
  while (hops.size() >= sizeof(rtnexthop)) {
    const auto& hop = *reinterpret_cast<const rtnexthop*>(hops.data());
    if (hop.rtnh_len < sizeof hop || hop.rtnh_len > hops.size()) break;
    const Attributes attributes(hops.first(hop.rtnh_len).subspan(sizeof hop));
    routes.push_back(route);
    routes.back().gateway = gateway(attributes);
    routes.back().device = name_of(static_cast<unsigned>(hop.rtnh_ifindex), links);
    hops = hops.subspan(std::min<std::size_t>(RTNH_ALIGN(hop.rtnh_len), hops.size()));
  }
  return routes;
}

std::optional<std::vector<NamespaceView::Route>> parse_route(const nlmsghdr* header,
                                                             const Links& links) {
  if (header->nlmsg_type != RTM_NEWROUTE) return std::nullopt;
  const auto& info = *static_cast<const rtmsg*>(mnl_nlmsg_get_payload(header));
  if (!is_ip(info.rtm_family) || info.rtm_table != RT_TABLE_MAIN) return std::nullopt;
  const Attributes attributes(header, sizeof info);
  const auto to = destination(info, attributes.find(RTA_DST));
  if (!to) return std::nullopt;
  NamespaceView::Route route;
  route.ipv6 = info.rtm_family == AF_INET6;
  route.type = route_type(info.rtm_type);
  route.destination = *to;
  route.source = address_text(attributes.find(RTA_PREFSRC));
  if (const nlattr* hops = attributes.find(RTA_MULTIPATH))
    return by_hop(route, netlink::value(hops), links);
  route.gateway = gateway(attributes);
  if (const nlattr* device = attributes.find(RTA_OIF))
    route.device = name_of(netlink::value_u32(device), links);
  return std::vector{route};
}

// --------------------------------------------------------------------------------- Neighbours

/// The word for STATE, of which the kernel sets one bit; nothing for those that are left out.
std::optional<std::string_view> neighbour_state(unsigned state) {
  constexpr std::pair<unsigned, std::string_view> Words[] = {
      {NUD_INCOMPLETE, "INCOMPLETE"}, {NUD_REACHABLE, "REACHABLE"}, {NUD_STALE, "STALE"},
      {NUD_DELAY, "DELAY"},           {NUD_PROBE, "PROBE"},         {NUD_FAILED, "FAILED"},
      {NUD_PERMANENT, "PERMANENT"}};
  for (const auto& [bit, word] : Words)
    if (state == bit) return word;
  return std::nullopt;
}

std::optional<NamespaceView::Neighbour> parse_neighbour(const nlmsghdr* header,
                                                        const Links& links) {
  if (header->nlmsg_type != RTM_NEWNEIGH) return std::nullopt;
  const auto& info = *static_cast<const ndmsg*>(mnl_nlmsg_get_payload(header));
  const Attributes attributes(header, sizeof info);
  const auto address = address_text(attributes.find(NDA_DST));
  const auto state = neighbour_state(info.ndm_state);
  if (!is_ip(info.ndm_family) || !address || !state) return std::nullopt;
  const auto device = name_of(static_cast<unsigned>(info.ndm_ifindex), links);
  NamespaceView::Neighbour neighbour{device, *address, std::nullopt, *state};
  if (const nlattr* mac = attributes.find(NDA_LLADDR)) neighbour.mac = rtnl::mac(mac);
  return neighbour;
}

/// What PARSE(answer, LINKS) makes of each answer to the request TYPE, whose header is HEADER.
template <class Header, class Item>
std::vector<Item> list(netlink::Socket& socket, std::uint16_t type, const Links& links,
                       std::optional<Item> (*parse)(const nlmsghdr*, const Links&)) {
  Message message(type, 0);
  message.extra_header<Header>();  // zero: AF_UNSPEC, no filter
  return socket.dump<Item>(message, [&](const nlmsghdr* answer) { return parse(answer, links); });
}

}  // namespace

NamespaceView view_namespace() {
  netlink::Socket socket(NETLINK_ROUTE);
  NamespaceView view;
  view.links = rtnl::links(socket);
  view.addresses = list<ifaddrmsg>(socket, RTM_GETADDR, view.links, parse_address);
  for (auto& hops : list<rtmsg>(socket, RTM_GETROUTE, view.links, parse_route))
    std::ranges::move(hops, std::back_inserter(view.routes));
  view.neighbours = list<ndmsg>(socket, RTM_GETNEIGH, view.links, parse_neighbour);
  return view;
}

}  // namespace netsetup
