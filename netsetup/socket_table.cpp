// SPDX-License-Identifier: MIT
// The kernel's socket table by sock_diag(7), filtered by the kernel. It walks all of the table for
// a listing, that of TCP half a millisecond long. So TCP is asked for by the older request, which
// lists both families in one walk; UDP has none.
#include "netsetup/socket_table.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>

#include <algorithm>

namespace netsetup {

namespace {

// States of a socket, as bits of a request (include/net/tcp_states.h). A TCP socket that is bound
// and neither listens nor is connected is listed under a state of its own since Linux 6.8.
constexpr std::uint32_t Established = 1U << 1U;
constexpr std::uint32_t Closed = 1U << 7U;  // a UDP socket that is not connected
constexpr std::uint32_t Listening = 1U << 10U;
constexpr std::uint32_t BoundInactive = 1U << 13U;

std::uint32_t states(Protocol protocol, PortUse use) {
  if (use == PortUse::Receives) return protocol == Protocol::Tcp ? Listening : Closed;
  return protocol == Protocol::Tcp ? Listening | BoundInactive : Established | Closed;
}

std::optional<PortSocket> parse_socket(const nlmsghdr* header) {
  if (header->nlmsg_type != SOCK_DIAG_BY_FAMILY && header->nlmsg_type != TCPDIAG_GETSOCK)
    return std::nullopt;
  const auto& diag = *static_cast<const inet_diag_msg*>(mnl_nlmsg_get_payload(header));
  PortSocket socket;
  socket.device = diag.id.idiag_if;
  socket.port = ntohs(diag.id.idiag_sport);
  socket.inode = diag.idiag_inode;
  const auto& source = diag.id.idiag_src;
  const auto is_zero = [](std::uint32_t word) { return word == 0; };
  const std::span<const std::uint8_t> bytes(reinterpret_cast<const std::uint8_t*>(source),
                                            sizeof source);
  if (diag.idiag_family == AF_INET) {
    if (source[0] != 0) socket.address = Ip::of_bytes(Family::V4, bytes);
    return socket;
  }
  const bool mapped = source[0] == 0 && source[1] == 0 && source[2] == htonl(0xffff);
  if (mapped) {
    if (source[3] != 0) socket.address = Ip::of_bytes(Family::V4, bytes.last(4));
    return socket;
  }
  socket.ipv6 = true;
  if (const auto* only = netlink::Attributes(header, sizeof diag).find(INET_DIAG_SKV6ONLY))
    socket.ipv4 = netlink::value_u8(only) == 0;
  if (!std::all_of(std::begin(source), std::end(source), is_zero)) {
    socket.address = Ip::of_bytes(Family::V6, bytes);
    socket.ipv4 = false;
  }
  return socket;
}

}  // namespace

std::vector<PortSocket> port_sockets(netlink::Socket& diag, Protocol protocol, PortUse use,
                                     std::uint16_t port) {
  if (protocol == Protocol::Tcp) {
    netlink::Message message(TCPDIAG_GETSOCK, 0);
    auto& request = message.extra_header<inet_diag_req>();
    request.idiag_states = states(protocol, use);
    request.id.idiag_sport = htons(port);
    return diag.dump<PortSocket>(message, parse_socket);
  }
  std::vector<PortSocket> all;
  for (const int family : {AF_INET, AF_INET6}) {
    netlink::Message message(SOCK_DIAG_BY_FAMILY, 0);
    auto& request = message.extra_header<inet_diag_req_v2>();
    request.sdiag_family = static_cast<std::uint8_t>(family);
    request.sdiag_protocol = static_cast<std::uint8_t>(protocol);
    request.idiag_states = states(protocol, use);
    request.id.idiag_sport = htons(port);
    const auto some = diag.dump<PortSocket>(message, parse_socket);
    all.insert(all.end(), some.begin(), some.end());
  }
  return all;
}

}  // namespace netsetup
