// SPDX-License-Identifier: MIT
// A container's questions about names find their way: step.h, NameServer.
//
// Theory of operation. resolv.conf(5) can name an address, but no port; and port 53 is not ours to
// take, since the container may be a name server itself. So our socket has another port of
// 127.0.0.11, and two chains write the one port for the other into the packets that pass between
// the two, as they leave:
//   question   to 127.0.0.11 port 53: to 1023 instead
//   answer     from 127.0.0.11 port 1023: from 53 instead
// Nothing is remembered of a packet (no NAT): each is judged by itself. Where the container has a
// firewall with conntrack, that sees port 1023 both ways: the question is written to before it
// (raw), the answer after it (mangle).
//
// These rules are a batch of bytes and no text: that would cost each start a millisecond, and 3 MB.
// explain.cpp has the text; a test compares what nft(8) lists of both.
#include "netsetup/nft.h"
#include "netsetup/nft_messages.h"
#include "netsetup/step.h"

namespace netsetup::nft {

using netlink::Message;
using netlink::Nest;

namespace {

// Priorities of linux/netfilter_ipv4.h: NF_IP_PRI_RAW, NF_IP_PRI_MANGLE; conntrack has -200.
constexpr std::int32_t Raw = -300;
constexpr std::int32_t Mangle = -150;

// Of linux/ip.h; the ports come first with TCP as with UDP.
constexpr Place Source{NFT_PAYLOAD_NETWORK_HEADER, 12, 4};
constexpr Place Destination{NFT_PAYLOAD_NETWORK_HEADER, 16, 4};
constexpr Place SourcePort{NFT_PAYLOAD_TRANSPORT_HEADER, 0, 2};
constexpr Place DestinationPort{NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2};

struct Translation {
  std::string_view chain;
  std::int32_t priority;
  Place address;
  Place port;
  std::uint16_t from;
  std::uint16_t to;
};

constexpr Translation Asking{
    "question", Raw, Destination, DestinationPort, NameServer::Port, NameServer::OwnPort};
constexpr Translation Answering{"answer",        Mangle, Source, SourcePort, NameServer::OwnPort,
                                NameServer::Port};

/// WRITTEN goes to PLACE, and the checksum at CHECKSUM of the same header follows.
void put_write(Message& rule, const Place& place, const Field& written, std::uint32_t checksum) {
  put_immediate(rule, written.bytes());
  put_expression(rule, "payload", [&] {
    rule.put_be32(NFTA_PAYLOAD_SREG, NFT_REG_1);
    put_place(rule, place);
    rule.put_be32(NFTA_PAYLOAD_CSUM_TYPE, NFT_PAYLOAD_CSUM_INET);
    rule.put_be32(NFTA_PAYLOAD_CSUM_OFFSET, checksum);
    rule.put_be32(NFTA_PAYLOAD_CSUM_FLAGS, 0);
  });
}

Message ip_message(int type, std::uint16_t flags) {
  return table_message(type, static_cast<std::uint16_t>(NLM_F_CREATE | flags), NFPROTO_IPV4);
}

void put_chain(Message& message, const Translation& translation) {
  constexpr std::uint32_t Accept = 1;  // NF_ACCEPT
  message.put_string(NFTA_CHAIN_TABLE, NamesTable);
  message.put_string(NFTA_CHAIN_NAME, translation.chain);
  message.put_string(NFTA_CHAIN_TYPE, "filter");
  message.put_be32(NFTA_CHAIN_POLICY, Accept);
  const Nest hook(message, NFTA_CHAIN_HOOK);
  message.put_be32(NFTA_HOOK_HOOKNUM, NF_INET_LOCAL_OUT);
  message.put_be32(NFTA_HOOK_PRIORITY, static_cast<std::uint32_t>(translation.priority));
}

void put_rule(Message& message, const Translation& translation, Protocol protocol) {
  constexpr std::uint32_t UdpChecksum = 6;   // linux/udp.h
  constexpr std::uint32_t TcpChecksum = 16;  // linux/tcp.h
  message.put_string(NFTA_RULE_TABLE, NamesTable);
  message.put_string(NFTA_RULE_CHAIN, translation.chain);
  const Nest expressions(message, NFTA_RULE_EXPRESSIONS);
  put_match(message, translation.address, field(NameServer::address()).bytes());
  put_meta_match(message, NFT_META_L4PROTO, field(protocol).bytes());
  put_match(message, translation.port, field(translation.from).bytes());
  put_write(message, translation.port, field(translation.to),
            protocol == Protocol::Udp ? UdpChecksum : TcpChecksum);
}

}  // namespace

void Socket::add_name_server() {
  std::vector<Message> messages;
  auto& table = messages.emplace_back(ip_message(NFT_MSG_NEWTABLE, 0));
  table.put_string(NFTA_TABLE_NAME, NamesTable);
  put_comment(table, NFTA_TABLE_USERDATA, NamesComment);
  for (const auto& each : {Asking, Answering})
    put_chain(messages.emplace_back(ip_message(NFT_MSG_NEWCHAIN, 0)), each);
  for (const auto protocol : {Protocol::Udp, Protocol::Tcp})
    for (const auto& each : {Asking, Answering})
      put_rule(messages.emplace_back(ip_message(NFT_MSG_NEWRULE, NLM_F_APPEND)), each, protocol);
  auto batch = batch_of(std::move(messages));
  for (const auto& error : socket_.batch(batch)) error.throw_error();
}

}  // namespace netsetup::nft
