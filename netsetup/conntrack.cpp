// SPDX-License-Identifier: MIT
// Connections forgotten: a listing of the entries in question, then each deleted by its tuple.
//
// Theory of operation. Destination NAT looks at the first packet of a connection only; from then
// on conntrack's entry decides. UDP has no end, so an entry lives on as long as somebody sends: a
// client that talked to a port before it was published would never be translated, and one that
// talked to a container that has ended would talk into the void, or to the next container with that
// address. Listing walks the kernel's whole hash table, so first one asks whether there are any
// entries at all. Since Linux 5.8 the kernel leaves out what does not match (CTA_FILTER); older
// ones ignore that attribute, so here everything is compared once more.
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
constexpr std::uint32_t FilterProtocol = 1U << 3U;
constexpr std::uint32_t FilterDestinationPort = 1U << 5U;

struct Tuple {
  Ipv4 source, destination;
  std::uint8_t protocol = 0;
  std::uint16_t destination_port = 0;
};

/// What of an entry decides, and what names it in a delete.
struct Entry {
  Tuple original, reply;
  netlink::Bytes original_bytes;  // CTA_TUPLE_ORIG as the kernel wrote it
  std::optional<netlink::Bytes> zone, id;
};

Message conntrack_message(int type) {
  Message message(static_cast<std::uint16_t>(NFNL_SUBSYS_CTNETLINK << 8 | type), 0);
  message.extra_header<nfgenmsg>().nfgen_family = AF_INET;
  return message;
}

Tuple parse_tuple(const nlattr* nest) {
  Tuple tuple;
  const Attributes parts(nest);
  if (const nlattr* address = parts.find(CTA_TUPLE_IP)) {
    const Attributes addresses(address);
    if (const nlattr* source = addresses.find(CTA_IP_V4_SRC))
      tuple.source.value = netlink::value_be32(source);
    if (const nlattr* destination = addresses.find(CTA_IP_V4_DST))
      tuple.destination.value = netlink::value_be32(destination);
  }
  if (const nlattr* protocol = parts.find(CTA_TUPLE_PROTO)) {
    const Attributes numbers(protocol);
    if (const nlattr* number = numbers.find(CTA_PROTO_NUM))
      tuple.protocol = netlink::value_u8(number);
    if (const nlattr* port = numbers.find(CTA_PROTO_DST_PORT))
      tuple.destination_port = netlink::value_be16(port);
  }
  return tuple;
}

Entry parse_entry(const nlmsghdr* header) {
  Entry entry;
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

void put_filter(Message& message, std::uint32_t original, std::uint32_t reply) {
  const Nest filter(message, CTA_FILTER);
  message.put_u32(CTA_FILTER_ORIG_FLAGS, original);
  message.put_u32(CTA_FILTER_REPLY_FLAGS, reply);
}

void put_source(Message& message, std::uint16_t tuple, Ipv4 address) {
  const Nest nest(message, tuple);
  const Nest addresses(message, CTA_TUPLE_IP);
  message.put_be32(CTA_IP_V4_SRC, address.value);
}

/// Deletes the entries of LISTING that CONDITION holds for.
template <class Condition>
void forget(netlink::Socket& socket, Message& listing, const Condition& condition) {
  const auto entries =
      socket.dump<Entry>(listing, [&](const nlmsghdr* header) -> std::optional<Entry> {
        Entry entry = parse_entry(header);
        if (!condition(entry)) return std::nullopt;
        return entry;
      });
  for (const Entry& entry : entries) {
    Message message = conntrack_message(IPCTNL_MSG_CT_DELETE);
    message.put_bytes(NLA_F_NESTED | CTA_TUPLE_ORIG, entry.original_bytes);
    if (entry.zone) message.put_bytes(CTA_ZONE, *entry.zone);
    if (entry.id) message.put_bytes(CTA_ID, *entry.id);  // this one, not a successor of its tuple
    const auto answer = socket.ask(message);
    if (answer.error != ENOENT) answer.throw_error();
  }
}

}  // namespace

void forget_address(Ipv4 address) {
  netlink::Socket socket(NETLINK_NETFILTER);
  if (!any_entry(socket)) return;
  const auto concerns = [&](const Entry& entry) {
    return entry.original.source == address || entry.reply.source == address;
  };
  Message from = conntrack_message(IPCTNL_MSG_CT_GET);
  put_source(from, CTA_TUPLE_ORIG, address);
  put_filter(from, FilterSource, 0);
  forget(socket, from, concerns);
  Message to = conntrack_message(IPCTNL_MSG_CT_GET);
  put_source(to, CTA_TUPLE_REPLY, address);
  put_filter(to, 0, FilterSource);
  forget(socket, to, concerns);
}

void forget_udp_port(std::uint16_t port) {
  netlink::Socket socket(NETLINK_NETFILTER);
  if (!any_entry(socket)) return;
  // Somebody else's connection to the same port that only passes through this host must live on.
  std::optional<std::vector<rtnl::InterfaceAddress>> own;
  const auto is_local = [&](Ipv4 address) {
    if (address.is_loopback()) return true;
    if (!own) {
      netlink::Socket route(NETLINK_ROUTE);
      own = rtnl::addresses(route);
    }
    return std::ranges::any_of(
        *own, [&](const rtnl::InterfaceAddress& one) { return one.cidr.address == address; });
  };
  Message listing = conntrack_message(IPCTNL_MSG_CT_GET);
  {
    const Nest tuple(listing, CTA_TUPLE_ORIG);
    const Nest protocol(listing, CTA_TUPLE_PROTO);
    listing.put_u8(CTA_PROTO_NUM, IPPROTO_UDP);
    listing.put_be16(CTA_PROTO_DST_PORT, port);
  }
  put_filter(listing, FilterProtocol | FilterDestinationPort, 0);
  forget(socket, listing, [&](const Entry& entry) {
    return entry.original.protocol == IPPROTO_UDP && entry.original.destination_port == port &&
           is_local(entry.original.destination);
  });
}

}  // namespace netsetup::conntrack
