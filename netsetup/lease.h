// SPDX-License-Identifier: MIT
// An address, for as long as its holder lives.
//
// Theory of operation. The file `leases` of a network has one byte per address; a lease is a lock
// on that byte (fcntl(2), open file description locks), so the kernel frees it with the holder,
// whatever ends it. The file's content is the address given out last: the next one is looked for
// after it, so that an address rests before it is used again. Addresses are counted from their
// subnet's first; those of IPv6 are locked at bytes of their own, and a container gets the same
// number there, so that 10.210.0.7 and fd6d:696e:6972::7 are the same container.
#pragma once

#include <optional>
#include <vector>

#include "base/unique_fd.h"
#include "netsetup/step.h"

namespace netsetup {

class Lease {
 public:
  /// One address of each of NETWORK's subnets: those of WANTED that are in one of them, else free
  /// ones. Never the network's own (its first), the gateway's or, of IPv4, the broadcast one.
  /// DIRECTORY: the network's. Throws Error where a wanted one is not to be had, or all are in use.
  static Lease take(int directory, const Network& network, const std::vector<Ip>& wanted);

  /// The addresses that take() would give out now, without taking them.
  static std::vector<Ip> preview(int directory, const Network& network,
                                 const std::vector<Ip>& wanted);

  /// In the order of the network's gateways.
  [[nodiscard]] const std::vector<Ip>& addresses() const { return addresses_; }

 private:
  Lease(base::UniqueFd file, std::vector<Ip> addresses)
      : file_(std::move(file)), addresses_(std::move(addresses)) {}

  base::UniqueFd file_;
  std::vector<Ip> addresses_;
};

}  // namespace netsetup
