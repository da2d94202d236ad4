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

/// The value that the attribute TYPE of NEST holds; empty where there is none.
Bytes bytes(const nlattr* nest, std::uint16_t type) {
  const nlattr* data = Attributes(nest).find(type);
  const nlattr* value = data == nullptr ? nullptr : Attributes(data).find(NFTA_DATA_VALUE);
  if (value == nullptr) return {};
  const auto found = netlink::value(value);
  return {found.begin(), found.end()};
}

struct FoundElement : ListedElement {
  bool ends_interval = false;
};

std::vector<FoundElement> parse_elements(const nlmsghdr* header) {
  std::vector<FoundElement> all;
  const auto* list = Attributes(header, sizeof(nfgenmsg)).find(NFTA_SET_ELEM_LIST_ELEMENTS);
  if (list == nullptr) return all;
  for (const nlattr* one : Attributes(list)) {
    FoundElement element;
    element.key = bytes(one, NFTA_SET_ELEM_KEY);
    element.key_end = bytes(one, NFTA_SET_ELEM_KEY_END);
    element.data = bytes(one, NFTA_SET_ELEM_DATA);
    const auto* flags = Attributes(one).find(NFTA_SET_ELEM_FLAGS);
    element.ends_interval =
        flags != nullptr && (netlink::value_be32(flags) & NFT_SET_ELEM_INTERVAL_END) != 0;
    if (const auto* data = Attributes(one).find(NFTA_SET_ELEM_USERDATA))
      element.comment = comment_of(data);
    all.push_back(std::move(element));
  }
  return all;
}

void step_back(Bytes& value) {
  for (auto byte = value.rbegin(); byte != value.rend() && (*byte)-- == 0; ++byte) {
  }
}

}  // namespace

std::vector<ListedElement> list_elements(netlink::Socket& socket, std::uint8_t family,
                                         const std::string& table, const std::string& name) {
  Message message = table_message(NFT_MSG_GETSETELEM, 0, family);
  message.put_string(NFTA_SET_ELEM_LIST_TABLE, table);
  message.put_string(NFTA_SET_ELEM_LIST_SET, name);
  std::vector<FoundElement> all;
  try {
    for (auto& part : socket.dump<std::vector<FoundElement>>(message, parse_elements))
      std::ranges::move(part, std::back_inserter(all));
  } catch (const base::Error& error) {
    if (error.code().value() != ENOENT) throw;
  }
  std::ranges::sort(all, {}, [](const FoundElement& element) {
    return std::pair(element.key, !element.ends_interval);
  });
  std::vector<ListedElement> whole;
  for (auto& element : all) {
    if (!element.ends_interval) {
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
