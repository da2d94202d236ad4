// SPDX-License-Identifier: MIT
// Name servers: those that the host asks, and what the container is told.
#pragma once

#include <sys/socket.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace runtime {

/// Where a name server is, seen from the host. Port 53.
struct ServerAddress {
  std::string text;
  sockaddr_storage socket{};
  socklen_t size = 0;
  [[nodiscard]] int family() const { return socket.ss_family; }
};
/// "192.0.2.53", "2001:db8::53", "fe80::1%eth0"; nothing on any slip, or where there is no eth0.
std::optional<ServerAddress> name_server(std::string_view text);

/// What counts in a resolv.conf(5).
struct ResolvConf {
  std::vector<ServerAddress> servers;  // as many as the C library takes: three
  std::string others;                  // the lines search, domain, options and sortlist
};
ResolvConf parse_resolv_conf(std::string_view text);

/// The servers to be asked for CONTAINER now: those of DNS (--dns) where there are any, else of
/// /etc/netns/CONTAINER/resolv.conf, as ip-netns(8) does, else of /etc/resolv.conf. Throws Error.
std::vector<ServerAddress> name_servers(std::string_view container,
                                        const std::vector<std::string>& dns);

/// The container's own resolv.conf: one server, which is mini-run itself, and what OTHERS says. A
/// name of one word is asked for as it is before any search domain is tried with it (ndots:0,
/// unless OTHERS has another): so a neighbour is found without asking anybody else.
std::string container_resolv_conf(std::string_view others);

/// The same from the host's files at the start. SERVED: a mini-run answers at 127.0.0.11 there;
/// else it is the host's own network, and the container's file is the host's, or names DNS.
struct FirstLook {
  std::string text;
  std::string note;  // a line for the user where no server can be asked, else empty
};
FirstLook read_host_resolv_conf(std::string_view container, const std::vector<std::string>& dns,
                                bool served);

}  // namespace runtime
