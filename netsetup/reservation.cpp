// SPDX-License-Identifier: MIT
#include "netsetup/reservation.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <ctime>

#include "base/error.h"
#include "base/text.h"
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
  base::UniqueFd socket(
      check(::socket(AF_INET, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0), "socket"));
  const int on = 1;
  const int off = 0;
  if (udp)
    swallow_nothing(socket.get());
  else
    check(::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), "SO_REUSEADDR");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port.host_port);
  address.sin_addr.s_addr = htonl(port.host_address.value_or(Ipv4{INADDR_ANY}).value);
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0)
    throw errno == EADDRINUSE ? taken(port, publisher) : refused(port, errno);
  if (!udp)
    check(::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &off, sizeof off), "SO_REUSEADDR");
  if (port.host_port == 0) {
    socklen_t length = sizeof address;
    check(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &length),
          "getsockname");
    port.host_port = ntohs(address.sin_port);
  }
  return socket;
}

}  // namespace

void Reservation::add(std::vector<PublishedPort>& ports, const Publisher& publisher) {
  const bool held = ports.size() <= MostHeld;
  if (!held) {
    const auto conflicts = taken_ports(ports);
    if (!conflicts.empty()) throw taken(conflicts.front(), publisher);
  }
  for (auto& port : ports) {
    // Port 0 is chosen by binding: such a one is held in any case.
    if (!held && port.host_port != 0) continue;
    base::UniqueFd socket = hold(port, publisher);
    held_.push_back({port, std::move(socket)});
  }
}

void Reservation::release(const PublishedPort& port) {
  std::erase_if(held_, [&](const Held& held) { return held.port == port; });
}

}  // namespace netsetup
