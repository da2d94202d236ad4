// SPDX-License-Identifier: MIT
#include "netsetup/reservation.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <iterator>

#include "base/error.h"
#include "base/text.h"
#include "netsetup/networks.h"
#include "netsetup/port_owner.h"

namespace netsetup {

using base::cat;
using base::check;
using base::Error;

namespace {

std::string where(const PublishedPort& port) {
  return cat("port ", port.host_port, "/", text(port.protocol),
             port.host_address ? cat(" of ", port.host_address->text()) : "");
}

/// Where PORT is bound, for bind(2).
class SocketAddress {
 public:
  SocketAddress(const PublishedPort& port, bool v4) {
    const Ip address = port.host_address.value_or(Ip{v4 ? Family::V4 : Family::V6, {}});
    storage_.ss_family = v4 ? AF_INET : AF_INET6;
    // The port stands at the same place in both.
    reinterpret_cast<sockaddr_in*>(&storage_)->sin_port = htons(port.host_port);
    std::uint8_t* bytes =
        v4 ? reinterpret_cast<std::uint8_t*>(&reinterpret_cast<sockaddr_in*>(&storage_)->sin_addr)
           : reinterpret_cast<sockaddr_in6*>(&storage_)->sin6_addr.s6_addr;
    std::ranges::copy(address.wire(), bytes);
  }
  [[nodiscard]] bool is_v4() const { return storage_.ss_family == AF_INET; }
  [[nodiscard]] sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage_); }
  [[nodiscard]] socklen_t size() const {
    return is_v4() ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  }
  [[nodiscard]] std::uint16_t port() const {
    return ntohs(reinterpret_cast<const sockaddr_in*>(&storage_)->sin_port);
  }

 private:
  sockaddr_storage storage_{};
};

/// Who has PORT. A mini-run that has it and publishes nothing yet is starting: its container's name
/// says more than its pid, and is known in a moment.
std::optional<std::string> owner_of(const PublishedPort& port,
                                    const Reservation::Publisher& publisher) {
  constexpr int Tries = 200;
  constexpr timespec Moment = {0, 20'000'000};
  auto owner = publisher(port);
  for (int tries = 0; !owner && tries < Tries; ++tries) {
    auto process = port_owner(port);
    if (!process || !process->starts_with("mini-run (")) return process;
    ::nanosleep(&Moment, nullptr);
    owner = publisher(port);
  }
  return owner ? owner : port_owner(port);
}

Error taken(const PublishedPort& port, const Reservation::Publisher& publisher) {
  const auto owner = owner_of(port, publisher);
  return Error(cat("port ", port.host_port, "/", text(port.protocol),
                   " is taken: ", owner.value_or("a process that cannot be seen from here"),
                   " has it; publish another, or 0 for any that is free"));
}

Error refused(const PublishedPort& port, int error) {
  const std::string attempt = cat("publish ", where(port));
  if (error == EADDRNOTAVAIL)
    return Error(cat(attempt, ": no interface of this host has that address (see `ip address`)"));
  return {error, attempt};
}

void swallow_nothing(int socket) {
  sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
  const sock_fprog program = {1, &drop};
  check(::setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program),
        "filter a reserved UDP port");
}

base::UniqueFd hold(PublishedPort& port, const Reservation::Publisher& publisher) {
  const bool udp = port.protocol == Protocol::Udp;
  // A datagram to [::1] that is not translated would be swallowed by a socket of both families, and
  // its sender wait; without one it is refused.
  const bool v4 =
      port.host_address ? port.host_address->family == Family::V4 : udp && !serves_loopback6();
  const auto open = [&](int family) {
    return base::UniqueFd(::socket(family, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0));
  };
  base::UniqueFd socket = open(v4 ? AF_INET : AF_INET6);
  // A host without IPv6: "any address" is any of IPv4.
  const bool without_ipv6 = !socket.valid() && errno == EAFNOSUPPORT && !port.host_address;
  if (without_ipv6) socket = open(AF_INET);
  check(socket.get(), "socket");
  const int on = 1;
  const int off = 0;
  if (udp)
    swallow_nothing(socket.get());
  else
    check(::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), "SO_REUSEADDR");
  SocketAddress address(port, v4 || without_ipv6);
  if (!address.is_v4()) {
    const int only = port.host_address ? 1 : 0;  // [::] without IPV6_V6ONLY takes IPv4's port, too
    check(::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only), "IPV6_V6ONLY");
  }
  if (::bind(socket.get(), address.get(), address.size()) < 0)
    throw errno == EADDRINUSE ? taken(port, publisher) : refused(port, errno);
  if (!udp)
    check(::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &off, sizeof off), "SO_REUSEADDR");
  if (port.host_port == 0) {
    socklen_t length = address.size();
    check(::getsockname(socket.get(), address.get(), &length), "getsockname");
    port.host_port = address.port();
  }
  return socket;
}

}  // namespace

void Reservation::add(std::vector<PublishedPort>& ports, const Publisher& publisher) {
  std::size_t room = MostHeld - std::min(MostHeld, held_.size());
  std::vector<PublishedPort> only_checked;
  std::vector<PublishedPort*> wanted;
  for (auto& port : ports) {
    // Port 0 is chosen by binding: such a one is held in any case.
    if (port.count > room && port.host_port != 0) {
      only_checked.push_back(port);
      continue;
    }
    room -= std::min<std::size_t>(room, port.count);
    wanted.push_back(&port);
  }
  const auto conflicts = taken_ports(only_checked);
  if (!conflicts.empty()) throw taken(conflicts.front(), publisher);
  std::vector<Held> held;
  for (auto* port : wanted) {
    for (std::uint16_t i = 0; i < port->count; ++i) {
      PublishedPort one = *port;
      one.host_port = static_cast<std::uint16_t>(one.host_port + i);
      one.count = 1;
      base::UniqueFd socket = hold(one, publisher);
      if (port->host_port == 0) port->host_port = one.host_port;
      held.push_back({*port, std::move(socket)});
    }
  }
  std::ranges::move(held, std::back_inserter(held_));
}

void Reservation::release(const PublishedPort& port) {
  std::erase_if(held_, [&](const Held& held) { return held.port == port; });
}

bool Reservation::holds(const PublishedPort& port) const {
  return std::ranges::find(held_, port, &Held::port) != held_.end();
}

}  // namespace netsetup
