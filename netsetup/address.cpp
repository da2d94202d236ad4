// SPDX-License-Identifier: MIT
// Addresses, ports and names of a network: strict parsers, and the text that ip(8) would print.
//
// Strict, because a loose reading is an attack: inet_aton(3) takes "010.1" for 8.0.0.1, so that a
// filter which reads it otherwise is walked around. One text has one meaning here, or none.
#include "netsetup/address.h"

#include <arpa/inet.h>

#include <algorithm>

#include "base/text.h"

namespace netsetup {

namespace {

/// A decimal number up to LIMIT without sign, blanks or leading zeros.
std::optional<std::uint32_t> parse_decimal(std::string_view text, std::uint32_t limit) {
  if (text.size() > 1 && text.front() == '0') return std::nullopt;
  const auto number = base::parse_number<std::uint32_t>(text);
  if (!number || *number > limit) return std::nullopt;
  return number;
}

std::optional<std::uint8_t> parse_hex_digit(char digit) {
  if (digit >= '0' && digit <= '9') return static_cast<std::uint8_t>(digit - '0');
  if (digit >= 'a' && digit <= 'f') return static_cast<std::uint8_t>(digit - 'a' + 10);
  if (digit >= 'A' && digit <= 'F') return static_cast<std::uint8_t>(digit - 'A' + 10);
  return std::nullopt;
}

/// isspace() as the kernel has it (lib/ctype.c): Latin-1, so that 0xa0 is a blank too.
bool is_kernel_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r') || static_cast<unsigned char>(c) == 0xa0;
}

}  // namespace

std::string_view text(Family family) { return family == Family::V4 ? "IPv4" : "IPv6"; }

std::string_view digit(Family family) { return family == Family::V4 ? "4" : "6"; }

std::optional<Ip> Ip::parse(std::string_view text) {
  constexpr std::size_t Longest = INET6_ADDRSTRLEN - 1;
  if (text.size() > Longest || text.find('\0') != std::string_view::npos) return std::nullopt;
  // inet_pton(3) reads both families as strictly as we want it.
  Ip address;
  if (text.find(':') != std::string_view::npos) address.family = Family::V6;
  if (::inet_pton(address.family == Family::V4 ? AF_INET : AF_INET6, std::string(text).c_str(),
                  address.bytes.data()) != 1)
    return std::nullopt;
  return address;
}

Ip Ip::v4(std::uint32_t value) {
  Ip address;
  for (auto byte = address.wire().rbegin(); byte != address.wire().rend(); ++byte, value >>= 8U)
    *byte = static_cast<std::uint8_t>(value);
  return address;
}

Ip Ip::of_bytes(Family family, std::span<const std::uint8_t> bytes) {
  Ip address;
  address.family = family;
  std::ranges::copy(bytes.first(std::min(bytes.size(), address.wire().size())),
                    address.bytes.begin());
  return address;
}

std::string Ip::text() const {
  std::array<char, INET6_ADDRSTRLEN> text;
  return ::inet_ntop(family == Family::V4 ? AF_INET : AF_INET6, bytes.data(), text.data(),
                     text.size());
}

std::uint32_t Ip::low_bits() const {
  std::uint32_t value = 0;
  for (const std::uint8_t byte : wire().last(4)) value = value << 8U | byte;
  return value;
}

Ip Ip::plus(std::uint32_t number) const {
  Ip sum = *this;
  std::uint64_t carry = number;
  for (auto byte = sum.wire().rbegin(); byte != sum.wire().rend() && carry != 0; ++byte) {
    carry += *byte;
    *byte = static_cast<std::uint8_t>(carry);
    carry >>= 8U;
  }
  return sum;
}

bool Ip::is_any() const { return *this == Ip{family, {}}; }

bool Ip::is_loopback() const {
  return family == Family::V4 ? bytes[0] == 127 : *this == Ip{family, {}}.plus(1);
}

bool Ip::is_link_local() const {
  if (family == Family::V4) return bytes[0] == 169 && bytes[1] == 254;
  return bytes[0] == 0xfe && (bytes[1] & 0xc0U) == 0x80;
}

std::optional<Cidr> Cidr::parse(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto address = Ip::parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  const auto prefix = parse_decimal(text.substr(slash + 1), address->bits());
  if (!prefix) return std::nullopt;
  return Cidr{*address, *prefix};
}

std::string Cidr::text() const { return base::cat(address.text(), '/', prefix); }

Ip Cidr::first() const {
  Ip first = address;
  const auto wire = first.wire();
  for (unsigned bit = prefix; bit < first.bits(); ++bit)
    wire[bit / 8] &= static_cast<std::uint8_t>(~(0x80U >> bit % 8));
  return first;
}

Ip Cidr::last() const {
  Ip last = address;
  const auto wire = last.wire();
  for (unsigned bit = prefix; bit < last.bits(); ++bit)
    wire[bit / 8] |= static_cast<std::uint8_t>(0x80U >> bit % 8);
  return last;
}

bool Cidr::contains(const Ip& other) const {
  return other.family == address.family && Cidr{other, prefix}.first() == first();
}

std::string range_text(const Ip& first, const Ip& last) {
  if (first == last) return first.text();
  for (unsigned prefix = 0; prefix < first.bits(); ++prefix)
    if (const Cidr cidr{first, prefix}; cidr.first() == first && cidr.last() == last)
      return cidr.text();
  return base::cat(first.text(), "-", last.text());
}

std::optional<Mac> Mac::parse(std::string_view text) {
  Mac mac;
  if (text.size() != 3 * mac.bytes.size() - 1) return std::nullopt;
  for (std::size_t i = 0; i < mac.bytes.size(); ++i) {
    if (i > 0 && text[3 * i - 1] != ':') return std::nullopt;
    const auto high = parse_hex_digit(text[3 * i]);
    const auto low = parse_hex_digit(text[3 * i + 1]);
    if (!high || !low) return std::nullopt;
    mac.bytes[i] = static_cast<std::uint8_t>(*high << 4U | *low);
  }
  return mac;
}

std::string Mac::text() const {
  constexpr std::string_view Hex = "0123456789abcdef";
  std::string out;
  for (const std::uint8_t byte : bytes) {
    if (!out.empty()) out += ':';
    out += Hex[byte >> 4U];
    out += Hex[byte & 0xfU];
  }
  return out;
}

std::optional<Protocol> parse_protocol(std::string_view text) {
  if (text == "tcp") return Protocol::Tcp;
  if (text == "udp") return Protocol::Udp;
  return std::nullopt;
}

std::string_view text(Protocol protocol) { return protocol == Protocol::Tcp ? "tcp" : "udp"; }

bool valid_interface_name(std::string_view text) {
  constexpr std::size_t Longest = 15;  // IFNAMSIZ of linux/if.h, less the NUL
  if (text.empty() || text.size() > Longest || text == "." || text == "..") return false;
  return std::none_of(text.begin(), text.end(), [](char c) {
    return c == '/' || c == ':' || c == '\0' || is_kernel_space(c);
  });
}

std::string PortRange::text() const {
  return first == last ? base::cat(first) : base::cat(first, '-', last);
}

std::string PublishedPort::address_text() const {
  if (!host_address) return {};
  return host_address->family == Family::V4 ? base::cat(host_address->text(), ':')
                                            : base::cat('[', host_address->text(), "]:");
}

std::string PublishedPort::text() const {
  std::string text = base::cat(address_text(), host_ports().text(), "->", container_ports().text(),
                               '/', netsetup::text(protocol));
  for (const auto& cidr : from) text += base::cat(",from=", cidr.text());
  return text;
}

bool PublishedPort::serves(Family family) const {
  if (host_address && host_address->family != family) return false;
  return from.empty() ||
         std::ranges::any_of(from, [&](const Cidr& cidr) { return cidr.address.family == family; });
}

bool PublishedPort::overlaps(const PublishedPort& other) const {
  if (protocol != other.protocol || host_port == 0 || other.host_port == 0) return false;
  if (!host_ports().contains(other.host_port) && !other.host_ports().contains(host_port))
    return false;
  if (!host_address || !other.host_address) return true;
  if (host_address->family != other.host_address->family) return false;
  return *host_address == *other.host_address || host_address->is_any() ||
         other.host_address->is_any();
}

}  // namespace netsetup
