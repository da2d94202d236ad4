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
  OtherFamily,   // IPv6 only where IPv4 is wanted, or the other way round
  LoopbackOnly,  // the container hears itself there, and nobody from outside
  Yes,
};

/// The listeners of the network namespace that the caller is in at construction; they can be asked
/// for from anywhere and any number of times. Both functions throw Error (of listening(): ENOENT
/// where the kernel has no sock_diag(7) for the protocol).
class Listeners {
 public:
  Listeners() : diag_(NETLINK_SOCK_DIAG) {}

  /// Whether PORTS (not 0), or one of them, is listened to for FAMILY: by a listening TCP socket,
  /// or a UDP socket that is bound and not connected, on any of the namespace's addresses.
  Listening listening(Protocol protocol, const PortRange& ports, Family family);

 private:
  netlink::Socket diag_;
};

}  // namespace netsetup
