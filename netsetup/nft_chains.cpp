// SPDX-License-Identifier: MIT
// Who else has a say: chains of other programs that would drop what we forward.
//
// On one hook every base chain runs, and an `accept` in one of them ends only that chain: a policy
// of drop in Docker's, ufw's or the user's own chain is the last word, and so is a rule that drops
// or rejects whatever came so far (firewalld's last). We never change those; we find them, so that
// a message can name the chain and the command that mends it.
#include <linux/netfilter/nf_tables_compat.h>

#include <algorithm>
#include <cerrno>

#include "netsetup/nft.h"
#include "netsetup/nft_messages.h"

namespace netsetup::nft {

using netlink::Attributes;
using netlink::Message;

namespace {

struct Chain {
  std::uint8_t family = 0;
  std::string table, name;
  bool hooks_forward = false;
  bool policy_drops = false;
};

std::optional<Chain> parse_chain(const nlmsghdr* header) {
  Chain chain;
  chain.family = static_cast<const nfgenmsg*>(mnl_nlmsg_get_payload(header))->nfgen_family;
  if (chain.family != NFPROTO_IPV4 && chain.family != NFPROTO_INET) return std::nullopt;
  for (const nlattr* attribute : Attributes(header, sizeof(nfgenmsg))) {
    switch (mnl_attr_get_type(attribute)) {
      case NFTA_CHAIN_TABLE:
        chain.table = netlink::value_string(attribute);
        break;
      case NFTA_CHAIN_NAME:
        chain.name = netlink::value_string(attribute);
        break;
      case NFTA_CHAIN_POLICY:
        chain.policy_drops = netlink::value_be32(attribute) == NF_DROP;
        break;
      case NFTA_CHAIN_HOOK:
        if (const nlattr* hook = Attributes(attribute).find(NFTA_HOOK_HOOKNUM))
          chain.hooks_forward = netlink::value_be32(hook) == NF_INET_FORWARD;
        break;
      default:
        break;
    }
  }
  return chain;
}

const nlattr* find(const nlattr* nest, std::uint16_t type) {
  return nest == nullptr ? nullptr : Attributes(nest).find(type);
}

/// Whether EXPRESSION is a comparison with NAME. iptables-nft writes the name with its NUL, nft
/// fills up to 16 bytes; a prefix ("mini*") has no NUL and is not taken for the name.
bool compares_with(const nlattr* expression, const std::string& name) {
  const nlattr* kind = find(expression, NFTA_EXPR_NAME);
  if (kind == nullptr || netlink::value_string(kind) != "cmp") return false;
  const nlattr* operand = find(find(expression, NFTA_EXPR_DATA), NFTA_CMP_DATA);
  const nlattr* value = find(operand, NFTA_DATA_VALUE);
  return value != nullptr && netlink::value(value).size() > name.size() &&
         netlink::value_string(value) == name;
}

/// The table of a rule that compares something with NAME.
std::optional<std::string> table_of_rule(const nlmsghdr* header, const std::string& name) {
  const Attributes attributes(header, sizeof(nfgenmsg));
  const nlattr* table = attributes.find(NFTA_RULE_TABLE);
  const nlattr* expressions = attributes.find(NFTA_RULE_EXPRESSIONS);
  if (table == nullptr || expressions == nullptr) return std::nullopt;
  for (const nlattr* expression : Attributes(expressions))
    if (compares_with(expression, name)) return netlink::value_string(table);
  return std::nullopt;
}

/// Whether EXPRESSION is an end without a return: drop, reject, or iptables's words for them.
bool drops(const nlattr* expression, const std::string& kind) {
  const nlattr* data = find(expression, NFTA_EXPR_DATA);
  if (kind == "reject") return true;
  if (kind == "target") {
    const nlattr* target = find(data, NFTA_TARGET_NAME);
    return target != nullptr &&
           (netlink::value_string(target) == "REJECT" || netlink::value_string(target) == "DROP");
  }
  const nlattr* verdict = find(find(data, NFTA_IMMEDIATE_DATA), NFTA_DATA_VERDICT);
  const nlattr* code = find(verdict, NFTA_VERDICT_CODE);
  return kind == "immediate" && code != nullptr && netlink::value_be32(code) == NF_DROP;
}

/// Whether the rule drops whatever comes to it.
std::optional<bool> drops_all(const nlmsghdr* header) {
  const nlattr* expressions = Attributes(header, sizeof(nfgenmsg)).find(NFTA_RULE_EXPRESSIONS);
  if (expressions == nullptr) return std::nullopt;
  for (const nlattr* expression : Attributes(expressions)) {
    const nlattr* name = find(expression, NFTA_EXPR_NAME);
    const std::string kind = name == nullptr ? "" : netlink::value_string(name);
    if (kind == "counter" || kind == "log") continue;
    return drops(expression, kind);
  }
  return false;
}

bool has_rule_that_drops_all(netlink::Socket& socket, const Chain& chain) {
  Message listing = table_message(NFT_MSG_GETRULE, 0, chain.family);
  listing.put_string(NFTA_RULE_TABLE, chain.table);
  listing.put_string(NFTA_RULE_CHAIN, chain.name);
  return std::ranges::count(socket.dump<bool>(listing, drops_all), true) != 0;
}

}  // namespace

std::vector<Socket::DroppingChain> Socket::dropping_forward_chains(const std::string& interface) {
  Message chain_listing = table_message(NFT_MSG_GETCHAIN, 0, NFPROTO_UNSPEC);
  const auto chains = socket_.dump<Chain>(chain_listing, parse_chain);
  std::vector<DroppingChain> dropping;
  for (const Chain& chain : chains) {
    const bool ours = chain.family == NFPROTO_INET && chain.table == TableName;
    if (ours || !chain.hooks_forward) continue;
    if (!chain.policy_drops && !has_rule_that_drops_all(socket_, chain)) continue;
    DroppingChain found{chain.family == NFPROTO_INET ? "inet" : "ip", chain.table, chain.name};
    for (const Chain& other : chains) {
      if (other.family != chain.family || other.table != chain.table) continue;
      if (other.name == "DOCKER-USER") found.docker_user = true;
      if (other.name.starts_with("ufw-")) found.ufw = true;
    }
    Message rule_listing = table_message(NFT_MSG_GETRULE, 0, chain.family);
    const auto tables = socket_.dump<std::string>(
        rule_listing, [&](const nlmsghdr* header) { return table_of_rule(header, interface); });
    found.names_interface = std::ranges::find(tables, chain.table) != tables.end();
    dropping.push_back(std::move(found));
  }
  return dropping;
}

}  // namespace netsetup::nft
