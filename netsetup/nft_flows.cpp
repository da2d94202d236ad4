// SPDX-License-Identifier: MIT
// Known connections outlive the rules.
//
// Theory of operation. The rules are asked only for a connection's first packet; all others are
// translated by what conntrack remembers of it. But the kernel looks into that memory only as long
// as some rule makes it: with the last chain of type nat the hooks of NAT go, and with the last
// rule that asks conntrack something, those of conntrack. So between `nft flush ruleset` and the
// moment in which our rules are back, a packet arrives with an address and a port where nobody
// listens, and this host answers with a reset that ends the connection.
//
// A second table keeps both sorts of hooks: a nat chain, and in it a rule that asks conntrack and
// decides nothing. It is owned (NFT_TABLE_F_OWNER, since Linux 5.12) by the netlink socket that
// made it: `nft flush ruleset` passes it over, and it goes with the socket, however that
// process dies. This is why it is no step of a plan: there is nothing to undo, and no command that
// ends could own it. One supervisor of a host has it, and
// watches for all (watch.h); the others watch that process.
//
// The same by hand, for as long as nft(8) stays: `nft -i`, then
//   add table inet mini_run_flows { flags owner; }
//   add chain inet mini_run_flows known { type nat hook postrouting priority srcnat; }
//   add rule inet mini_run_flows known ct state == established
#include <linux/netfilter/nf_conntrack_common.h>

#include "netsetup/nft.h"
#include "netsetup/nft_messages.h"

namespace netsetup::nft {

using netlink::Message;
using netlink::Nest;

namespace {

constexpr std::string_view FlowsChain = "known";

void put_table(Message& table) {
  table.put_string(NFTA_TABLE_NAME, FlowsTable);
  table.put_be32(NFTA_TABLE_FLAGS, NFT_TABLE_F_OWNER);
  put_comment(table, NFTA_TABLE_USERDATA,
              "mini-run: known connections outlive a reload of the rules");
}

void put_chain(Message& chain) {
  constexpr std::uint32_t SourceNat = 100;  // NF_IP_PRI_NAT_SRC of linux/netfilter_ipv4.h
  chain.put_string(NFTA_CHAIN_TABLE, FlowsTable);
  chain.put_string(NFTA_CHAIN_NAME, FlowsChain);
  chain.put_string(NFTA_CHAIN_TYPE, "nat");
  const Nest hook(chain, NFTA_CHAIN_HOOK);
  chain.put_be32(NFTA_HOOK_HOOKNUM, NF_INET_POST_ROUTING);
  chain.put_be32(NFTA_HOOK_PRIORITY, SourceNat);
}

/// ct state == established
void put_rule(Message& rule) {
  rule.put_string(NFTA_RULE_TABLE, FlowsTable);
  rule.put_string(NFTA_RULE_CHAIN, FlowsChain);
  const Nest expressions(rule, NFTA_RULE_EXPRESSIONS);
  put_expression(rule, "ct", [&] {
    rule.put_be32(NFTA_CT_DREG, NFT_REG_1);
    rule.put_be32(NFTA_CT_KEY, NFT_CT_STATE);
  });
  const std::uint32_t established = NF_CT_STATE_BIT(IP_CT_ESTABLISHED);  // in the machine's order
  put_compare(rule, {reinterpret_cast<const std::uint8_t*>(&established), sizeof established});
}

}  // namespace

std::uint32_t Socket::hold_flows() {
  if (const auto table = find_table(FlowsTable)) return table->owner;
  std::vector<Message> messages;
  put_table(messages.emplace_back(table_message(NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL)));
  put_chain(messages.emplace_back(table_message(NFT_MSG_NEWCHAIN, NLM_F_CREATE)));
  put_rule(messages.emplace_back(table_message(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND)));
  auto batch = batch_of(std::move(messages));
  // A kernel that knows no owners refuses, and somebody may have been quicker: both no failure.
  static_cast<void>(socket_.batch(batch));
  const auto table = find_table(FlowsTable);
  return table ? table->owner : 0;
}

void Socket::release_flows() { delete_table(FlowsTable); }

}  // namespace netsetup::nft
