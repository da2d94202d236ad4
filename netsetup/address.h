// SPDX-License-Identifier: MIT
// The values a network is described with. Each parses from text (nothing on any slip: no leading
// zeros, no blanks, no "127.0.0.999" read as something else) and prints as ip(8) prints it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace netsetup {

/// An IPv4 address, kept in host byte order so that it can be counted with.
struct Ipv4 {
  std::uint32_t value = 0;

  static std::optional<Ipv4> parse(std::string_view text);
  [[nodiscard]] std::string text() const;
  [[nodiscard]] bool is_loopback() const { return value >> 24U == 127; }
  auto operator<=>(const Ipv4&) const = default;
};

/// An address with its prefix length (0-32), as in `10.210.0.1/22`; host bits may be set.
struct Cidr {
  Ipv4 address;
  unsigned prefix = 32;

  static std::optional<Cidr> parse(std::string_view text);
  [[nodiscard]] std::string text() const;
  [[nodiscard]] std::uint32_t mask() const { return prefix == 0 ? 0 : ~0U << (32 - prefix); }
  [[nodiscard]] Ipv4 first() const { return {address.value & mask()}; }
  [[nodiscard]] Ipv4 last() const { return {address.value | ~mask()}; }
  [[nodiscard]] bool contains(Ipv4 other) const { return (other.value & mask()) == first().value; }
  [[nodiscard]] bool overlaps(const Cidr& other) const {
    return contains(other.first()) || other.contains(first());
  }
  auto operator<=>(const Cidr&) const = default;
};

struct Mac {
  std::array<std::uint8_t, 6> bytes{};

  static std::optional<Mac> parse(std::string_view text);
  [[nodiscard]] std::string text() const;
  auto operator<=>(const Mac&) const = default;
};

enum class Protocol : std::uint8_t { Tcp = 6, Udp = 17 };  // the values of IPPROTO_TCP, IPPROTO_UDP
std::optional<Protocol> parse_protocol(std::string_view text);
std::string_view text(Protocol protocol);

/// Whether the kernel takes TEXT as an interface name (dev_valid_name() of net/core/dev.c): 1-15
/// bytes, none of '/', ':' or blank, not "." or "..".
bool valid_interface_name(std::string_view text);

/// One published port: who connects to HOST_ADDRESS:HOST_PORT (any address of the host where there
/// is none) reaches CONTAINER_PORT of the container. HOST_PORT 0: the kernel is to choose one.
struct PublishedPort {
  std::optional<Ipv4> host_address;
  std::uint16_t host_port = 0;
  std::uint16_t container_port = 0;
  Protocol protocol = Protocol::Tcp;

  [[nodiscard]] std::string text() const;  // "127.0.0.1:8080->80/tcp"
  auto operator<=>(const PublishedPort&) const = default;
};

}  // namespace netsetup
