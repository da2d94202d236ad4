// SPDX-License-Identifier: MIT
// Elements and tables of nf_tables in raw netlink: see nft.h.
//
// A change is a batch: BATCH_BEGIN, the messages, BATCH_END; the kernel does all or nothing. A
// message names a set and lists elements of it.
#include "netsetup/nft.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cerrno>
#include <iterator>

#include "base/error.h"
#include "base/text.h"
#include "netsetup/nft_messages.h"

namespace netsetup::nft {

using netlink::Answer;
using netlink::Attributes;
using netlink::Message;
using netlink::Nest;

namespace {

void put_value(Message& message, std::uint16_t type, const Bytes& bytes) {
  const Nest nest(message, type);
  message.put_bytes(NFTA_DATA_VALUE, bytes);
}

/// The least value above BYTES, taken as one big-endian number; nothing above all ones.
std::optional<Bytes> successor(Bytes bytes) {
  for (auto byte = bytes.rbegin(); byte != bytes.rend(); ++byte)
    if (++*byte != 0) return bytes;
  return std::nullopt;
}

enum class Part : bool { Start, End };

/// A set of single fields with intervals is a tree in the kernel, in which an interval is two
/// elements: its first value, and the first value beyond it, flagged as an end.
bool has_end_element(const Element& element) {
  return element.key.size() == 1 && !element.key_end.empty() &&
         successor(concatenate(element.key_end)).has_value();
}

void put_element(Message& message, const Element& element, Part part) {
  const Nest one(message, NFTA_LIST_ELEM);
  if (part == Part::End) {
    put_value(message, NFTA_SET_ELEM_KEY, successor(concatenate(element.key_end)).value());
    message.put_be32(NFTA_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END);
    return;
  }
  put_value(message, NFTA_SET_ELEM_KEY, concatenate(element.key));
  if (element.key_end.size() > 1)
    put_value(message, NFTA_SET_ELEM_KEY_END, concatenate(element.key_end));
  if (!element.data.empty()) put_value(message, NFTA_SET_ELEM_DATA, concatenate(element.data));
  if (!element.comment.empty()) {
    put_comment(message, NFTA_SET_ELEM_USERDATA, element.comment);
  }
}

/// A message of TYPE about ELEMENTS, all of one set.
Message element_message(std::span<const Element> elements, int type, std::uint16_t flags) {
  Message message = table_message(type, flags, family_number(elements.front().family));
  message.put_string(NFTA_SET_ELEM_LIST_TABLE, TableName);
  message.put_string(NFTA_SET_ELEM_LIST_SET, elements.front().set);
  const Nest list(message, NFTA_SET_ELEM_LIST_ELEMENTS);
  for (const Element& element : elements)
    for (const Part part : {Part::Start, Part::End})
      if (part == Part::Start || has_end_element(element)) put_element(message, element, part);
  return message;
}

/// A batch of messages of TYPE about ELEMENTS.
std::vector<Message> element_batch(std::span<const Element> elements, int type,
                                   std::uint16_t flags) {
  constexpr std::size_t Most = 100;  // no list may outgrow its 16-bit length
  std::vector<Message> messages;
  while (!elements.empty()) {
    const auto other = std::ranges::find_if(elements, [&](const Element& element) {
      return element.set != elements.front().set || element.family != elements.front().family;
    });
    const auto alike = static_cast<std::size_t>(other - elements.begin());
    const auto some = elements.first(std::min(alike, Most));
    messages.push_back(element_message(some, type, flags));
    elements = elements.subspan(some.size());
  }
  return batch_of(std::move(messages));
}

}  // namespace

std::string comment_of(const nlattr* user_data) {
  const auto bytes = netlink::value(user_data);
  for (std::size_t at = 0; at + 2 <= bytes.size(); at += 2U + bytes[at + 1]) {
    const auto text = bytes.subspan(at + 2);
    if (bytes[at] != CommentTag || bytes[at + 1] == 0 || bytes[at + 1] > text.size()) continue;
    return {reinterpret_cast<const char*>(text.data()), bytes[at + 1] - std::size_t{1}};
  }
  return {};
}

std::vector<Message> batch_of(std::vector<Message> messages) {
  const auto mark = [](int type) {
    Message message(static_cast<std::uint16_t>(type), 0);
    auto& header = message.extra_header<nfgenmsg>();
    header.nfgen_family = AF_UNSPEC;
    header.res_id = htons(NFNL_SUBSYS_NFTABLES);
    return message;
  };
  messages.back().header()->nlmsg_flags |= NLM_F_ACK;
  messages.insert(messages.begin(), mark(NFNL_MSG_BATCH_BEGIN));
  messages.push_back(mark(NFNL_MSG_BATCH_END));
  return messages;
}

namespace {

Field field_of(std::span<const std::uint8_t> bytes, std::size_t size) {
  Field field;
  std::ranges::copy(bytes, field.room.begin());
  field.size = static_cast<std::uint8_t>(size);
  return field;
}

Field field_of(std::span<const std::uint8_t> bytes) { return field_of(bytes, bytes.size()); }

}  // namespace

Field field(const Ip& address) { return field_of(address.wire()); }

Field field(const Mac& mac) { return field_of(mac.bytes); }

Field field(Family family) {
  return {{static_cast<std::uint8_t>(family == Family::V4 ? NFPROTO_IPV4 : NFPROTO_IPV6)}, 1};
}

Field field(Protocol protocol) { return {{static_cast<std::uint8_t>(protocol)}, 1}; }

Field field(std::uint16_t port) {
  return {{static_cast<std::uint8_t>(port >> 8U), static_cast<std::uint8_t>(port)}, 2};
}

Field interface_field(std::string_view name) {
  constexpr std::size_t Size = 16;  // IFNAMSIZ
  if (name.size() >= Size) throw base::Error(base::cat("interface name too long: ", name));
  return field_of({reinterpret_cast<const std::uint8_t*>(name.data()), name.size()}, Size);
}

std::string interface_name(const Bytes& field) {
  return {field.begin(), std::find(field.begin(), field.end(), 0)};
}

Bytes concatenate(const std::vector<Field>& fields) {
  constexpr std::size_t Register = 4;  // NFT_REG32_SIZE
  Bytes joined;
  joined.reserve(fields.size() * Field::Longest);
  for (const Field& one : fields) {
    const auto bytes = one.bytes();
    joined.insert(joined.end(), bytes.begin(), bytes.end());
    if (fields.size() == 1) return joined;
    joined.resize((joined.size() + Register - 1) / Register * Register);
  }
  return joined;
}

Socket::Socket() : socket_(NETLINK_NETFILTER) {}

void Socket::add(const std::vector<Element>& elements) {
  if (elements.empty()) return;
  auto batch = element_batch(elements, NFT_MSG_NEWSETELEM, NLM_F_CREATE);
  for (const Answer& error : socket_.batch(batch)) error.throw_error();
}

void Socket::remove(const std::vector<Element>& elements) {
  if (elements.empty()) return;
  auto batch = element_batch(elements, NFT_MSG_DELSETELEM, 0);
  const auto errors = socket_.batch(batch);
  for (const Answer& error : errors)
    if (error.error != ENOENT) error.throw_error();
  if (errors.empty() || elements.size() == 1) return;
  // One that had gone took the whole transaction with it: now each by itself.
  for (const Element& element : elements) remove({element});
}

std::optional<ListedElement> Socket::find(const Element& element) {
  const Element key[] = {{element.set, element.key, element.key_end, {}, {}, element.family}};
  Message message = element_message(key, NFT_MSG_GETSETELEM, 0);
  std::optional<ListedElement> found;
  const Answer answer = socket_.ask(message, [&](const nlmsghdr* reply) {
    if (reply->nlmsg_type != message_type(NFT_MSG_NEWSETELEM)) return;
    for (auto& one : parse_elements(reply))
      if (one.flags == 0) found = std::move(one);
  });
  if (answer.error == ENOENT) return std::nullopt;
  answer.throw_error();
  return found;
}

std::vector<ListedElement> Socket::list(const std::string& set) {
  auto all = dump_elements(socket_, family_number("inet"), TableName, set);
  std::erase_if(all, [](const ListedElement& element) { return element.flags != 0; });
  return all;
}

std::optional<Socket::Table> Socket::find_table(std::string_view name, std::string_view family) {
  Message message = table_message(NFT_MSG_GETTABLE, 0, family_number(family));
  message.put_string(NFTA_TABLE_NAME, name);
  std::optional<Table> table;
  const Answer answer = socket_.ask(message, [&](const nlmsghdr* reply) {
    table.emplace();
    const Attributes attributes(reply, sizeof(nfgenmsg));
    if (const auto* user_data = attributes.find(NFTA_TABLE_USERDATA))
      table->comment = comment_of(user_data);
    if (const auto* owner = attributes.find(NFTA_TABLE_OWNER))
      table->owner = netlink::value_be32(owner);
  });
  if (answer.error == ENOENT) return std::nullopt;
  if (answer.error == EINVAL || answer.error == EOPNOTSUPP)  // nfnetlink knows no such subsystem
    throw base::Error(answer.error, "this kernel has no nf_tables (CONFIG_NF_TABLES)");
  answer.throw_error();
  return table;
}

std::string Socket::shape() {
  std::string shape;
  for (const std::string_view family : Families) {
    Message about_table = table_message(NFT_MSG_GETTABLE, 0, family_number(family));
    about_table.put_string(NFTA_TABLE_NAME, TableName);
    const Answer answer = socket_.ask(about_table, [&](const nlmsghdr* reply) {
      if (const auto* use = Attributes(reply, sizeof(nfgenmsg)).find(NFTA_TABLE_USE))
        shape += base::cat(shape.empty() ? "table " : ", table ", netlink::value_be32(use));
    });
    if (answer.error == ENOENT && shape.empty()) return {};
    if (answer.error == ENOENT) continue;
    answer.throw_error();
    Message about_chains = table_message(NFT_MSG_GETCHAIN, 0, family_number(family));
    const auto chains = socket_.dump<std::string>(
        about_chains, [](const nlmsghdr* reply) -> std::optional<std::string> {
          const Attributes attributes(reply, sizeof(nfgenmsg));
          const auto* table = attributes.find(NFTA_CHAIN_TABLE);
          const auto* name = attributes.find(NFTA_CHAIN_NAME);
          const auto* use = attributes.find(NFTA_CHAIN_USE);
          if (table == nullptr || name == nullptr || use == nullptr ||
              netlink::value_string(table) != TableName)
            return std::nullopt;
          return base::cat(", ", netlink::value_string(name), " ", netlink::value_be32(use));
        });
    for (const auto& chain : chains) shape += chain;
  }
  return shape;
}

void Socket::delete_table(std::string_view name, std::string_view family) {
  std::vector<Message> messages;
  messages.push_back(table_message(NFT_MSG_DELTABLE, 0, family_number(family)));
  messages.back().put_string(NFTA_TABLE_NAME, name);
  auto batch = batch_of(std::move(messages));
  for (const Answer& error : socket_.batch(batch))
    if (error.error != ENOENT) error.throw_error();
}

}  // namespace netsetup::nft
