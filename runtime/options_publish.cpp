// SPDX-License-Identifier: MIT
// -p, --publish [ADDR:]HOST:CONTAINER[/tcp|/udp|/tcp+udp][,from=CIDR...], ports or ranges: the
// option that is typed most, so that its messages try hardest to say what was probably meant. A
// range that leads to the same ports of the container is one PublishedPort, any other one for each
// port.
#include <algorithm>
#include <iterator>
#include <tuple>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "runtime/options_values.h"

namespace runtime::values {

using base::cat;
using base::printable;
using netsetup::Cidr;
using netsetup::Ip;
using netsetup::Protocol;
using netsetup::PublishedPort;

namespace {

constexpr std::string_view Option = "--publish";
constexpr std::uint32_t LargestPort = 65535;

bool all_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

/// FIELD of TEXT as a port; WHOSE is "host" or "container".
std::uint16_t port(std::string_view text, std::string_view field, std::string_view whose) {
  if (field.empty()) refuse(Option, text, cat("the ", whose, "'s port is missing"));
  if (!all_digits(field) || (field.size() > 1 && field.front() == '0')) {
    refuse(Option, text,
           cat("'", printable(field), "' is not a port, which is a number from 1 to 65535"));
  }
  const auto number = base::parse_number<std::uint32_t>(field);
  if (!number || *number > LargestPort)
    refuse(Option, text, cat(printable(field), " is too large, a port is at most 65535"));
  return static_cast<std::uint16_t>(*number);
}

/// Ports from FIRST on, COUNT of them.
struct Range {
  std::uint16_t first = 0;
  std::uint32_t count = 1;
};

/// A FIELD that is a range, its first and its last port.
std::optional<std::pair<std::string_view, std::string_view>> ends_of_range(std::string_view field) {
  const auto dash = field.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto first = field.substr(0, dash);
  const auto last = field.substr(dash + 1);
  if (!all_digits(first) || !all_digits(last)) return std::nullopt;
  return std::pair(first, last);
}

/// FIELD of TEXT, a port or FIRST-LAST; WHOSE as for port().
Range range(std::string_view text, std::string_view field, std::string_view whose) {
  const auto ends = ends_of_range(field);
  if (!ends) return {port(text, field, whose), 1};
  const auto first = port(text, ends->first, whose);
  const auto last = port(text, ends->second, whose);
  if (first == 0) refuse(Option, text, "a range begins with 1 or more");
  if (first > last)
    refuse(Option, text, cat("the range ", field, " is reversed, write ", last, '-', first));
  return {first, std::uint32_t{last} - first + 1};
}

/// The PROTOCOLS behind the slash of TEXT.
std::vector<Protocol> protocols(std::string_view text, std::string_view names) {
  std::vector<Protocol> found;
  for (const auto name : base::split(names, '+')) {
    const auto protocol = netsetup::parse_protocol(name);
    if (!protocol) {
      refuse(Option, text,
             cat("'", printable(name),
                 "' is not a protocol, which is tcp (the default), udp, or tcp+udp"));
    }
    found.push_back(*protocol);
  }
  return found;
}

Ip host_address(std::string_view text, std::string_view field) {
  if (field.empty()) refuse(Option, text, "the address before the first colon is missing");
  const bool brackets = field.front() == '[' && field.back() == ']';
  const auto address = Ip::parse(brackets ? field.substr(1, field.size() - 2) : field);
  const auto family = brackets ? netsetup::Family::V6 : netsetup::Family::V4;
  if (!address || address->family != family) {
    refuse(Option, text,
           cat("'", printable(field), "' is not an ", netsetup::text(family),
               " address, which looks like ", brackets ? "[::1]" : "127.0.0.1"));
  }
  return *address;
}

/// The FIELDS of TEXT between its colons; those of an address in brackets are none.
std::vector<std::string_view> split_fields(std::string_view text) {
  std::vector<std::string_view> fields;
  if (text.starts_with('[')) {
    const auto end = text.find("]:");
    if (end == std::string_view::npos)
      refuse(Option, text, "it needs [ADDR]:HOST:CONTAINER, as in [::1]:8080:80");
    fields.push_back(text.substr(0, end + 1));
    text.remove_prefix(end + 2);
  }
  const auto rest = base::split(text, ':');
  fields.insert(fields.end(), rest.begin(), rest.end());
  return fields;
}

/// What is neither HOST:CONTAINER nor ADDR:HOST:CONTAINER, by the number of fields.
void check_shape(std::string_view text, const std::vector<std::string_view>& fields) {
  const auto first = fields.front();
  if (fields.size() == 1 && all_digits(first)) {
    refuse(Option, text,
           cat("it needs HOST:CONTAINER, as in ", printable(first), ":", printable(first),
               " (0:", printable(first), " lets the kernel choose the host's port)"));
  }
  if (fields.size() == 1) refuse(Option, text, "it needs HOST:CONTAINER, two ports, as in 8080:80");
  if (fields.size() > 3)
    refuse(Option, text,
           "an IPv6 address needs brackets: [ADDR]:HOST:CONTAINER, as in [::1]:8080:80");
  if (fields.size() == 2 && (Ip::parse(first) || first.starts_with('['))) {
    refuse(Option, text,
           cat("one port is missing, it is ADDR:HOST:CONTAINER, as in ", printable(first),
               ":8080:80"));
  }
  if (Ip::parse(fields.back()))
    refuse(Option, text, "the address comes first: ADDR:HOST:CONTAINER, as in 127.0.0.1:8080:80");
}

/// The clients of WORDS, each from=CIDR, of TEXT; those within another are left out.
std::vector<Cidr> clients(std::string_view text, const std::vector<std::string_view>& words) {
  constexpr std::string_view From = "from=";
  std::vector<Cidr> all;
  for (const auto word : words) {
    if (!word.starts_with(From))
      refuse(Option, text,
             cat("'", printable(word), "' is not from=CIDR, as in 8080:80,from=192.0.2.0/24"));
    const auto value = word.substr(From.size());
    auto cidr = Cidr::parse(value);
    if (const auto one = Ip::parse(value)) cidr = Cidr{*one, one->bits()};
    if (!cidr)
      refuse(Option, text,
             cat("'", printable(value),
                 "' is not a network, which looks like 192.0.2.0/24 or 2001:db8::/32"));
    if (cidr->address != cidr->first())
      refuse(Option, text,
             cat("'", value, "' is an address within the network ",
                 Cidr{cidr->first(), cidr->prefix}.text(), ", write that, or the address alone"));
    all.push_back(*cidr);
  }
  // Wider ones first: networks are apart, or one is within the other.
  std::sort(all.begin(), all.end(), [](const Cidr& a, const Cidr& b) {
    return std::tie(a.prefix, a) < std::tie(b.prefix, b);
  });
  std::vector<Cidr> apart;
  for (const auto& cidr : all)
    if (std::ranges::none_of(apart,
                             [&](const Cidr& wider) { return wider.contains(cidr.first()); }))
      apart.push_back(cidr);
  return apart;
}

/// "tcp port 8080 on every address", for a message.
std::string described(const PublishedPort& port) {
  return cat(netsetup::text(port.protocol), port.count == 1 ? " port " : " ports ",
             port.host_ports().text(), " on ",
             port.host_address ? port.host_address->text() : "every address");
}

}  // namespace

std::vector<PublishedPort> published_ports(std::string_view text) {
  auto words = base::split(text, ',');
  const auto place = words.front();
  words.erase(words.begin());
  const auto slash = place.rfind('/');
  const auto fields = split_fields(place.substr(0, slash));
  const auto all = slash == std::string_view::npos ? std::vector{Protocol::Tcp}
                                                   : protocols(text, place.substr(slash + 1));
  check_shape(text, fields);
  std::optional<Ip> address;
  if (fields.size() == 3) address = host_address(text, fields[0]);
  const auto host = range(text, fields[fields.size() - 2], "host");
  const auto container = range(text, fields.back(), "container");
  if (container.first == 0)
    refuse(Option, text, "the container's port cannot be 0, it is the one the program listens on");
  if (host.count != container.count) {
    refuse(Option, text,
           cat(host.count, " of the host's ports cannot lead to ", container.count,
               " of the container's, ranges are as long as each other"));
  }
  const auto from = clients(text, words);
  std::vector<PublishedPort> ports;
  for (const auto protocol : all) {
    if (host.first == container.first) {
      ports.push_back({address, host.first, host.first, protocol,
                       static_cast<std::uint16_t>(host.count), from});
      continue;
    }
    for (std::uint32_t i = 0; i < host.count; ++i)
      ports.push_back({address, static_cast<std::uint16_t>(host.first + i),
                       static_cast<std::uint16_t>(container.first + i), protocol, 1, from});
  }
  return ports;
}

namespace {

/// What `minictl port rm` was asked for: as -p has it, [ADDR:]HOST[:CONTAINER][/PROTOCOL].
struct Asked {
  std::optional<Ip> address;
  Range host;
  std::optional<std::uint16_t> container;  // the first
  std::vector<Protocol> protocols;

  explicit Asked(std::string_view text) {
    const auto slash = text.rfind('/');
    protocols = slash == std::string_view::npos ? std::vector{Protocol::Tcp}
                                                : values::protocols(text, text.substr(slash + 1));
    auto fields = split_fields(text.substr(0, slash));
    if (fields.size() > 1 && (Ip::parse(fields.front()) || fields.front().starts_with('['))) {
      address = host_address(text, fields.front());
      fields.erase(fields.begin());
    }
    if (fields.size() > 2) refuse(Option, text, "it needs [ADDR:]HOST[:CONTAINER]");
    host = range(text, fields.front(), "host");
    if (fields.size() == 2) container = range(text, fields.back(), "container").first;
  }

  /// How many of its ports PORT has, beside what else may be asked for.
  [[nodiscard]] std::uint32_t common(const PublishedPort& port, Protocol protocol) const {
    if (port.protocol != protocol || (address && address != port.host_address)) return 0;
    if (container && *container - host.first != port.container_port - port.host_port) return 0;
    const std::uint32_t first = std::max(port.host_port, host.first);
    const std::uint32_t end =
        std::min<std::uint32_t>(port.host_port + port.count, host.first + host.count);
    return first < end ? end - first : 0;
  }
};

[[noreturn]] void throw_unpublished(const std::vector<PublishedPort>& ports,
                                    std::string_view text) {
  std::vector<std::string> known;
  for (const auto& port : ports) known.push_back(port.text());
  constexpr std::size_t Shown = 5;
  throw base::Error(
      cat("port ", printable(text), " is not published",
          known.empty() ? "" : cat("; published are ", base::join_first(known, Shown))));
}

}  // namespace

std::uint16_t host_port(std::string_view text) {
  const auto number = base::parse_number<std::uint32_t>(text);
  if (!all_digits(text) || text.front() == '0' || !number || *number > LargestPort)
    refuse("--host-port", text, "it is not a port, which is a number from 1 to 65535");
  return static_cast<std::uint16_t>(*number);
}

std::vector<PublishedPort> find_published(const std::vector<PublishedPort>& ports,
                                          std::string_view text) {
  const Asked asked(text.substr(0, text.find(',')));  // for whom it is does not matter
  std::vector<PublishedPort> found;
  for (const auto protocol : asked.protocols) {
    std::uint32_t missing = asked.host.count;
    for (const auto& port : ports) {
      const auto common = missing == 0 ? 0 : asked.common(port, protocol);
      if (common == 0) continue;
      if (common < port.count)
        throw base::Error(cat("port ", printable(text), " is a part of the range ", port.text(),
                              ", which is published, and ends, as a whole: ", port.address_text(),
                              port.host_ports().text(), '/', netsetup::text(port.protocol)));
      found.push_back(port);
      missing -= std::min(missing, common);
    }
    if (missing != 0) throw_unpublished(ports, text);
  }
  return found;
}

void check_distinct(const std::vector<PublishedPort>& ports) {
  auto sorted = ports;
  // A port without an address sorts before those with one, 0.0.0.0 and :: before the others of
  // their family: what clashes with another single port clashes with an adjacent one, too.
  std::sort(sorted.begin(), sorted.end(), [](const PublishedPort& a, const PublishedPort& b) {
    return std::tie(a.protocol, a.host_port, a.host_address) <
           std::tie(b.protocol, b.host_port, b.host_address);
  });
  const auto refuse_pair = [](const PublishedPort& one, const PublishedPort& other) {
    if (!one.overlaps(other)) return;
    throw base::Error(cat(Option, ": ", described(one), " is asked for twice",
                          one == other ? std::string{} : cat(", also as ", described(other)),
                          "; each port of the host leads to one place"));
  };
  for (auto one = sorted.begin(); one != sorted.end(); ++one) {
    if (std::next(one) != sorted.end()) refuse_pair(*one, *std::next(one));
    if (one->count == 1) continue;
    for (auto other = sorted.begin(); other != sorted.end(); ++other)
      if (other != one) refuse_pair(*other, *one);
  }
}

}  // namespace runtime::values
