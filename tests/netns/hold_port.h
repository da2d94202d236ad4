// SPDX-License-Identifier: MIT
// Ports held by the test itself, in every way one can hold a port.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstring>

#include "base/error.h"
#include "base/unique_fd.h"

namespace hold_port {

enum class Hold { Bound, Listening };

/// A socket of TYPE bound to ADDRESS, IPv4 or IPv6.
inline base::UniqueFd hold(int type, const char* address, std::uint16_t port, Hold how,
                           bool only_ipv6 = false) {
  const bool ipv6 = std::strchr(address, ':') != nullptr;
  base::UniqueFd fd(::socket(ipv6 ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC, 0));
  base::check(fd.get(), "socket");
  sockaddr_storage storage{};
  storage.ss_family = ipv6 ? AF_INET6 : AF_INET;
  if (ipv6) {
    auto& name = reinterpret_cast<sockaddr_in6&>(storage);
    const int only = only_ipv6;
    ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only);
    ::inet_pton(AF_INET6, address, &name.sin6_addr);
    name.sin6_port = htons(port);
  } else {
    auto& name = reinterpret_cast<sockaddr_in&>(storage);
    ::inet_pton(AF_INET, address, &name.sin_addr);
    name.sin_port = htons(port);
  }
  base::check(::bind(fd.get(), reinterpret_cast<sockaddr*>(&storage), sizeof storage), "bind");
  if (how == Hold::Listening) base::check(::listen(fd.get(), 1), "listen");
  return fd;
}

}  // namespace hold_port
