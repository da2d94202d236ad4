// SPDX-License-Identifier: MIT
// -p, --publish [ADDR:]HOST:CONTAINER[/tcp|/udp]: the option that is typed most, so that its
// messages try hardest to say what was probably meant.
#include <algorithm>
#include <iterator>
#include <tuple>

#include "base/error.h"
#include "base/text.h"
#include "runtime/options_values.h"

namespace runtime::values {

using base::cat;
using base::printable;
using netsetup::Ipv4;
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
  const auto dash = field.find('-');
  if (dash != std::string_view::npos && all_digits(field.substr(0, dash)) &&
      all_digits(field.substr(dash + 1))) {
    refuse(Option, text, "ranges are not supported yet, publish each port by an option of its own");
  }
  if (!all_digits(field) || (field.size() > 1 && field.front() == '0')) {
    refuse(Option, text,
           cat("'", printable(field), "' is not a port, which is a number from 1 to 65535"));
  }
  const auto number = base::parse_number<std::uint32_t>(field);
  if (!number || *number > LargestPort)
    refuse(Option, text, cat(printable(field), " is too large, a port is at most 65535"));
  return static_cast<std::uint16_t>(*number);
}

std::optional<Ipv4> host_address(std::string_view text, std::string_view field) {
  if (field.empty()) refuse(Option, text, "the address before the first colon is missing");
  const auto address = Ipv4::parse(field);
  if (!address) {
    refuse(Option, text,
           cat("'", printable(field), "' is not an IPv4 address, which looks like 127.0.0.1"));
  }
  if (address->value == 0) return std::nullopt;
  return address;
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
  if (text.front() == '[' || fields.size() > 3) {
    refuse(Option, text,
           "IPv6 addresses are not supported yet; it is [ADDR:]HOST:CONTAINER[/tcp|/udp]");
  }
  if (fields.size() == 2 && Ipv4::parse(first)) {
    refuse(Option, text,
           cat("one port is missing, it is ADDR:HOST:CONTAINER, as in ", printable(first),
               ":8080:80"));
  }
  if (Ipv4::parse(fields.back()))
    refuse(Option, text, "the address comes first: ADDR:HOST:CONTAINER, as in 127.0.0.1:8080:80");
}

bool same_host_port(const PublishedPort& a, const PublishedPort& b) {
  return a.host_port != 0 && a.host_port == b.host_port && a.protocol == b.protocol &&
         (!a.host_address || !b.host_address || *a.host_address == *b.host_address);
}

/// "tcp port 8080 on every address", for a message.
std::string described(const PublishedPort& port) {
  return cat(netsetup::text(port.protocol), " port ", port.host_port, " on ",
             port.host_address ? port.host_address->text() : "every address");
}

}  // namespace

PublishedPort published_port(std::string_view text) {
  PublishedPort published;
  auto ports = text;
  if (const auto slash = text.rfind('/'); slash != std::string_view::npos) {
    const auto protocol = netsetup::parse_protocol(text.substr(slash + 1));
    if (!protocol) {
      refuse(Option, text,
             cat("'", printable(text.substr(slash + 1)),
                 "' is not a protocol, which is tcp (the default) or udp"));
    }
    published.protocol = *protocol;
    ports = text.substr(0, slash);
  }
  const auto fields = base::split(ports, ':');
  check_shape(text, fields);
  if (fields.size() == 3) published.host_address = host_address(text, fields[0]);
  published.host_port = port(text, fields[fields.size() - 2], "host");
  published.container_port = port(text, fields.back(), "container");
  if (published.container_port == 0) {
    refuse(Option, text, "the container's port cannot be 0, it is the one the program listens on");
  }
  return published;
}

PublishedPort find_published(const std::vector<PublishedPort>& ports, std::string_view text) {
  std::string known;
  for (const auto& port : ports) {
    const std::string address = port.host_address ? port.host_address->text() + ":" : "";
    const std::string host = cat(port.host_port);
    const std::string inner = cat(":", port.container_port);
    const std::string protocol = cat("/", netsetup::text(port.protocol));
    for (const auto& name : {host, host + inner, cat(address, host), cat(address, host, inner)}) {
      if (text == name + protocol || (text == name && port.protocol == Protocol::Tcp)) return port;
    }
    known += cat(known.empty() ? "" : ", ", port.text());
  }
  throw base::Error(cat("port ", printable(text), " is not published",
                        known.empty() ? "" : cat("; published are ", known)));
}

void check_distinct(const std::vector<PublishedPort>& ports) {
  auto sorted = ports;
  // A port without an address sorts before those with one, so that whatever clashes is adjacent.
  std::sort(sorted.begin(), sorted.end(), [](const PublishedPort& a, const PublishedPort& b) {
    return std::tie(a.protocol, a.host_port, a.host_address) <
           std::tie(b.protocol, b.host_port, b.host_address);
  });
  const auto clash = std::adjacent_find(sorted.begin(), sorted.end(), same_host_port);
  if (clash == sorted.end()) return;
  const auto& other = *std::next(clash);
  throw base::Error(cat(Option, ": ", described(*clash), " is asked for twice",
                        *clash == other ? std::string{} : cat(", also as ", described(other)),
                        "; each port of the host leads to one place"));
}

}  // namespace runtime::values
