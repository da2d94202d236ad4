// SPDX-License-Identifier: MIT
// The values a network is described with. Each parses from text (nothing on any slip: no leading
// zeros, no blanks, no "127.0.0.999" read as something else) and prints as ip(8) prints it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace netsetup {

enum class Family : std::uint8_t { V4, V6 };
std::string_view text(Family family);   // "IPv4", "IPv6"
std::string_view digit(Family family);  // "4", "6", as the sets of the rules end

/// An IPv4 or IPv6 address, its bytes in the order of the wire; of an IPv4 address the first four.
struct Ip {
  Family family = Family::V4;
  std::array<std::uint8_t, 16> bytes{};

  static std::optional<Ip> parse(std::string_view text);  // no zone, as in fe80::1%eth0
  static Ip v4(std::uint32_t value);                      // in host byte order
  static Ip of_bytes(Family family, std::span<const std::uint8_t> bytes);
  [[nodiscard]] std::string text() const;
  [[nodiscard]] std::span<const std::uint8_t> wire() const { return {bytes.data(), bits() / 8}; }
  [[nodiscard]] std::span<std::uint8_t> wire() { return {bytes.data(), bits() / 8}; }
  [[nodiscard]] unsigned bits() const { return family == Family::V4 ? 32 : 128; }
  [[nodiscard]] std::uint32_t low_bits() const;  // the last 32
  /// The address NUMBER further on; beyond the last one it begins again.
  [[nodiscard]] Ip plus(std::uint32_t number) const;
  [[nodiscard]] bool is_any() const;  // 0.0.0.0, ::
  [[nodiscard]] bool is_loopback() const;
  [[nodiscard]] bool is_link_local() const;  // fe80::/10, 169.254.0.0/16
  auto operator<=>(const Ip&) const = default;
};

/// An address with its prefix length (0-32, 0-128), as in `10.210.0.1/22`; host bits may be set.
struct Cidr {
  Ip address;
  unsigned prefix = 32;

  static std::optional<Cidr> parse(std::string_view text);
  [[nodiscard]] std::string text() const;
  [[nodiscard]] Ip first() const;
  [[nodiscard]] Ip last() const;
  [[nodiscard]] bool contains(const Ip& other) const;
  [[nodiscard]] bool overlaps(const Cidr& other) const {
    return contains(other.first()) || other.contains(first());
  }
  auto operator<=>(const Cidr&) const = default;
};

/// The addresses from FIRST to LAST, inclusive: "10.0.0.0/8", "10.0.0.1-10.0.0.9", "10.0.0.1".
std::string range_text(const Ip& first, const Ip& last);

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

/// Ports from FIRST to LAST, both included.
struct PortRange {
  std::uint16_t first = 0;
  std::uint16_t last = 0;

  [[nodiscard]] std::string text() const;  // "8080", "8000-8999"
  [[nodiscard]] bool contains(std::uint16_t port) const { return first <= port && port <= last; }
  [[nodiscard]] std::size_t size() const { return std::size_t{last} - first + 1U; }
  auto operator<=>(const PortRange&) const = default;
};

/// One published port: who connects to HOST_ADDRESS:HOST_PORT (any address of the host where there
/// is none, any of the family where it is 0.0.0.0 or ::) reaches CONTAINER_PORT of the container.
/// HOST_PORT 0: the kernel is to choose one. Or COUNT ports from there on, at least 1, that lead to
/// the same ports of the container: then HOST_PORT is CONTAINER_PORT. FROM: the only clients that
/// it is published for, no network within another; empty: everybody. The host itself always is one.
struct PublishedPort {
  std::optional<Ip> host_address;
  std::uint16_t host_port = 0;
  std::uint16_t container_port = 0;
  Protocol protocol = Protocol::Tcp;
  std::uint16_t count = 1;
  std::vector<Cidr> from = {};

  [[nodiscard]] PortRange host_ports() const { return starting_at(host_port); }
  [[nodiscard]] PortRange container_ports() const { return starting_at(container_port); }
  /// "127.0.0.1:8080->80/tcp", "[::1]:8000-8999->8000-8999/udp", "80->80/tcp,from=192.0.2.0/24"
  [[nodiscard]] std::string text() const;
  /// "127.0.0.1:", "[::1]:", "": as it stands before the port.
  [[nodiscard]] std::string address_text() const;
  /// Whether it is published in FAMILY: where its address is of that, and some of its clients.
  [[nodiscard]] bool serves(Family family) const;
  /// Whether it is published on every address of the families that it serves.
  [[nodiscard]] bool on_any_address() const { return !host_address || host_address->is_any(); }
  /// Whether some connection could be meant for both (host_port 0 meets nobody).
  [[nodiscard]] bool overlaps(const PublishedPort& other) const;
  auto operator<=>(const PublishedPort&) const = default;

 private:
  [[nodiscard]] PortRange starting_at(std::uint16_t port) const {
    return {port, static_cast<std::uint16_t>(port + count - 1)};
  }
};

}  // namespace netsetup
