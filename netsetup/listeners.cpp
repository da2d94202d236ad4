// SPDX-License-Identifier: MIT
// From the sockets of a port to the question who is heard there.
#include "netsetup/listeners.h"

#include "netsetup/socket_table.h"

namespace netsetup {

Listening Listeners::listening(Protocol protocol, const PortRange& ports, Family family) {
  constexpr unsigned Loopback = 1;  // index of lo in every namespace (LOOPBACK_IFINDEX)
  Listening found = Listening::No;
  const std::uint16_t asked = ports.size() == 1 ? ports.first : std::uint16_t{0};
  for (const PortSocket& socket : port_sockets(diag_, protocol, PortUse::Receives, asked)) {
    if (!ports.contains(socket.port)) continue;
    if (family == Family::V4 ? !socket.ipv4 : !socket.ipv6) {
      if (found == Listening::No) found = Listening::OtherFamily;
      continue;
    }
    const bool inside =
        socket.device == Loopback || (socket.address && socket.address->is_loopback());
    if (!inside) return Listening::Yes;
    found = Listening::LoopbackOnly;
  }
  return found;
}

}  // namespace netsetup
