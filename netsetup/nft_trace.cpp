// SPDX-License-Identifier: MIT
// The table that makes the kernel tell, and its messages: see nft_trace.h.
#include "netsetup/nft_trace.h"

#include <arpa/inet.h>  // first: linux/netfilter.h then leaves to it what both have
#include <linux/if_ether.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <span>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "netsetup/nft.h"
#include "netsetup/nft_messages.h"

namespace netsetup::nft {

using netlink::Attributes;
using netlink::Message;
using netlink::Nest;

namespace {

std::string family_name(std::uint8_t family) {
  switch (family) {
    case NFPROTO_INET:
      return "inet";
    case NFPROTO_IPV4:
      return "ip";
    case NFPROTO_IPV6:
      return "ip6";
    case NFPROTO_BRIDGE:
      return "bridge";
    case NFPROTO_NETDEV:
      return "netdev";
    default:
      return "";
  }
}

std::string family_of(const nlmsghdr* header) {
  return family_name(static_cast<const nfgenmsg*>(mnl_nlmsg_get_payload(header))->nfgen_family);
}

// ---------------------------------------------------------------------------------- the table

/// A chain of ours: before all others of its hook, or after them.
struct Witness {
  std::string_view name;
  unsigned hook;
  std::int32_t priority;
  enum class Rules : std::uint8_t { None, Packets, Connections } rules;
};

// Priorities beside those of linux/netfilter_ipv4.h: raw -300, conntrack -200, SNAT 100.
constexpr std::int32_t First = -350;
constexpr std::int32_t Known = -199;
constexpr std::int32_t Last = 350;
constexpr Witness Inet[] = {{"first", NF_INET_PRE_ROUTING, First, Witness::Rules::Packets},
                            {"first_out", NF_INET_LOCAL_OUT, First, Witness::Rules::Packets},
                            {"known", NF_INET_PRE_ROUTING, Known, Witness::Rules::Connections},
                            {"known_out", NF_INET_LOCAL_OUT, Known, Witness::Rules::Connections},
                            {"last_in", NF_INET_LOCAL_IN, Last, Witness::Rules::None},
                            {"last_forward", NF_INET_FORWARD, Last, Witness::Rules::None},
                            {"last", NF_INET_POST_ROUTING, Last, Witness::Rules::None}};
constexpr Witness Bridge[] = {{"first", NF_INET_PRE_ROUTING, First, Witness::Rules::Packets}};

class TraceBatch {
 public:
  TraceBatch(std::string_view family, std::string table)
      : family_(family_number(family)), table_(std::move(table)) {
    auto& message = add(NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL);
    message.put_string(NFTA_TABLE_NAME, table_);
    message.put_be32(NFTA_TABLE_FLAGS, NFT_TABLE_F_OWNER);
    put_comment(message, NFTA_TABLE_USERDATA, "mini-run: minictl trace, as long as it runs");
  }

  void add_chain(const Witness& chain, const PacketFilter& filter) {
    constexpr std::uint32_t Accept = 1;  // NF_ACCEPT
    {
      auto& message = add(NFT_MSG_NEWCHAIN, NLM_F_CREATE);
      message.put_string(NFTA_CHAIN_TABLE, table_);
      message.put_string(NFTA_CHAIN_NAME, chain.name);
      message.put_string(NFTA_CHAIN_TYPE, "filter");
      message.put_be32(NFTA_CHAIN_POLICY, Accept);
      const Nest hook(message, NFTA_CHAIN_HOOK);
      message.put_be32(NFTA_HOOK_HOOKNUM, chain.hook);
      message.put_be32(NFTA_HOOK_PRIORITY, static_cast<std::uint32_t>(chain.priority));
    }
    if (chain.rules == Witness::Rules::Packets) {
      for (const Ip& address : filter.addresses)
        for (const bool source : {true, false})
          add_rules(chain, [&](Message& rule) { put_address(rule, address, source); });
      for (const auto& port : filter.ports)
        add_rules(chain, [&](Message& rule) { put_port(rule, port); });
    }
    if (chain.rules == Witness::Rules::Connections)
      for (const Ip& address : filter.addresses)
        for (const bool original : {true, false})
          add_rules(chain, [&](Message& rule) { put_connection(rule, address, original); });
  }

  std::vector<Message> messages() && { return std::move(messages_); }

 private:
  Message& add(int type, int flags) {
    return messages_.emplace_back(table_message(type, static_cast<std::uint16_t>(flags), family_));
  }

  /// Two rules: what PUT puts, and of that what begins a connection of TCP; and of all that so many
  /// packets a second: what is told of each takes longer than the packet itself.
  template <class Put>
  void add_rules(const Witness& chain, const Put& put) {
    add_rule(chain, [&](Message& rule) {
      put(rule);
      put_syn(rule);
    });
    add_rule(chain, [&](Message& rule) {
      put(rule);
      put_limit(rule);
    });
  }

  /// What PUT puts, then `meta nftrace set 1`.
  template <class Put>
  void add_rule(const Witness& chain, const Put& put) {
    constexpr std::uint8_t On[] = {1};
    auto& rule = add(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
    rule.put_string(NFTA_RULE_TABLE, table_);
    rule.put_string(NFTA_RULE_CHAIN, chain.name);
    const Nest expressions(rule, NFTA_RULE_EXPRESSIONS);
    put(rule);
    put_immediate(rule, On);
    put_expression(rule, "meta", [&] {
      rule.put_be32(NFTA_META_KEY, NFT_META_NFTRACE);
      rule.put_be32(NFTA_META_SREG, NFT_REG_1);
    });
  }

  /// tcp flags & syn != 0
  static void put_syn(Message& rule) {
    constexpr std::uint8_t Syn[] = {2};
    constexpr std::uint8_t None[] = {0};
    const auto put_data = [&](std::uint16_t type, std::span<const std::uint8_t> bytes) {
      const Nest data(rule, type);
      rule.put_bytes(NFTA_DATA_VALUE, bytes);
    };
    put_meta_match(rule, NFT_META_L4PROTO, field(Protocol::Tcp).bytes());
    put_load(rule, {NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1});
    put_expression(rule, "bitwise", [&] {
      rule.put_be32(NFTA_BITWISE_SREG, NFT_REG_1);
      rule.put_be32(NFTA_BITWISE_DREG, NFT_REG_1);
      rule.put_be32(NFTA_BITWISE_LEN, 1);
      put_data(NFTA_BITWISE_MASK, Syn);
      put_data(NFTA_BITWISE_XOR, None);
    });
    put_compare(rule, Syn);
  }

  /// limit rate 1000/second burst 1000 packets
  static void put_limit(Message& rule) {
    constexpr std::uint32_t Packets = 1000;
    put_expression(rule, "limit", [&] {
      rule.put_be64(NFTA_LIMIT_RATE, Packets);
      rule.put_be64(NFTA_LIMIT_UNIT, 1);
      rule.put_be32(NFTA_LIMIT_BURST, Packets);
      rule.put_be32(NFTA_LIMIT_TYPE, NFT_LIMIT_PKTS);
    });
  }

  /// ip saddr ADDRESS, ip6 daddr ADDRESS, ...
  static void put_address(Message& rule, const Ip& address, bool source) {
    const bool v4 = address.family == Family::V4;
    const auto size = static_cast<std::uint32_t>(address.wire().size());
    const std::uint32_t first = v4 ? 12 : 8;  // of linux/ip.h, linux/ipv6.h
    put_meta_match(rule, NFT_META_PROTOCOL,
                   field(static_cast<std::uint16_t>(v4 ? ETH_P_IP : ETH_P_IPV6)).bytes());
    put_match(rule, {NFT_PAYLOAD_NETWORK_HEADER, source ? first : first + size, size},
              address.wire());
  }

  /// tcp dport FIRST-LAST
  static void put_port(Message& rule, const PacketFilter::Port& port) {
    put_meta_match(rule, NFT_META_L4PROTO, field(port.protocol).bytes());
    put_load(rule, {NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2});
    put_compare(rule, field(port.numbers.first).bytes(), NFT_CMP_GTE);
    put_compare(rule, field(port.numbers.last).bytes(), NFT_CMP_LTE);
  }

  /// ct original ip saddr ADDRESS, ct reply ip saddr ADDRESS
  static void put_connection(Message& rule, const Ip& address, bool original) {
    put_expression(rule, "ct", [&] {
      rule.put_be32(NFTA_CT_DREG, NFT_REG_1);
      rule.put_be32(NFTA_CT_KEY, address.family == Family::V4 ? NFT_CT_SRC_IP : NFT_CT_SRC_IP6);
      rule.put_u8(NFTA_CT_DIRECTION, original ? IP_CT_DIR_ORIGINAL : IP_CT_DIR_REPLY);
    });
    put_compare(rule, address.wire());
  }

  std::uint8_t family_;
  std::string table_;
  std::vector<Message> messages_;
};

int install(netlink::Socket& socket, std::string_view family, std::span<const Witness> chains,
            const PacketFilter& filter) {
  TraceBatch table(family, base::cat(TraceTable, '_', ::getpid()));
  for (const Witness& chain : chains) table.add_chain(chain, filter);
  auto batch = batch_of(std::move(table).messages());
  const auto errors = socket.batch(batch);
  return errors.empty() ? 0 : errors.front().error;
}

// ------------------------------------------------------------------------------- its messages

void read_verdict(const nlattr* nest, Decision& decision) {
  using Verdict = Decision::Verdict;
  const Attributes verdict(nest);
  if (const nlattr* chain = verdict.find(NFTA_VERDICT_CHAIN))
    decision.target = netlink::value_string(chain);
  const nlattr* attribute = verdict.find(NFTA_VERDICT_CODE);
  const int code = attribute == nullptr ? NFT_CONTINUE
                                        : static_cast<std::int32_t>(netlink::value_be32(attribute));
  if (code == NFT_JUMP || code == NFT_GOTO)
    decision.verdict = Verdict::Jump;
  else if (code == NFT_RETURN)
    decision.verdict = Verdict::Return;
  else if (code < 0)
    decision.verdict = Verdict::Continue;
  else if ((code & NF_VERDICT_MASK) == NF_DROP)
    decision.verdict = Verdict::Drop;
  else
    decision.verdict = code == NF_ACCEPT ? Verdict::Accept : Verdict::Other;
}

struct Chain {
  BaseChain chain;
  bool hooked = false;
};

Chain parse_chain(const nlmsghdr* header) {
  Chain found;
  const Attributes attributes(header, sizeof(nfgenmsg));
  found.chain.family = family_of(header);
  if (const nlattr* table = attributes.find(NFTA_CHAIN_TABLE))
    found.chain.table = netlink::value_string(table);
  if (const nlattr* name = attributes.find(NFTA_CHAIN_NAME))
    found.chain.name = netlink::value_string(name);
  if (const nlattr* nest = attributes.find(NFTA_CHAIN_HOOK)) {
    const Attributes hook(nest);
    found.hooked = true;
    if (const nlattr* number = hook.find(NFTA_HOOK_HOOKNUM))
      found.chain.hook = netlink::value_be32(number);
    if (const nlattr* priority = hook.find(NFTA_HOOK_PRIORITY))
      found.chain.priority = static_cast<std::int32_t>(netlink::value_be32(priority));
  }
  return found;
}

}  // namespace

std::optional<Decision> parse_trace(const nlmsghdr* header) {
  if (header->nlmsg_type != message_type(NFT_MSG_TRACE)) return std::nullopt;
  Decision decision;
  decision.family = family_of(header);
  std::span<const std::uint8_t> network;
  std::span<const std::uint8_t> transport;
  for (const nlattr* attribute : Attributes(header, sizeof(nfgenmsg))) {
    switch (mnl_attr_get_type(attribute)) {
      case NFTA_TRACE_ID:
        decision.id = netlink::value_be32(attribute);
        break;
      case NFTA_TRACE_TABLE:
        decision.table = netlink::value_string(attribute);
        break;
      case NFTA_TRACE_CHAIN:
        decision.chain = netlink::value_string(attribute);
        break;
      case NFTA_TRACE_RULE_HANDLE:
        decision.handle = netlink::value_be64(attribute);
        break;
      case NFTA_TRACE_VERDICT:
        read_verdict(attribute, decision);
        break;
      case NFTA_TRACE_POLICY:
        decision.policy = true;
        decision.verdict = netlink::value_be32(attribute) == NF_DROP ? Decision::Verdict::Drop
                                                                     : Decision::Verdict::Accept;
        break;
      case NFTA_TRACE_NETWORK_HEADER:
        network = netlink::value(attribute);
        break;
      case NFTA_TRACE_TRANSPORT_HEADER:
        transport = netlink::value(attribute);
        break;
      case NFTA_TRACE_IIF:
        decision.in = netlink::value_be32(attribute);
        break;
      case NFTA_TRACE_OIF:
        decision.out = netlink::value_be32(attribute);
        break;
      default:
        break;
    }
  }
  if (!network.empty() && !transport.empty()) decision.packet = parse_packet(network, transport);
  return decision;
}

Tracer::Tracer(const PacketFilter& filter) : socket_(NETLINK_NETFILTER) {
  const int error = install(socket_, "inet", Inet, filter);
  if (error == EINVAL || error == EOPNOTSUPP)
    throw base::Error(
        "trace needs Linux 5.12 or newer with nf_tables: only there the kernel itself takes its "
        "rules away when it ends");
  if (error != 0) throw base::Error(error, "add the table of the trace");
  install(socket_, "bridge", Bridge, filter);  // some kernels have no such rules
}

void Tracer::locate(Decision& decision) {
  const auto find = [&] {
    const auto base = std::ranges::find_if(bases_, [&](const BaseChain& each) {
      return each.family == decision.family && each.table == decision.table &&
             each.name == decision.chain;
    });
    if (base == bases_.end()) return false;
    decision.hook = base->hook;
    decision.priority = base->priority;
    return true;
  };
  if (find()) return;
  Message listing = table_message(NFT_MSG_GETCHAIN, 0, NFPROTO_UNSPEC);
  bases_ = socket_.dump<BaseChain>(listing, [](const nlmsghdr* header) -> std::optional<BaseChain> {
    auto found = parse_chain(header);
    if (!found.hooked) return std::nullopt;
    return std::move(found.chain);
  });
  find();
}

std::vector<std::string> Tracer::chains(std::string_view family, std::string_view table) {
  Message listing = table_message(NFT_MSG_GETCHAIN, 0, family_number(family));
  return socket_.dump<std::string>(listing,
                                   [&](const nlmsghdr* header) -> std::optional<std::string> {
                                     const auto found = parse_chain(header);
                                     if (found.chain.table != table) return std::nullopt;
                                     return found.chain.name;
                                   });
}

std::string Tracer::comment(const Decision& decision) {
  Message message = table_message(NFT_MSG_GETRULE, 0, family_number(decision.family));
  message.put_string(NFTA_RULE_TABLE, decision.table);
  message.put_string(NFTA_RULE_CHAIN, decision.chain);
  message.put_be64(NFTA_RULE_HANDLE, decision.handle);
  std::string comment;
  socket_.ask(message, [&](const nlmsghdr* reply) {  // its error: the rule is gone
    if (const auto* user_data = Attributes(reply, sizeof(nfgenmsg)).find(NFTA_RULE_USERDATA))
      comment = comment_of(user_data);
  });
  return comment;
}

void Tracer::explain(Decision& decision) {
  if (decision.handle == 0) return;
  decision.says = comment(decision);
  if (!decision.says.empty() && decision.table == TableName) return;
  try {
    const std::string mark = base::cat(" # handle ", decision.handle);
    const std::string listing = list_text(
        base::cat("list chain ", decision.family, ' ', decision.table, ' ', decision.chain));
    for (std::string_view line : base::split(listing, '\n')) {
      if (!line.ends_with(mark)) continue;
      line.remove_suffix(mark.size());
      line.remove_prefix(std::min(line.find_first_not_of("\t "), line.size()));
      decision.says = line;
    }
  } catch (const base::Error&) {
    // The chain has gone meanwhile, or there is no libnftables: then what the comment says.
  }
}

}  // namespace netsetup::nft
