// SPDX-License-Identifier: MIT
// Whether a container serves its ports yet: asked of the kernel's socket table, not by connecting,
// which a server would log, count and answer.
#pragma once

#include <cstdint>

#include "netsetup/address.h"
#include "netsetup/netlink.h"

namespace netsetup {

enum class Listening {
  No,
  Ipv6Only,      // and a container has IPv4 only
  LoopbackOnly,  // the container hears itself there, and nobody from outside
  Yes,
};

/// The listeners of the network namespace that the caller is in at construction; they can be asked
/// for from anywhere and any number of times. Both functions throw Error (of listening(): ENOENT
/// where the kernel has no sock_diag(7) for the protocol).
class Listeners {
 public:
  Listeners() : diag_(NETLINK_SOCK_DIAG) {}

  /// Whether PORT (not 0) is listened to for IPv4: by a listening TCP socket, or a UDP socket that
  /// is bound and not connected, of IPv4 or of dual-stack IPv6, on any of the namespace's
  /// addresses.
  Listening listening(Protocol protocol, std::uint16_t port);

 private:
  netlink::Socket diag_;
};

}  // namespace netsetup
