// SPDX-License-Identifier: MIT
// The host's ports, kept for a container.
//
// Theory of operation. DNAT needs no socket on the host, so nothing would stop a program from
// binding the same port later, in vain, or tell us that one has it. So the port is bound, without
// listen(2): others are refused, a client that comes too early is refused at once rather than left
// hanging, and any death of the holder frees it. SO_REUSEADDR is set for the bind, so that
// connections in TIME_WAIT do not stand in the way, and cleared after it, or anybody could bind
// beside us. A bound UDP socket swallows datagrams: a filter drops them at its door.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "netsetup/address.h"

namespace netsetup {

class Reservation {
 public:
  /// No more ports than this are held at a time, since each costs a descriptor: a port or range
  /// that would be beyond it is checked, once, and not held.
  static constexpr std::size_t MostHeld = 64;

  /// Tells which container has a port; nothing where none has.
  using Publisher = std::function<std::optional<std::string>(const PublishedPort&)>;

  /// Binds PORTS, a range as a whole or not at all, and fills in those that the kernel chose
  /// (host_port 0). Throws Error (EADDRINUSE) that names the port and who has it, a container by
  /// PUBLISHER or a process, or (EADDRNOTAVAIL) an address the host does not have.
  Reservation(std::vector<PublishedPort>& ports, const Publisher& publisher) {
    add(ports, publisher);
  }

  /// The same for more ports.
  void add(std::vector<PublishedPort>& ports, const Publisher& publisher);
  void release(const PublishedPort& port);
  [[nodiscard]] bool holds(const PublishedPort& port) const;

 private:
  struct Held {
    PublishedPort port;
    base::UniqueFd socket;
  };
  std::vector<Held> held_;
};

}  // namespace netsetup
