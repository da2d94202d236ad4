// SPDX-License-Identifier: MIT
#include "netsetup/publish.h"

#include <algorithm>
#include <cerrno>
#include <map>
#include <span>
#include <string>

#include "base/error.h"
#include "base/text.h"
#include "netsetup/elements.h"
#include "netsetup/kernel.h"

namespace netsetup {

using base::cat;
using base::Error;

namespace {

constexpr std::size_t FieldSize = 4;  // of a key, what an inet_proto or inet_service takes

std::uint16_t number(std::span<const std::uint8_t> bytes) {
  return static_cast<std::uint16_t>(bytes[0] << 8U | bytes[1]);
}

/// What ELEMENT of one of the maps of FAMILY publishes, by its key: [ADDRESS . ] PROTOCOL . PORT.
/// Of the container's port nothing is said.
PublishedPort port_of(Family family, const nft::ListedElement& element) {
  const std::span<const std::uint8_t> key = element.key;
  const std::span<const std::uint8_t> end = element.key_end.empty() ? key : element.key_end;
  PublishedPort port;
  const std::size_t address = key.size() - 2 * FieldSize;  // its size; 0: any
  const bool any = address == 0 || !std::ranges::equal(key.first(address), end.first(address));
  port.host_address = any ? Ip{family, {}} : Ip::of_bytes(family, key.first(address));
  port.protocol = static_cast<Protocol>(key[address]);
  port.host_port = number(key.last(FieldSize));
  port.count = static_cast<std::uint16_t>(number(end.last(FieldSize)) - port.host_port + 1);
  return port;
}

Error taken(std::uint16_t port, Protocol protocol, const nft::ListedElement& by) {
  return Error(cat("port ", port, "/", text(protocol), " is taken: the container ",
                   by.comment.empty() ? "?" : base::printable(by.comment), " has it"));
}

/// Throws where one of PORTS meets one of another container than OURS, beside two single ports with
/// the same key: the kernel takes only the first of these.
void refuse_overlap(nft::Socket& nft, const std::vector<PublishedPort>& ports,
                    std::string_view ours) {
  for (const Family family : {Family::V4, Family::V6}) {
    for (const std::string_view kind : {"_range", "_any", "_addr"}) {
      const std::string map = cat("pub", digit(family), kind);
      if (std::ranges::all_of(ports, [&](const auto& port) {
            return port.count == 1 && publish_map(port, family) == map;
          }))
        continue;
      for (const auto& element : nft.list(map)) {
        if (element.comment == ours) continue;
        const auto other = port_of(family, element);
        for (const auto& port : ports)
          if (port.overlaps(other))
            throw taken(std::max(port.host_port, other.host_port), port.protocol, element);
      }
    }
  }
}

/// Calls FUNCTION(element, listed) for those of ELEMENTS whose key is there.
template <class Function>
void for_each_present(nft::Socket& nft, const std::vector<nft::Element>& elements,
                      const Function& function) {
  // Many are not asked for one by one: a listing costs less, though it has those of others, too.
  constexpr std::size_t Many = 32;
  if (elements.size() < Many) {
    for (const auto& element : elements)
      if (const auto found = nft.find(element)) function(element, *found);
    return;
  }
  std::map<std::string, std::vector<nft::ListedElement>> sets;
  for (const auto& element : elements) {
    const auto [set, is_new] = sets.try_emplace(element.set);
    auto& there = set->second;
    if (is_new) {
      there = nft.list(element.set);
      std::ranges::sort(there, {}, &nft::ListedElement::key);
    }
    const auto key = nft::concatenate(element.key);
    const auto found = std::ranges::lower_bound(there, key, {}, &nft::ListedElement::key);
    if (found != there.end() && found->key == key) function(element, *found);
  }
}

/// Whether LISTED is ELEMENT, and not another's: by the address that a map's leads to, or the name.
bool same(const nft::Element& element, const nft::ListedElement& listed) {
  return element.data.empty() ? listed.comment == element.comment
                              : listed.data == nft::concatenate(element.data);
}

/// Throws where a key of ELEMENTS leads to another container.
void refuse_taken(nft::Socket& nft, const std::vector<nft::Element>& elements) {
  for_each_present(nft, elements, [](const auto& element, const auto& listed) {
    if (element.data.empty() || same(element, listed)) return;
    const auto port = port_of(Family::V4, listed);
    throw taken(port.host_port, port.protocol, listed);
  });
}

}  // namespace

void check_free(Kernel& kernel, const std::vector<PublishedPort>& ports) {
  if (ports.empty()) return;
  refuse_overlap(kernel.nft(), ports, {});
  refuse_taken(kernel.nft(),
               elements(Publish{{}, {Ip{Family::V4, {}}, Ip{Family::V6, {}}}, ports}));
}

void publish(nft::Socket& nft, const Publish& publish) {
  const auto all = elements(publish);
  try {
    // What is there with our datum is ours: somebody who mended the rules was quicker (repair.h).
    nft.add(all);
  } catch (const Error& error) {
    // With another datum it is another's, to newer and to older kernels (5.10); an interval that
    // meets another is ENOTEMPTY.
    const int code = error.code().value();
    if (code != EEXIST && code != EBUSY && code != ENOTEMPTY) throw;
    refuse_overlap(nft, publish.ports, publish.comment);
    refuse_taken(nft, all);
    throw;
  }
  refuse_overlap(nft, publish.ports, publish.comment);
}

void unpublish(nft::Socket& nft, const Publish& publish) {
  // `delete element` looks at the key only: what is not this container's must be left out here.
  std::vector<nft::Element> ours;
  for_each_present(nft, elements(publish), [&](const auto& element, const auto& listed) {
    if (same(element, listed)) ours.push_back(element);
  });
  nft.remove(ours);
}

}  // namespace netsetup
