// SPDX-License-Identifier: MIT
// Addresses, ports and names of a network: strict parsers, and the text that ip(8) would print.
//
// Strict, because a loose reading is an attack: inet_aton(3) takes "010.1" for 8.0.0.1, so that a
// filter which reads it otherwise is walked around. One text has one meaning here, or none.
#include "netsetup/address.h"

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

std::optional<Ipv4> Ipv4::parse(std::string_view text) {
  Ipv4 address;
  for (unsigned byte = 0; byte < 4; ++byte) {
    const auto end = text.find('.');
    if ((end == std::string_view::npos) != (byte == 3)) return std::nullopt;
    const auto number = parse_decimal(text.substr(0, end), 255);
    if (!number) return std::nullopt;
    address.value = address.value << 8U | *number;
    if (byte < 3) text.remove_prefix(end + 1);
  }
  return address;
}

std::string Ipv4::text() const {
  return base::cat(value >> 24U, '.', value >> 16U & 0xffU, '.', value >> 8U & 0xffU, '.',
                   value & 0xffU);
}

std::optional<Cidr> Cidr::parse(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto address = Ipv4::parse(text.substr(0, slash));
  const auto prefix = parse_decimal(text.substr(slash + 1), 32);
  if (!address || !prefix) return std::nullopt;
  return Cidr{*address, *prefix};
}

std::string Cidr::text() const { return base::cat(address.text(), '/', prefix); }

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

std::string PublishedPort::text() const {
  return base::cat(host_address ? host_address->text() + ":" : std::string{}, host_port, "->",
                   container_port, '/', netsetup::text(protocol));
}

}  // namespace netsetup
