// SPDX-License-Identifier: MIT
// By raw netlink, not by libnftables: its listing aborts where a change comes in between (1.0.6).
#include "netsetup/live_rules.h"

#include <endian.h>

#include <algorithm>
#include <cstring>
#include <span>

#include "base/text.h"
#include "netsetup/address.h"
#include "netsetup/nft.h"
#include "netsetup/nft_messages.h"

namespace netsetup {

using base::cat;
using netlink::Attributes;
using netlink::Message;
using Span = std::span<const std::uint8_t>;

namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view Blanks = " \t";
  text.remove_prefix(std::min(text.find_first_not_of(Blanks), text.size()));
  return text.substr(0, text.find_last_not_of(Blanks) + 1);
}

/// The words of LINE, at most three of them.
std::vector<std::string> first_words(std::string_view line) {
  std::vector<std::string> words;
  for (const auto word : base::split(line, ' '))
    if (!word.empty() && words.size() < 3) words.emplace_back(word);
  words.resize(3);
  return words;
}

/// Takes a rule's comment off its end.
std::string cut_comment(std::string& rule) {
  constexpr std::string_view Start = " comment \"";
  const auto at = rule.rfind(Start);
  if (at == std::string::npos || !rule.ends_with('"')) return "";
  std::string comment = rule.substr(at + Start.size());
  comment.pop_back();
  rule.resize(at);
  return comment;
}

std::optional<LiveRule> parse_rule(const nlmsghdr* header) {
  const Attributes attributes(header, sizeof(nfgenmsg));
  const auto* table = attributes.find(NFTA_RULE_TABLE);
  const auto* chain = attributes.find(NFTA_RULE_CHAIN);
  const auto* expressions = attributes.find(NFTA_RULE_EXPRESSIONS);
  if (table == nullptr || chain == nullptr || netlink::value_string(table) != nft::TableName)
    return std::nullopt;
  LiveRule rule{netlink::value_string(chain), std::nullopt};
  if (expressions == nullptr) return rule;
  const auto number = [](const nlattr* attribute) {
    std::uint64_t big = 0;
    if (attribute != nullptr && netlink::value(attribute).size() == sizeof big)
      std::memcpy(&big, netlink::value(attribute).data(), sizeof big);
    return be64toh(big);
  };
  for (const nlattr* expression : Attributes(expressions)) {
    const auto* name = Attributes(expression).find(NFTA_EXPR_NAME);
    const auto* data = Attributes(expression).find(NFTA_EXPR_DATA);
    if (name == nullptr || data == nullptr || netlink::value_string(name) != "counter") continue;
    rule.counter = {number(Attributes(data).find(NFTA_COUNTER_PACKETS)),
                    number(Attributes(data).find(NFTA_COUNTER_BYTES))};
  }
  return rule;
}

struct Type {
  std::string_view name;
  std::size_t size;  // bytes
};
constexpr Type Types[] = {{"ifname", 16},      {"iifname", 16},    {"ipv4_addr", 4},
                          {"ipv6_addr", 16},   {"@th,64,128", 16}, {"ether_addr", 6},
                          {"inet_service", 2}, {"inet_proto", 1},  {"nf_proto", 1}};

/// FIRST to LAST as nft(8) writes values of the type NAME.
std::string value_text(std::string_view name, Span first, Span last) {
  const auto address = [](Span bytes) {
    return Ip::of_bytes(bytes.size() == 4 ? Family::V4 : Family::V6, bytes);
  };
  if (name == "ifname" || name == "iifname")
    return cat('"', nft::interface_name({first.begin(), first.end()}), '"');
  if (name == "ipv4_addr" || name == "ipv6_addr" || name == "@th,64,128")
    return range_text(address(first), address(last));
  if (name == "ether_addr") {
    Mac mac;
    std::ranges::copy(first, mac.bytes.begin());
    return mac.text();
  }
  const auto number = [](Span bytes) {
    unsigned all = 0;
    for (const unsigned byte : bytes) all = all << 8U | byte;
    return all;
  };
  if (name == "inet_proto" && number(first) == IPPROTO_TCP) return "tcp";
  if (name == "inet_proto" && number(first) == IPPROTO_UDP) return "udp";
  if (name == "nf_proto") return number(first) == NFPROTO_IPV6 ? "ipv6" : "ipv4";
  const auto range = cat(number(first), "-", number(last));
  return number(first) == number(last) ? cat(number(first)) : range;
}

/// FIRST to LAST, of the concatenation TYPES.
std::string values_text(std::string_view types, Span first, Span last) {
  std::vector<std::string> texts;
  std::size_t at = 0;
  for (const auto word : base::split(types, ' ')) {
    const auto type = std::ranges::find(Types, word, &Type::name);
    if (type == std::end(Types)) continue;  // "type", "typeof", "."
    if (at + type->size > std::min(first.size(), last.size())) break;
    texts.push_back(value_text(word, first.subspan(at, type->size), last.subspan(at, type->size)));
    at += (type->size + 3) / 4 * 4;
  }
  return base::join(texts, " . ");
}

}  // namespace

std::vector<RulePart> parts_of(std::string_view ruleset) {
  using Kind = RulePart::Kind;
  std::vector<RulePart> parts;
  std::vector<std::string> above;
  std::string family;
  std::string block;  // what we are in: "create", "set", "map", "chain"
  std::string name;
  const auto add = [&](Kind kind, std::string text) -> RulePart& {
    parts.push_back({kind, family, name, std::move(text), "", std::exchange(above, {})});
    return parts.back();
  };
  for (const auto whole : base::split(ruleset, '\n')) {
    const auto line = trimmed(whole);
    const auto words = first_words(line);
    if (line.empty() || line.starts_with("#!")) continue;
    if (line.starts_with("# ---")) {
      add(Kind::Heading, std::string(trimmed(line.substr(line.find_last_of('-') + 1))));
    } else if (line.starts_with('#')) {
      above.emplace_back(line.substr(line.starts_with("# ") ? 2 : 1));
    } else if (line == "}") {
      block.clear();
    } else if (line.ends_with('{')) {
      block = words[0];
      family = block == "table" ? words[1] : family;
      name = block == "table" ? words[2] : words[1];
      if (block == "table") add(Kind::Table, "");
      if (block == "table") block.clear();
      if (block == "set" || block == "map") add(Kind::Set, "");
      if (block == "chain") add(Kind::Chain, "");
    } else if (block == "set" || block == "map" ||
               (block == "chain" && line.starts_with("type "))) {
      auto& text = parts.back().text;
      text += cat(text.empty() ? "" : "; ", line);
    } else if (block == "chain") {
      std::string rule(line);
      const auto comment = cut_comment(rule);
      add(Kind::Rule, std::move(rule)).comment = comment;
    }
  }
  return parts;
}

std::vector<LiveRule> live_rules(std::string_view family) {
  netlink::Socket socket(NETLINK_NETFILTER);
  Message listing = nft::table_message(NFT_MSG_GETRULE, 0, nft::family_number(family));
  return socket.dump<LiveRule>(listing, parse_rule);
}

std::vector<std::string> live_elements(std::string_view family, const std::string& name,
                                       std::string_view type) {
  netlink::Socket socket(NETLINK_NETFILTER);
  std::vector<std::string> texts;
  for (const auto& element :
       nft::list_elements(socket, nft::family_number(family), std::string(nft::TableName), name))
    texts.push_back(element_text(element, type));
  return texts;
}

std::string element_text(const nft::ListedElement& element, std::string_view type) {
  type = type.substr(0, type.find(';'));
  const auto colon = type.find(" : ");
  std::string text = values_text(type.substr(0, colon), element.key, element.key_end);
  if (colon != std::string_view::npos)
    text += cat(" : ", values_text(type.substr(colon), element.data, element.data));
  if (!element.comment.empty()) text += cat("   # ", base::printable(element.comment));
  return text;
}

}  // namespace netsetup
