// SPDX-License-Identifier: MIT
// runtime/name_servers.h: resolv.conf(5), read and written.
#include "runtime/name_servers.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>

#include <array>
#include <cstring>
#include <string>

using namespace runtime;

namespace {

/// "192.0.2.53:53".
std::string text(const ServerAddress& server) {
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  sockaddr_in6 socket{};
  std::memcpy(&socket, &server.socket, sizeof socket);
  const void* address = &socket.sin6_addr;
  if (server.family() == AF_INET) address = &reinterpret_cast<sockaddr_in*>(&socket)->sin_addr;
  REQUIRE(::inet_ntop(server.family(), address, buffer.data(), buffer.size()) != nullptr);
  const std::string scope = server.family() == AF_INET6 && socket.sin6_scope_id != 0 ? "%" : "";
  return std::string(buffer.data()) + scope + ":" + std::to_string(ntohs(socket.sin6_port));
}

std::string servers(std::string_view file) {
  std::string all;
  for (const auto& each : parse_resolv_conf(file).servers) all += text(each) + " ";
  return all;
}

}  // namespace

TEST_CASE("name servers: both families, loopback too, as the C library reads them") {
  CHECK(servers("# comment\n; comment\nnameserver 192.0.2.53\nnameserver\t127.0.0.53  \n"
                "nameserver 2001:db8::53\n") == "192.0.2.53:53 127.0.0.53:53 2001:db8::53:53 ");
  CHECK(servers("nameserver fe80::1%lo\n") == "fe80::1%:53 ");
  CHECK(servers("nameserver 192.0.2.1\r\nnameserver 192.0.2.2 # x\n") ==
        "192.0.2.1:53 192.0.2.2:53 ");
}

TEST_CASE("name servers: what is none is passed over, and more than three are") {
  CHECK(servers("").empty());
  CHECK(servers("nameserver\nnameserver \nnameservers 192.0.2.55\n nameserver 192.0.2.56\n"
                "nameserver dns.example.org\nnameserver 127.0.0.999\nnameserver 192.0.2.1%lo\n"
                "nameserver fe80::1%nosuchlink\nnameserver ::%\n")
            .empty());
  CHECK(servers("nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\n"
                "nameserver 192.0.2.4\n") == "192.0.2.1:53 192.0.2.2:53 192.0.2.3:53 ");
}

TEST_CASE("the container's resolv.conf: one server, and the host's search and options last") {
  const auto others =
      parse_resolv_conf("search lan example.org\nnameserver 192.0.2.53\noptions ndots:2\nx y\n")
          .others;
  CHECK(container_resolv_conf(others) ==
        "nameserver 127.0.0.11\noptions ndots:0\nsearch lan example.org\noptions ndots:2\n");
}
