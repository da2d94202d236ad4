// SPDX-License-Identifier: MIT
// Sees packets on the interfaces of a network namespace, as tcpdump(8) does: packet(7).
//
// One socket sees every interface, an incoming packet before all rules and an outgoing one after
// them, and the kernel notes the time of each. It gets a copy, cut to the headers; what is of no
// interest a filter keeps from being copied (classic BPF, linux/filter.h).
#pragma once

#include <cstdint>
#include <functional>

#include "base/unique_fd.h"
#include "netsetup/packet.h"

namespace netsetup {

/// A packet on an interface.
struct Sighting {
  unsigned link = 0;
  bool out = false;       // it leaves by it
  std::int64_t time = 0;  // nanoseconds since 1970
  Packet packet;
};

class Tap {
 public:
  /// In the caller's network namespace, which lives as long as this. FILTER holds for TCP; with
  /// what begins or ends a connection, and UDP and ICMP, whosever, they are few enough. Throws
  /// Error.
  explicit Tap(const PacketFilter& filter);

  /// Another FILTER from now on. Throws Error.
  void look_for(const PacketFilter& filter);
  /// Calls FUNCTION for what was seen; at most some thousand at a time. Throws Error.
  void drain(const std::function<void(const Sighting&)>& function);
  /// Packets that there was no room for since the last call.
  unsigned lost();

  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  base::UniqueFd fd_;
};

}  // namespace netsetup
