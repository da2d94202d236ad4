// SPDX-License-Identifier: MIT
#include "netsetup/translations.h"

#include <arpa/inet.h>
#include <linux/if.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/xt_tcpudp.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <map>
#include <optional>
#include <span>

#include "base/error.h"
#include "base/text.h"
#include "netsetup/address.h"
#include "netsetup/nft.h"
#include "netsetup/nft_messages.h"
#include "netsetup/set_listing.h"

namespace netsetup {

using base::cat;
using netlink::Attributes;
using netlink::Message;
using nft::Bytes;

namespace {

using Span = std::span<const std::uint8_t>;
using Text = std::string Translation::*;  // which of its texts a value is for

const nlattr* find(const nlattr* nest, std::uint16_t type) {
  return nest == nullptr ? nullptr : Attributes(nest).find(type);
}

std::uint32_t number(const nlattr* nest, std::uint16_t type) {
  const nlattr* attribute = find(nest, type);
  return attribute == nullptr ? 0 : netlink::value_be32(attribute);
}

std::string string(const nlattr* nest, std::uint16_t type) {
  const nlattr* attribute = find(nest, type);
  return attribute == nullptr ? "" : netlink::value_string(attribute);
}

Bytes bytes(const nlattr* nest, std::uint16_t type) {
  const nlattr* value = find(find(nest, type), NFTA_DATA_VALUE);
  if (value == nullptr) return {};
  const auto found = netlink::value(value);
  return {found.begin(), found.end()};
}

// ------------------------------------------------------------------------------ values as text

unsigned length_of_ones(Span mask) {
  unsigned ones = 0;
  for (const unsigned byte : mask)
    for (unsigned bit = 0x80; bit != 0 && (byte & bit) != 0; bit >>= 1U) ++ones;
  return ones;
}

Ip ip_of(Span value) {
  return Ip::of_bytes(value.size() > sizeof(in_addr) ? Family::V6 : Family::V4, value);
}

unsigned port_of(Span value) {
  return value.size() < 2 ? 0 : unsigned{value[0]} << 8U | unsigned{value[1]};
}

/// The values from FIRST to LAST of the field that is for WHERE.
std::string value_text(Text where, Span first, Span last) {
  if (first.empty()) return "";
  if (where == &Translation::source || where == &Translation::address ||
      where == &Translation::to) {
    const auto text = range_text(ip_of(first), ip_of(last));
    return text.ends_with("/0") ? "" : text;  // whatever address is no condition
  }
  if (where == &Translation::port || where == &Translation::to_port) {
    const auto from = port_of(first);
    const auto to = port_of(last);
    return from == to ? cat(from) : cat(from, "-", to);
  }
  if (where == &Translation::protocol) {
    if (first[0] == IPPROTO_TCP) return "tcp";
    return first[0] == IPPROTO_UDP ? "udp" : cat(first[0]);
  }
  return nft::interface_name({first.begin(), first.end()});
}

// ----------------------------------------------------------------------------------------- rules

/// What a field of a packet, loaded as EXPRESSION says, would tell; nothing: not ours to tell.
std::optional<Text> field_of(const std::string& kind, const nlattr* data) {
  if (kind == "meta") {
    switch (number(data, NFTA_META_KEY)) {
      case NFT_META_L4PROTO:
        return &Translation::protocol;
      case NFT_META_IIFNAME:
        return &Translation::in;
      case NFT_META_OIFNAME:
        return &Translation::out;
      default:
        return std::nullopt;
    }
  }
  const auto base = number(data, NFTA_PAYLOAD_BASE);
  const auto offset = number(data, NFTA_PAYLOAD_OFFSET);
  const auto length = number(data, NFTA_PAYLOAD_LEN);
  if (base == NFT_PAYLOAD_TRANSPORT_HEADER && offset == 2 && length == 2) return &Translation::port;
  if (base != NFT_PAYLOAD_NETWORK_HEADER) return std::nullopt;
  if (offset == 9 && length == 1) return &Translation::protocol;
  // ip saddr: 12, daddr: 16; ip6 saddr: 8, daddr: 24. A prefix of whole bytes loads only these.
  if ((offset == 12 && length <= 4) || offset == 8) return &Translation::source;
  if ((offset == 16 && length <= 4) || offset == 24) return &Translation::address;
  return std::nullopt;
}

/// Where the register NUMBER begins, in bytes: there are four of 16 bytes, or the same place by
/// four bytes each.
std::uint32_t place_of(std::uint32_t number) {
  return number >= NFT_REG32_00 ? (number - NFT_REG32_00) * 4 : (number - NFT_REG_1) * 16;
}

bool is_translation(const nlattr* expression) {
  const auto kind = string(expression, NFTA_EXPR_NAME);
  if (kind != "target") return kind == "nat" || kind == "masq" || kind == "redir";
  const auto target = string(find(expression, NFTA_EXPR_DATA), NFTA_TARGET_NAME);
  return target == "DNAT" || target == "SNAT" || target == "MASQUERADE" || target == "REDIRECT";
}

class Reader {
 public:
  Reader(netlink::Socket& socket, std::uint8_t family, std::string table)
      : socket_(socket), family_(family), table_(std::move(table)) {}

  /// What EXPRESSIONS, a rule's, translate. Sets of other rules are not looked at: they may be
  /// long.
  std::vector<Translation> read(const nlattr* expressions, const std::string& comment) {
    bool translates = false;
    for (const nlattr* expression : Attributes(expressions))
      translates = translates || is_translation(expression);
    if (!translates) return {};
    for (const nlattr* expression : Attributes(expressions))
      read(string(expression, NFTA_EXPR_NAME), find(expression, NFTA_EXPR_DATA));
    for (auto& found : found_)
      if (found.comment.empty()) found.comment = comment;
    return found_;
  }

 private:
  struct Register {
    std::optional<Text> field;  // of the packet
    Bytes value;                // or a constant
    Bytes mask;
    std::size_t size = 0;  // bytes
    Bytes from;            // compared with: at least this
  };

  void read(const std::string& kind, const nlattr* data) {
    if (kind == "meta" || kind == "payload") {
      const bool meta = kind == "meta";
      auto& loaded = registers_[place_of(
          number(data, meta ? std::uint16_t{NFTA_META_DREG} : std::uint16_t{NFTA_PAYLOAD_DREG}))];
      loaded = {field_of(kind, data), {}, {}, meta ? 0 : number(data, NFTA_PAYLOAD_LEN), {}};
      if (meta)
        loaded.size =
            loaded.field == &Translation::in || loaded.field == &Translation::out ? IFNAMSIZ : 4;
    } else if (kind == "immediate") {
      registers_[place_of(number(data, NFTA_IMMEDIATE_DREG))] = {
          {}, bytes(data, NFTA_IMMEDIATE_DATA), {}, 0, {}};
    } else if (kind == "bitwise") {
      registers_[place_of(number(data, NFTA_BITWISE_SREG))].mask = bytes(data, NFTA_BITWISE_MASK);
    } else if (kind == "cmp") {
      compare(data);
    } else if (kind == "range") {
      const auto& loaded = registers_[place_of(number(data, NFTA_RANGE_SREG))];
      restrict(loaded.field, number(data, NFTA_RANGE_OP) == NFT_RANGE_NEQ,
               bytes(data, NFTA_RANGE_FROM_DATA), bytes(data, NFTA_RANGE_TO_DATA));
    } else if (kind == "lookup") {
      look_up(data);
    } else if (kind == "nat" || kind == "masq" || kind == "redir") {
      translate(kind, data);
    } else if (kind == "match" || kind == "target") {
      read_xt(string(data, NFTA_MATCH_NAME), kind == "target", find(data, NFTA_MATCH_INFO),
              number(data, NFTA_MATCH_REV));
    }
  }

  void restrict(std::optional<Text> field, bool inverted, Span first, Span last) {
    if (!field) return;
    const auto text = value_text(*field, first, last);
    if (!text.empty())
      for (auto& found : found_) found.*(*field) = cat(inverted ? "!" : "", text);
  }

  void compare(const nlattr* data) {
    auto& loaded = registers_[place_of(number(data, NFTA_CMP_SREG))];
    const auto op = number(data, NFTA_CMP_OP);
    Bytes first = bytes(data, NFTA_CMP_DATA);
    Bytes last = first;
    if (op == NFT_CMP_GTE) loaded.from = first;
    if (op == NFT_CMP_LTE && !loaded.from.empty()) first = loaded.from;
    const bool equal = op == NFT_CMP_EQ || op == NFT_CMP_NEQ;
    if (!loaded.field || first.empty() || (!equal && op != NFT_CMP_LTE)) return;
    if (equal &&
        (*loaded.field == &Translation::source || *loaded.field == &Translation::address)) {
      const unsigned prefix = loaded.mask.empty() ? 8 * static_cast<unsigned>(first.size())
                                                  : length_of_ones(loaded.mask);
      first.resize(family_ == NFPROTO_IPV6 || first.size() > 4 ? 16 : 4);
      const Ip end = Cidr{ip_of(first), prefix}.last();
      last.assign(end.wire().begin(), end.wire().end());
    }
    restrict(loaded.field, op == NFT_CMP_NEQ, first, last);
  }

  /// The part of KEY, a set's, that is for each of the fields it was loaded from.
  void set_key(Translation& translation, std::uint32_t place,
               const nft::ListedElement& element) const {
    std::size_t at = 0;
    for (auto loaded = registers_.find(place); at < element.key.size();) {
      if (loaded == registers_.end() || loaded->second.size == 0) return;
      const auto size = std::min(loaded->second.size, element.key.size() - at);
      if (loaded->second.field)
        translation.*(*loaded->second.field) =
            value_text(*loaded->second.field, Span(element.key).subspan(at, size),
                       Span(element.key_end).subspan(at, size));
      at += (size + 3) / 4 * 4;
      loaded = registers_.find(place + static_cast<std::uint32_t>(at));
    }
  }

  /// A set: one translation for each of its elements. A map: their data as well, where it puts
  /// them.
  void look_up(const nlattr* data) {
    const auto place = place_of(number(data, NFTA_LOOKUP_SREG));
    const auto name = string(data, NFTA_LOOKUP_SET);
    const auto& loaded = registers_[place];
    if ((number(data, NFTA_LOOKUP_FLAGS) & NFT_LOOKUP_F_INV) != 0) {
      if (loaded.field)
        for (auto& found : found_) found.*(*loaded.field) = cat("!@", name);
      return;
    }
    const auto elements = nft::list_elements(socket_, family_, table_, name);
    std::vector<Translation> multiplied;
    data_.clear();
    for (const auto& before : found_) {
      for (const auto& element : elements) {
        Translation translation = before;
        set_key(translation, place, element);
        if (!element.comment.empty()) translation.comment = element.comment;
        multiplied.push_back(std::move(translation));
        data_.push_back(element.data);
      }
    }
    found_ = std::move(multiplied);
    if (find(data, NFTA_LOOKUP_DREG) != nullptr)
      datum_place_ = place_of(number(data, NFTA_LOOKUP_DREG));
    else
      data_.clear();
  }

  /// What the register NUMBER holds when translation INDEX is made, SIZE bytes of it.
  [[nodiscard]] Bytes held(std::uint32_t number, std::size_t index, std::size_t size) const {
    const auto place = place_of(number);
    const Span datum = data_.empty() ? Span() : Span(data_[index]);
    if (place >= datum_place_ && place - datum_place_ < datum.size()) {
      const auto rest = datum.subspan(place - datum_place_);
      const auto part = rest.first(std::min(size, rest.size()));
      return {part.begin(), part.end()};
    }
    const auto constant = registers_.find(place);
    return constant == registers_.end() ? Bytes() : constant->second.value;
  }

  void translate(const std::string& kind, const nlattr* data) {
    const bool masquerades = kind == "masq";
    const bool redirects = kind == "redir";
    const bool source = !masquerades && !redirects && number(data, NFTA_NAT_TYPE) == NFT_NAT_SNAT;
    const std::uint32_t family = redirects || masquerades ? family_ : number(data, NFTA_NAT_FAMILY);
    const auto address = redirects || masquerades ? 0 : number(data, NFTA_NAT_REG_ADDR_MIN);
    const auto port = masquerades ? 0
                                  : number(data, redirects ? std::uint16_t{NFTA_REDIR_REG_PROTO_MIN}
                                                           : std::uint16_t{NFTA_NAT_REG_PROTO_MIN});
    for (std::size_t i = 0; i < found_.size(); ++i) {
      auto& found = found_[i];
      if (masquerades) found.kind = Translation::Kind::Masquerade;
      if (source) found.kind = Translation::Kind::Source;
      const auto to = address == 0 ? Bytes() : held(address, i, family == NFPROTO_IPV6 ? 16 : 4);
      const auto to_port = port == 0 ? Bytes() : held(port, i, 2);
      found.to = value_text(&Translation::to, to, to);
      found.to_port = value_text(&Translation::to_port, to_port, to_port);
    }
  }

  template <class Struct>
  static std::optional<Struct> as(const nlattr* info) {
    const auto value = info == nullptr ? Span() : netlink::value(info);
    if (value.size() < sizeof(Struct)) return std::nullopt;
    Struct copy;
    std::memcpy(&copy, value.data(), sizeof copy);
    return copy;
  }

  void set_ports(const std::uint16_t* ports, bool inverted) {  // host byte order
    if (ports[0] == 0 && ports[1] == 0xffff) return;
    for (auto& found : found_)
      found.port = cat(inverted ? "!" : "",
                       ports[0] == ports[1] ? cat(ports[0]) : cat(ports[0], "-", ports[1]));
  }

  void read_xt(const std::string& name, bool target, const nlattr* info, std::uint32_t revision) {
    if (!target) {
      if (const auto tcp = as<xt_tcp>(info); tcp && name == "tcp")
        set_ports(tcp->dpts, (tcp->invflags & XT_TCP_INV_DSTPT) != 0);
      if (const auto udp = as<xt_udp>(info); udp && name == "udp")
        set_ports(udp->dpts, (udp->invflags & XT_UDP_INV_DSTPT) != 0);
      return;
    }
    const auto kind = name == "MASQUERADE" ? Translation::Kind::Masquerade
                      : name == "SNAT"     ? Translation::Kind::Source
                                           : Translation::Kind::Destination;
    for (auto& found : found_) found.kind = kind;
    // The first revisions of IPv4's have another struct.
    const auto old = as<nf_nat_ipv4_multi_range_compat>(info);
    const auto now = as<nf_nat_range>(info);
    if (revision == 0 && family_ == NFPROTO_IPV4 && old)
      set_target(old->range[0].flags, &old->range[0].min_ip, old->range[0].min.all);
    else if (now)
      set_target(now->flags, &now->min_addr, now->min_proto.all);
  }

  void set_target(unsigned flags, const void* address, std::uint16_t port) {
    const auto* first = static_cast<const std::uint8_t*>(address);
    const Span to(first, family_ == NFPROTO_IPV6 ? sizeof(in6_addr) : sizeof(in_addr));
    for (auto& found : found_) {
      if ((flags & NF_NAT_RANGE_MAP_IPS) != 0) found.to = value_text(&Translation::to, to, to);
      if ((flags & NF_NAT_RANGE_PROTO_SPECIFIED) != 0) found.to_port = cat(ntohs(port));
    }
  }

  netlink::Socket& socket_;
  std::uint8_t family_;
  std::string table_;
  std::map<std::uint32_t, Register> registers_;
  std::vector<Translation> found_ = {{}};
  std::vector<Bytes> data_;  // of a map's elements, for each of them
  std::uint32_t datum_place_ = 0;
};

/// A rule that was listed; its bytes, to be read when the listing is over.
struct Rule {
  std::uint8_t family = 0;
  std::string table, comment;
  Bytes expressions;
};

std::optional<Rule> parse_rule(const nlmsghdr* header) {
  const Attributes attributes(header, sizeof(nfgenmsg));
  const auto* table = attributes.find(NFTA_RULE_TABLE);
  const auto* expressions = attributes.find(NFTA_RULE_EXPRESSIONS);
  if (table == nullptr || expressions == nullptr) return std::nullopt;
  Rule rule;
  rule.family = static_cast<const nfgenmsg*>(mnl_nlmsg_get_payload(header))->nfgen_family;
  rule.table = netlink::value_string(table);
  if (const auto* data = attributes.find(NFTA_RULE_USERDATA)) rule.comment = nft::comment_of(data);
  const Span all(reinterpret_cast<const std::uint8_t*>(expressions), expressions->nla_len);
  rule.expressions = {all.begin(), all.end()};
  return rule;
}

}  // namespace

std::vector<Translation> translations() {
  netlink::Socket socket(NETLINK_NETFILTER);
  Message listing = nft::table_message(NFT_MSG_GETRULE, 0, NFPROTO_UNSPEC);
  std::vector<Rule> rules;
  try {
    rules = socket.dump<Rule>(listing, parse_rule);
  } catch (const base::Error& error) {
    const int reason = error.code().value();
    if (reason == EINVAL || reason == EOPNOTSUPP) return {};  // no nf_tables in this kernel
    throw;
  }
  std::vector<Translation> all;
  for (const auto& rule : rules)
    std::ranges::move(
        Reader(socket, rule.family, rule.table)
            .read(reinterpret_cast<const nlattr*>(rule.expressions.data()), rule.comment),
        std::back_inserter(all));
  std::ranges::sort(all);
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

}  // namespace netsetup
