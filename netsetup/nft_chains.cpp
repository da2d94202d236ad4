// SPDX-License-Identifier: MIT
// Who else has a say: chains of other programs that would drop what we forward, and our two rules
// in the place that such a program keeps for exceptions.
//
// Theory of operation. On one hook every base chain runs, and an `accept` in one of them ends only
// that chain: a policy of drop in Docker's, ufw's or the user's own chain is the last word, and so
// is a rule that drops or rejects whatever came so far (firewalld's last). But each of these three
// tools has a chain in which an `accept` ends the way through its base chain:
//   ufw        ufw-user-forward (ufw6-...)   where `ufw route allow` puts its rules
//   Docker     DOCKER-USER                   made for the administrator's rules, kept by a restart
//   firewalld  filter_FORWARD_POLICIES_post  after all zones and policies, before the last reject
// Our rules go to its end, in front of a rule that ends it for all (Docker's RETURN), so that what
// the administrator forbids there stays forbidden. They are written as nft(8) and iptables-nft
// write theirs, so that both can print them: `-i mini0 -m comment --comment mini-run -j ACCEPT`.
// A table that a netlink socket owns (newer firewalld's) is nobody else's to change.
#include <linux/netfilter/nf_tables_compat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "netsetup/nft.h"
#include "netsetup/nft_messages.h"

namespace netsetup::nft {

using netlink::Attributes;
using netlink::Message;
using netlink::Nest;

namespace {

// ------------------------------------------------------------------------------ what is there

struct Chain {
  std::string family, table, name;
  bool hooks_forward = false;
  bool policy_drops = false;
};

std::string family_name(std::uint8_t family) {
  if (family == NFPROTO_INET) return "inet";
  if (family == NFPROTO_IPV6) return "ip6";
  return family == NFPROTO_IPV4 ? "ip" : "";
}

/// Of a family that our packets traverse.
std::optional<Chain> parse_chain(const nlmsghdr* header) {
  Chain chain;
  chain.family =
      family_name(static_cast<const nfgenmsg*>(mnl_nlmsg_get_payload(header))->nfgen_family);
  if (chain.family.empty()) return std::nullopt;
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

enum class End : std::uint8_t { None, Accept, Drop, Return, Jump };

/// A rule, as far as it matters here.
struct Rule {
  std::string chain;
  std::uint64_t handle = 0;
  bool tagged = false;  // it has our comment
  bool always = true;   // it takes whatever comes
  bool names = false;   // it compares something with the interface
  /// NFT_META_IIFNAME: it takes whatever comes from the interface; NFT_META_OIFNAME: goes to it.
  std::optional<std::uint32_t> way;
  End end = End::None;
  std::string target;  // of a jump
};

const nlattr* find(const nlattr* nest, std::uint16_t type) {
  return nest == nullptr ? nullptr : Attributes(nest).find(type);
}

std::uint32_t number(const nlattr* nest, std::uint16_t type) {
  const nlattr* attribute = find(nest, type);
  return attribute == nullptr ? ~0U : netlink::value_be32(attribute);
}

/// Whether the comparison DATA is with NAME. iptables-nft writes the name with its NUL, nft fills
/// up to 16 bytes; a prefix ("mini*") has no NUL and is not taken for the name.
bool compares_with(const nlattr* data, const std::string& name) {
  const nlattr* value = find(find(data, NFTA_CMP_DATA), NFTA_DATA_VALUE);
  return value != nullptr && netlink::value(value).size() > name.size() &&
         netlink::value_string(value) == name;
}

void read_verdict(const nlattr* data, Rule& rule) {
  const nlattr* verdict = find(find(data, NFTA_IMMEDIATE_DATA), NFTA_DATA_VERDICT);
  if (verdict == nullptr) return;
  switch (static_cast<std::int32_t>(number(verdict, NFTA_VERDICT_CODE))) {
    case NF_ACCEPT:
      rule.end = End::Accept;
      break;
    case NF_DROP:
      rule.end = End::Drop;
      break;
    case NFT_RETURN:
      rule.end = End::Return;
      break;
    case NFT_JUMP:
    case NFT_GOTO:
      rule.end = End::Jump;
      if (const nlattr* chain = find(verdict, NFTA_VERDICT_CHAIN))
        rule.target = netlink::value_string(chain);
      break;
    default:
      break;
  }
}

/// The rule's EXPRESSIONS, one after the other: conditions, then what becomes of the packet.
void read_expressions(const nlattr* expressions, const std::string& interface, Rule& rule) {
  std::optional<std::uint32_t> loaded;  // the name that is compared next
  int conditions = 0;
  for (const nlattr* expression : Attributes(expressions)) {
    const nlattr* name = find(expression, NFTA_EXPR_NAME);
    const nlattr* data = find(expression, NFTA_EXPR_DATA);
    const std::string kind = name == nullptr ? "" : netlink::value_string(name);
    const auto is = [&](std::uint16_t type, std::string_view text) {
      const nlattr* what = find(data, type);
      return what != nullptr && netlink::value_string(what) == text;
    };
    if (kind == "counter" || kind == "log") continue;
    if (kind == "match" && is(NFTA_MATCH_NAME, "comment")) continue;  // iptables's, until 1.8.9
    if (kind == "immediate") {
      read_verdict(data, rule);
    } else if (kind == "reject" || (kind == "target" && (is(NFTA_TARGET_NAME, "REJECT") ||
                                                         is(NFTA_TARGET_NAME, "DROP")))) {
      rule.end = End::Drop;
    } else if (kind == "meta") {
      loaded = number(data, NFTA_META_KEY);
      ++conditions;
    } else {
      const bool named = kind == "cmp" && compares_with(data, interface);
      rule.names |= named;
      if (named && number(data, NFTA_CMP_OP) == NFT_CMP_EQ) rule.way = loaded;
      ++conditions;
    }
  }
  rule.always = conditions == 0;
  if (conditions != 2) rule.way.reset();  // the name loaded, and compared: no more than that
}

std::optional<Rule> parse_rule(const nlmsghdr* header, const std::string& interface) {
  Rule rule;
  for (const nlattr* attribute : Attributes(header, sizeof(nfgenmsg))) {
    switch (mnl_attr_get_type(attribute)) {
      case NFTA_RULE_CHAIN:
        rule.chain = netlink::value_string(attribute);
        break;
      case NFTA_RULE_HANDLE:
        rule.handle = netlink::value_be64(attribute);
        break;
      case NFTA_RULE_USERDATA:
        rule.tagged = comment_of(attribute) == TableComment;
        break;
      case NFTA_RULE_EXPRESSIONS:
        read_expressions(attribute, interface, rule);
        break;
      default:
        break;
    }
  }
  return rule;
}

/// In their order; CHAIN empty: those of all chains of the table.
std::vector<Rule> list_rules(netlink::Socket& socket, std::string_view family,
                             std::string_view table, std::string_view chain,
                             const std::string& interface) {
  Message listing = table_message(NFT_MSG_GETRULE, 0, family_number(family));
  listing.put_string(NFTA_RULE_TABLE, table);
  if (!chain.empty()) listing.put_string(NFTA_RULE_CHAIN, chain);
  return socket.dump<Rule>(listing,
                           [&](const nlmsghdr* header) { return parse_rule(header, interface); });
}

bool drops_all(const Rule& rule) { return rule.always && rule.end == End::Drop; }

// ------------------------------------------------------------------------ where there is a place

constexpr std::array<std::string_view, 4> Places = {"ufw-user-forward", "ufw6-user-forward",
                                                    "DOCKER-USER", "filter_FORWARD_POLICIES_post"};

/// Whether one of RULES, in CHAIN or where that leads, leads to TO: found from the end, where there
/// are few.
bool leads_to(const std::vector<Rule>& rules, const std::string& chain, std::string_view to) {
  std::vector<std::string> chains = {std::string(to)};
  for (std::size_t i = 0; i < chains.size(); ++i) {
    if (chains[i] == chain) return true;
    for (const Rule& rule : rules)
      if (rule.end == End::Jump && rule.target == chains[i] &&
          std::ranges::find(chains, rule.chain) == chains.end())
        chains.push_back(rule.chain);
  }
  return false;
}

/// The place for exceptions to CHAIN, whose table has RULES.
std::optional<FirewallException> place_of(const Chain& chain, const std::vector<Rule>& rules,
                                          const std::string& interface) {
  const auto name = std::ranges::find_if(
      Places, [&](std::string_view place) { return leads_to(rules, chain.name, place); });
  if (name == Places.end()) return std::nullopt;
  FirewallException place{chain.family, chain.table, std::string(*name), interface, 0};
  const auto last = std::ranges::find_if(rules, [&](const Rule& rule) {
    return rule.chain == place.chain && rule.always && rule.end != End::None &&
           rule.end != End::Jump;
  });
  if (last != rules.end()) place.before = last->handle;
  return place;
}

/// Whether of RULES, those that are TAGGED as ours or those that are not, one accepts whatever
/// comes from the interface and one whatever goes to it.
bool accept_both(const std::vector<Rule>& rules, bool tagged) {
  const auto accepts = [&](std::uint32_t way) {
    return std::ranges::any_of(rules, [&](const Rule& rule) {
      return rule.tagged == tagged && rule.end == End::Accept && rule.way == way;
    });
  };
  return accepts(NFT_META_IIFNAME) && accepts(NFT_META_OIFNAME);
}

// -------------------------------------------------------------------------------- our two rules

/// iifname "INTERFACE" counter accept comment "mini-run", or oifname.
void put_exception(Message& rule, std::uint32_t way, const std::string& interface) {
  {
    const Nest expressions(rule, NFTA_RULE_EXPRESSIONS);
    put_expression(rule, "meta", [&] {
      rule.put_be32(NFTA_META_KEY, way);
      rule.put_be32(NFTA_META_DREG, NFT_REG_1);
    });
    put_compare(rule, interface_field(interface).bytes());
    put_expression(rule, "counter", [] {});
    put_expression(rule, "immediate", [&] {
      rule.put_be32(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
      const Nest value(rule, NFTA_IMMEDIATE_DATA);
      const Nest verdict(rule, NFTA_DATA_VERDICT);
      rule.put_be32(NFTA_VERDICT_CODE, NF_ACCEPT);
    });
  }
  put_comment(rule, NFTA_RULE_USERDATA, TableComment);
}

Message rule_message(int type, std::uint16_t flags, const FirewallException& exception) {
  Message rule = table_message(type, flags, family_number(exception.family));
  rule.put_string(NFTA_RULE_TABLE, exception.table);
  rule.put_string(NFTA_RULE_CHAIN, exception.chain);
  return rule;
}

/// MESSAGES as one transaction; nothing where there are none.
void change(netlink::Socket& socket, std::vector<Message> messages, bool may_be_gone) {
  if (messages.empty()) return;
  auto batch = batch_of(std::move(messages));
  for (const auto& error : socket.batch(batch))
    if (!may_be_gone || error.error != ENOENT) error.throw_error();
}

}  // namespace

std::vector<Socket::DroppingChain> Socket::dropping_forward_chains(const std::string& interface) {
  Message chain_listing = table_message(NFT_MSG_GETCHAIN, 0, NFPROTO_UNSPEC);
  std::vector<DroppingChain> dropping;
  for (const Chain& chain : socket_.dump<Chain>(chain_listing, parse_chain)) {
    const bool ours = chain.family == "inet" && chain.table == TableName;
    if (ours || !chain.hooks_forward) continue;
    if (!chain.policy_drops &&
        !std::ranges::any_of(list_rules(socket_, chain.family, chain.table, chain.name, interface),
                             drops_all))
      continue;
    const auto rules = list_rules(socket_, chain.family, chain.table, "", interface);
    DroppingChain found{chain.family, chain.table, chain.name};
    const auto table = find_table(chain.table, chain.family);
    found.owned = table && table->owner != 0;
    if (!found.owned) found.place = place_of(chain, rules, interface);
    found.names_interface = std::ranges::any_of(rules, &Rule::names);
    found.accepted = accept_both(rules, false);
    found.excepted = accept_both(rules, true);
    dropping.push_back(std::move(found));
  }
  return dropping;
}

bool Socket::has_chain(std::string_view family, std::string_view table, std::string_view chain) {
  Message message = table_message(NFT_MSG_GETCHAIN, 0, family_number(family));
  message.put_string(NFTA_CHAIN_TABLE, table);
  message.put_string(NFTA_CHAIN_NAME, chain);
  return socket_.ask(message).error == 0;
}

void Socket::add(const FirewallException& exception) {
  const auto rules =
      list_rules(socket_, exception.family, exception.table, exception.chain, exception.interface);
  std::vector<Message> messages;
  for (const std::uint32_t way : {NFT_META_IIFNAME, NFT_META_OIFNAME}) {
    if (std::ranges::any_of(rules, [&](const Rule& r) { return r.tagged && r.way == way; }))
      continue;
    const bool at_end = exception.before == 0;
    messages.push_back(rule_message(
        NFT_MSG_NEWRULE, static_cast<std::uint16_t>(NLM_F_CREATE | (at_end ? NLM_F_APPEND : 0)),
        exception));
    if (!at_end) messages.back().put_be64(NFTA_RULE_POSITION, exception.before);
    put_exception(messages.back(), way, exception.interface);
  }
  change(socket_, std::move(messages), false);
}

void Socket::remove(const FirewallException& exception) {
  std::vector<Message> messages;
  for (const Rule& rule : list_rules(socket_, exception.family, exception.table, exception.chain,
                                     exception.interface)) {
    if (!rule.tagged || !rule.way) continue;
    messages.push_back(rule_message(NFT_MSG_DELRULE, 0, exception));
    messages.back().put_be64(NFTA_RULE_HANDLE, rule.handle);
  }
  change(socket_, std::move(messages), true);
}

}  // namespace netsetup::nft
