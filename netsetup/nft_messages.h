// SPDX-License-Identifier: MIT
// The messages of nf_tables as all of nft*.cpp begin them.
#pragma once

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "netsetup/netlink.h"

namespace netsetup::nft {

/// Of the tag-length-value strings that nft(8) keeps in "user data", which the kernel only stores:
/// NFTNL_UDATA_TABLE_COMMENT, _RULE_COMMENT and _SET_ELEM_COMMENT of libnftnl/udata.h.
inline constexpr std::uint8_t CommentTag = 0;

constexpr std::uint16_t message_type(int type) {
  return static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type);
}

/// FAMILY: "ip", "ip6", "inet", "bridge" or "netdev".
constexpr std::uint8_t family_number(std::string_view family) {
  if (family == "inet") return NFPROTO_INET;
  if (family == "bridge") return NFPROTO_BRIDGE;
  if (family == "netdev") return NFPROTO_NETDEV;
  return family == "ip6" ? NFPROTO_IPV6 : NFPROTO_IPV4;
}

inline netlink::Message table_message(int type, std::uint16_t flags,
                                      std::uint8_t family = NFPROTO_INET) {
  netlink::Message message(message_type(type), flags);
  message.extra_header<nfgenmsg>().nfgen_family = family;
  return message;
}

/// MESSAGES, at least one, as one transaction for netlink::Socket::batch(); the last one asks for
/// an acknowledgement.
std::vector<netlink::Message> batch_of(std::vector<netlink::Message> messages);

/// One expression of a rule: NAME, and its attributes as PUT puts them.
template <class Put>
void put_expression(netlink::Message& rule, std::string_view name, const Put& put) {
  const netlink::Nest element(rule, NFTA_LIST_ELEM);
  rule.put_string(NFTA_EXPR_NAME, name);
  const netlink::Nest data(rule, NFTA_EXPR_DATA);
  put();
}

/// cmp OP reg 1 BYTES: the rule ends here unless what the expression before has loaded is BYTES,
/// or, with another OP than that, less, or more.
inline void put_compare(netlink::Message& rule, std::span<const std::uint8_t> bytes,
                        nft_cmp_ops op = NFT_CMP_EQ) {
  put_expression(rule, "cmp", [&] {
    rule.put_be32(NFTA_CMP_SREG, NFT_REG_1);
    rule.put_be32(NFTA_CMP_OP, static_cast<std::uint32_t>(op));
    const netlink::Nest value(rule, NFTA_CMP_DATA);
    rule.put_bytes(NFTA_DATA_VALUE, bytes);
  });
}

/// A field of a packet: where its header begins, how far it is in there, and how long it is.
struct Place {
  nft_payload_bases base;
  std::uint32_t offset;
  std::uint32_t size;
};

inline void put_place(netlink::Message& rule, const Place& place) {
  rule.put_be32(NFTA_PAYLOAD_BASE, static_cast<std::uint32_t>(place.base));
  rule.put_be32(NFTA_PAYLOAD_OFFSET, place.offset);
  rule.put_be32(NFTA_PAYLOAD_LEN, place.size);
}

/// Register 1 becomes what is at PLACE.
inline void put_load(netlink::Message& rule, const Place& place) {
  put_expression(rule, "payload", [&] {
    rule.put_be32(NFTA_PAYLOAD_DREG, NFT_REG_1);
    put_place(rule, place);
  });
}

/// PLACE is BYTES, or the rule ends here.
inline void put_match(netlink::Message& rule, const Place& place,
                      std::span<const std::uint8_t> bytes) {
  put_load(rule, place);
  put_compare(rule, bytes);
}

/// What the kernel knows of the packet as KEY is BYTES, or the rule ends here.
inline void put_meta_match(netlink::Message& rule, nft_meta_keys key,
                           std::span<const std::uint8_t> bytes) {
  put_expression(rule, "meta", [&] {
    rule.put_be32(NFTA_META_DREG, NFT_REG_1);
    rule.put_be32(NFTA_META_KEY, static_cast<std::uint32_t>(key));
  });
  put_compare(rule, bytes);
}

/// Register 1 becomes BYTES.
inline void put_immediate(netlink::Message& rule, std::span<const std::uint8_t> bytes) {
  put_expression(rule, "immediate", [&] {
    rule.put_be32(NFTA_IMMEDIATE_DREG, NFT_REG_1);
    const netlink::Nest data(rule, NFTA_IMMEDIATE_DATA);
    rule.put_bytes(NFTA_DATA_VALUE, bytes);
  });
}

/// COMMENT, up to 128 bytes of it, as the user data TYPE.
inline void put_comment(netlink::Message& message, std::uint16_t type, std::string_view comment) {
  constexpr std::size_t Longest = 128;
  comment = comment.substr(0, Longest);
  netlink::Bytes user_data = {CommentTag, static_cast<std::uint8_t>(comment.size() + 1)};
  user_data.insert(user_data.end(), comment.begin(), comment.end());
  user_data.push_back(0);
  message.put_bytes(type, user_data);
}

/// The comment in USER_DATA, empty where there is none.
std::string comment_of(const nlattr* user_data);

}  // namespace netsetup::nft
