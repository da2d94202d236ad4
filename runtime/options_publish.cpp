// SPDX-License-Identifier: MIT
// -p, --publish [ADDR:]HOST:CONTAINER[/tcp|/udp|/tcp+udp], ports or ranges: the option that is
// typed most, so that its messages try hardest to say what was probably meant.
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

/// "tcp port 8080 on every address", for a message.
std::string described(const PublishedPort& port) {
  return cat(netsetup::text(port.protocol), " port ", port.host_port, " on ",
             port.host_address ? port.host_address->text() : "every address");
}

}  // namespace

std::vector<PublishedPort> published_ports(std::string_view text) {
  const auto slash = text.rfind('/');
  const auto fields = split_fields(text.substr(0, slash));
  const auto all = slash == std::string_view::npos ? std::vector{Protocol::Tcp}
                                                   : protocols(text, text.substr(slash + 1));
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
  std::vector<PublishedPort> ports;
  for (const auto protocol : all)
    for (std::uint32_t i = 0; i < host.count; ++i)
      ports.push_back({address, static_cast<std::uint16_t>(host.first + i),
                       static_cast<std::uint16_t>(container.first + i), protocol});
  return ports;
}

namespace {

/// That one of PORTS which TEXT means, without ranges.
PublishedPort find_one(const std::vector<PublishedPort>& ports, std::string_view text) {
  std::vector<std::string> known;
  for (const auto& port : ports) {
    const std::string address = port.address_text();
    const std::string host = cat(port.host_port);
    const std::string inner = cat(":", port.container_port);
    const std::string protocol = cat("/", netsetup::text(port.protocol));
    for (const auto& name : {host, host + inner, cat(address, host), cat(address, host, inner)}) {
      if (text == name + protocol || (text == name && port.protocol == Protocol::Tcp)) return port;
    }
    known.push_back(port.text());
  }
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
  // A range as -p has it, or FIRST-LAST[/PROTOCOL] of the host.
  if (text.find('-') == std::string_view::npos && text.find('+') == std::string_view::npos)
    return {find_one(ports, text)};
  const auto slash = text.rfind('/');
  const auto host = text.substr(0, slash);
  const auto protocol = slash == std::string_view::npos ? "" : text.substr(slash);
  const bool whole = host.find(':') != std::string_view::npos;
  std::vector<PublishedPort> found;
  for (const auto& port :
       published_ports(whole ? std::string(text) : cat(host, ':', host, protocol)))
    found.push_back(find_one(
        ports, cat(port.address_text(), port.host_port, whole ? cat(':', port.container_port) : "",
                   '/', netsetup::text(port.protocol))));
  return found;
}

void check_distinct(const std::vector<PublishedPort>& ports) {
  auto sorted = ports;
  // A port without an address sorts before those with one, 0.0.0.0 and :: before the others of
  // their family: whatever clashes with one clashes with an adjacent one, too.
  std::sort(sorted.begin(), sorted.end(), [](const PublishedPort& a, const PublishedPort& b) {
    return std::tie(a.protocol, a.host_port, a.host_address) <
           std::tie(b.protocol, b.host_port, b.host_address);
  });
  const auto clash = std::adjacent_find(sorted.begin(), sorted.end(),
                                        [](const auto& a, const auto& b) { return a.overlaps(b); });
  if (clash == sorted.end()) return;
  const auto& other = *std::next(clash);
  throw base::Error(cat(Option, ": ", described(*clash), " is asked for twice",
                        *clash == other ? std::string{} : cat(", also as ", described(other)),
                        "; each port of the host leads to one place"));
}

}  // namespace runtime::values
