// SPDX-License-Identifier: MIT
// In a set of single fields an interval is two elements: its first value, and, flagged as an end,
// the first value beyond it. In one of concatenations it is one element with two keys.
#include "netsetup/set_listing.h"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

#include "base/error.h"
#include "netsetup/nft_messages.h"

namespace netsetup::nft {

using netlink::Attributes;
using netlink::Bytes;
using netlink::Message;

namespace {

Bytes data_value(const nlattr* data) {
  const nlattr* value = data == nullptr ? nullptr : Attributes(data).find(NFTA_DATA_VALUE);
  if (value == nullptr) return {};
  const auto bytes = netlink::value(value);
  return {bytes.begin(), bytes.end()};
}

bool ends_interval(const ListedElement& element) {
  return (element.flags & NFT_SET_ELEM_INTERVAL_END) != 0;
}

void step_back(Bytes& value) {
  for (auto byte = value.rbegin(); byte != value.rend() && (*byte)-- == 0; ++byte) {
  }
}

}  // namespace

std::vector<ListedElement> parse_elements(const nlmsghdr* header) {
  std::vector<ListedElement> all;
  const auto* list = Attributes(header, sizeof(nfgenmsg)).find(NFTA_SET_ELEM_LIST_ELEMENTS);
  if (list == nullptr) return all;
  for (const nlattr* one : Attributes(list)) {
    const Attributes parts(one);
    const auto* flags = parts.find(NFTA_SET_ELEM_FLAGS);
    const auto* user_data = parts.find(NFTA_SET_ELEM_USERDATA);
    all.push_back({data_value(parts.find(NFTA_SET_ELEM_KEY)),
                   data_value(parts.find(NFTA_SET_ELEM_KEY_END)),
                   data_value(parts.find(NFTA_SET_ELEM_DATA)),
                   user_data == nullptr ? "" : comment_of(user_data),
                   flags == nullptr ? 0 : netlink::value_be32(flags)});
  }
  return all;
}

std::vector<ListedElement> dump_elements(netlink::Socket& socket, std::uint8_t family,
                                         std::string_view table, std::string_view name) {
  Message message = table_message(NFT_MSG_GETSETELEM, 0, family);
  message.put_string(NFTA_SET_ELEM_LIST_TABLE, table);
  message.put_string(NFTA_SET_ELEM_LIST_SET, name);
  std::vector<ListedElement> all;
  try {
    for (auto& part : socket.dump<std::vector<ListedElement>>(message, parse_elements))
      std::ranges::move(part, std::back_inserter(all));
  } catch (const base::Error& error) {
    if (error.code().value() != ENOENT) throw;
  }
  return all;
}

std::vector<ListedElement> list_elements(netlink::Socket& socket, std::uint8_t family,
                                         const std::string& table, const std::string& name) {
  auto all = dump_elements(socket, family, table, name);
  std::ranges::sort(all, {}, [](const ListedElement& element) {
    return std::pair(element.key, !ends_interval(element));
  });
  std::vector<ListedElement> whole;
  for (auto& element : all) {
    if (!ends_interval(element)) {
      whole.push_back(std::move(element));
    } else if (!whole.empty() && whole.back().key_end.empty()) {
      whole.back().key_end = std::move(element.key);  // the first value beyond
      step_back(whole.back().key_end);
    }
  }
  for (auto& element : whole)
    if (element.key_end.empty()) element.key_end = element.key;
  return whole;
}

}  // namespace netsetup::nft
