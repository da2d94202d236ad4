// SPDX-License-Identifier: MIT
// Connections forgotten: conntrack's entries deleted by what they have in common.
//
// Theory of operation. Destination NAT looks at the first packet of a connection only; from then
// on conntrack's entry decides. UDP has no end, so an entry lives on as long as somebody sends: a
// client that talked to a port before it was published would never be translated, and one that
// talked to a container that has ended would talk into the void, or to the next container with that
// address. An entry has two tuples: `original`, as its first packet came in, and `reply`, as an
// answer comes in; where they do not mirror each other there is NAT.
//
// First one asks whether there are any entries at all (8 us; a fresh host has none). Since Linux
// 6.11 the kernel deletes by a pattern itself (CTA_FILTER, 0.4 ms with its default hash table).
// Older ones take a pattern for a tuple, miss half of it and say EINVAL: then all entries are
// listed, which takes 20 ms, and those that match are deleted one by one. So are those of IPv6
// always: there the kernel takes an address that differs for one that is the same (6.18,
// ctnetlink_filter_match_tuple() of nf_conntrack_netlink.c), and would delete all others.
#include "netsetup/conntrack.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "netsetup/netlink.h"
#include "netsetup/rtnl.h"

namespace netsetup::conntrack {

using netlink::Attributes;
using netlink::Message;
using netlink::Nest;

namespace {

// What of a tuple CTA_FILTER compares: CTA_FILTER_FLAG(...) of net/netfilter/nf_internals.h.
constexpr std::uint32_t FilterSource = 1U << 0U;
constexpr std::uint32_t FilterDestination = 1U << 1U;
constexpr std::uint32_t FilterProtocol = 1U << 3U;
constexpr std::uint32_t FilterDestinationPort = 1U << 5U;

// With more addresses times ports than this, one listing is cheaper than a walk for each.
constexpr std::size_t ManyPatterns = 32;

/// What of an entry decides, and what names it in a delete.
struct Entry {
  std::uint8_t family = AF_UNSPEC;
  Tuple original, reply;
  netlink::Bytes original_bytes;  // CTA_TUPLE_ORIG as the kernel wrote it
  std::optional<netlink::Bytes> zone, id;
};

Message conntrack_message(int type, std::uint8_t family = AF_UNSPEC) {
  Message message(static_cast<std::uint16_t>(NFNL_SUBSYS_CTNETLINK << 8 | type), 0);
  message.extra_header<nfgenmsg>().nfgen_family = family;
  return message;
}

Message deletion(const Ip& address) {
  return conntrack_message(IPCTNL_MSG_CT_DELETE, address.family == Family::V4 ? AF_INET : AF_INET6);
}

enum class End : std::uint8_t { Source, Destination };

std::uint16_t attribute(Family family, End end) {
  if (family == Family::V4) return end == End::Source ? CTA_IP_V4_SRC : CTA_IP_V4_DST;
  return end == End::Source ? CTA_IP_V6_SRC : CTA_IP_V6_DST;
}

Tuple parse_tuple(const nlattr* nest) {
  Tuple tuple;
  const Attributes parts(nest);
  if (const nlattr* address = parts.find(CTA_TUPLE_IP)) {
    const Attributes addresses(address);
    for (const Family family : {Family::V4, Family::V6}) {
      if (const nlattr* source = addresses.find(attribute(family, End::Source)))
        tuple.source = Ip::of_bytes(family, netlink::value(source));
      if (const nlattr* destination = addresses.find(attribute(family, End::Destination)))
        tuple.destination = Ip::of_bytes(family, netlink::value(destination));
    }
  }
  if (const nlattr* protocol = parts.find(CTA_TUPLE_PROTO)) {
    const Attributes numbers(protocol);
    if (const nlattr* number = numbers.find(CTA_PROTO_NUM))
      tuple.protocol = netlink::value_u8(number);
    if (const nlattr* port = numbers.find(CTA_PROTO_SRC_PORT))
      tuple.source_port = netlink::value_be16(port);
    if (const nlattr* port = numbers.find(CTA_PROTO_DST_PORT))
      tuple.destination_port = netlink::value_be16(port);
    for (const auto identifier : {CTA_PROTO_ICMP_ID, CTA_PROTO_ICMPV6_ID})
      if (const nlattr* echo = numbers.find(static_cast<std::uint16_t>(identifier)))
        tuple.source_port = tuple.destination_port = netlink::value_be16(echo);
  }
  return tuple;
}

Entry parse_entry(const nlmsghdr* header) {
  Entry entry;
  entry.family = static_cast<const nfgenmsg*>(mnl_nlmsg_get_payload(header))->nfgen_family;
  const auto copy = [](const nlattr* attribute) {
    const auto bytes = netlink::value(attribute);
    return netlink::Bytes(bytes.begin(), bytes.end());
  };
  for (const nlattr* attribute : Attributes(header, sizeof(nfgenmsg))) {
    switch (mnl_attr_get_type(attribute)) {
      case CTA_TUPLE_ORIG:
        entry.original = parse_tuple(attribute);
        entry.original_bytes = copy(attribute);
        break;
      case CTA_TUPLE_REPLY:
        entry.reply = parse_tuple(attribute);
        break;
      case CTA_ZONE:
        entry.zone = copy(attribute);
        break;
      case CTA_ID:
        entry.id = copy(attribute);
        break;
      default:
        break;
    }
  }
  return entry;
}

/// Whether this namespace has any entry. A kernel without ctnetlink knows no such request: then
/// there is nothing that we could delete.
bool any_entry(netlink::Socket& socket) {
  Message message = conntrack_message(IPCTNL_MSG_CT_GET_STATS);
  std::uint32_t entries = 0;
  const auto answer = socket.ask(message, [&](const nlmsghdr* reply) {
    if (const auto* count = Attributes(reply, sizeof(nfgenmsg)).find(CTA_STATS_GLOBAL_ENTRIES))
      entries = netlink::value_be32(count);
  });
  if (answer.error == EINVAL || answer.error == EOPNOTSUPP) return false;
  answer.throw_error();
  return entries != 0;
}

/// Deletes all entries that match PATTERN, which has a tuple and a CTA_FILTER. False where this
/// kernel cannot.
bool forget_pattern(netlink::Socket& socket, Message pattern) {
  const auto answer = socket.ask(pattern);
  if (answer.error == EINVAL || answer.error == EOPNOTSUPP) return false;
  if (answer.error != ENOENT) answer.throw_error();
  return true;
}

void put_filter(Message& message, std::uint32_t original, std::uint32_t reply) {
  const Nest filter(message, CTA_FILTER);
  message.put_u32(CTA_FILTER_ORIG_FLAGS, original);
  message.put_u32(CTA_FILTER_REPLY_FLAGS, reply);
}

Message source_pattern(std::uint16_t tuple, const Ip& address) {
  Message message = deletion(address);
  {
    const Nest nest(message, tuple);
    const Nest addresses(message, CTA_TUPLE_IP);
    message.put_bytes(attribute(address.family, End::Source), address.wire());
  }
  const bool original = tuple == CTA_TUPLE_ORIG;
  put_filter(message, original ? FilterSource : 0, original ? 0 : FilterSource);
  return message;
}

Message udp_pattern(const Ip& destination, std::uint16_t port) {
  Message message = deletion(destination);
  {
    const Nest tuple(message, CTA_TUPLE_ORIG);
    {
      const Nest addresses(message, CTA_TUPLE_IP);
      message.put_bytes(attribute(destination.family, End::Destination), destination.wire());
    }
    const Nest protocol(message, CTA_TUPLE_PROTO);
    message.put_u8(CTA_PROTO_NUM, IPPROTO_UDP);
    message.put_be16(CTA_PROTO_DST_PORT, port);
  }
  put_filter(message, FilterDestination | FilterProtocol | FilterDestinationPort, 0);
  return message;
}

/// Deletes, one by one, the entries of FAMILY that CONDITION holds for.
template <class Condition>
void forget_each(netlink::Socket& socket, Family family, const Condition& condition) {
  Message listing = conntrack_message(IPCTNL_MSG_CT_GET, family == Family::V4 ? AF_INET : AF_INET6);
  const auto entries =
      socket.dump<Entry>(listing, [&](const nlmsghdr* header) -> std::optional<Entry> {
        Entry entry = parse_entry(header);
        if (!condition(entry)) return std::nullopt;
        return entry;
      });
  for (const Entry& entry : entries) {
    Message message = conntrack_message(IPCTNL_MSG_CT_DELETE, entry.family);
    message.put_bytes(NLA_F_NESTED | CTA_TUPLE_ORIG, entry.original_bytes);
    if (entry.zone) message.put_bytes(CTA_ZONE, *entry.zone);
    if (entry.id) message.put_bytes(CTA_ID, *entry.id);  // this one, not a successor of its tuple
    const auto answer = socket.ask(message);
    if (answer.error != ENOENT) answer.throw_error();
  }
}

}  // namespace

Connection parse_connection(const nlmsghdr* header) {
  const Entry entry = parse_entry(header);
  return {entry.original, entry.reply};
}

std::vector<Connection> connections() {
  netlink::Socket socket(NETLINK_NETFILTER);
  if (!any_entry(socket)) return {};
  Message listing = conntrack_message(IPCTNL_MSG_CT_GET);
  return socket.dump<Connection>(listing, [](const nlmsghdr* header) -> std::optional<Connection> {
    return parse_connection(header);
  });
}

void forget_address(const Ip& address) {
  netlink::Socket socket(NETLINK_NETFILTER);
  if (!any_entry(socket)) return;
  if (address.family == Family::V4 &&
      forget_pattern(socket, source_pattern(CTA_TUPLE_ORIG, address)) &&
      forget_pattern(socket, source_pattern(CTA_TUPLE_REPLY, address)))
    return;
  forget_each(socket, address.family, [&](const Entry& entry) {
    return entry.original.source == address || entry.reply.source == address;
  });
}

void forget_udp_ports(const std::vector<PortRange>& ranges) {
  netlink::Socket socket(NETLINK_NETFILTER);
  if (ranges.empty() || !any_entry(socket)) return;
  std::size_t ports = 0;
  for (const auto& range : ranges) ports += range.size();
  netlink::Socket route(NETLINK_ROUTE);
  std::vector<Ip> own[2];  // by family
  for (const auto& one : rtnl::addresses(route))
    own[static_cast<std::size_t>(one.cidr.address.family)].push_back(one.cidr.address);
  for (const Family family : {Family::V4, Family::V6}) {
    const auto& addresses = own[static_cast<std::size_t>(family)];
    if (addresses.empty()) continue;
    const auto forget_at = [&](const Ip& address) {
      return std::ranges::all_of(ranges, [&](const PortRange& range) {
        for (unsigned port = range.first; port <= range.last; ++port)
          if (!forget_pattern(socket, udp_pattern(address, static_cast<std::uint16_t>(port))))
            return false;
        return true;
      });
    };
    if (family == Family::V4 && addresses.size() * ports <= ManyPatterns &&
        std::ranges::all_of(addresses, forget_at))
      continue;
    // Somebody else's connection to the same port that only passes through this host must live on.
    forget_each(socket, family, [&](const Entry& entry) {
      const auto& to = entry.original;
      return to.protocol == IPPROTO_UDP &&
             std::ranges::any_of(
                 ranges, [&](const auto& range) { return range.contains(to.destination_port); }) &&
             std::ranges::find(addresses, to.destination) != addresses.end();
    });
  }
}

}  // namespace netsetup::conntrack
