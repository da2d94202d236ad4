// SPDX-License-Identifier: MIT
// An address, for as long as its holder lives.
//
// Theory of operation. The file `leases` of a network has one byte per address; a lease is a lock
// on that byte (fcntl(2), open file description locks), so the kernel frees it with the holder,
// whatever ends it. The file's content is the address given out last: the next one is looked for
// after it, so that an address rests before it is used again.
#pragma once

#include <optional>

#include "base/unique_fd.h"
#include "netsetup/address.h"

namespace netsetup {

class Lease {
 public:
  /// A free address of SUBNET other than the network's, the gateway's (its first) and the
  /// broadcast one. DIRECTORY: the network's. Throws Error where all are in use.
  static Lease take(int directory, const Cidr& subnet);

  /// The address that take() would give out now, without taking it.
  static Ipv4 preview(int directory, const Cidr& subnet);

  [[nodiscard]] Ipv4 address() const { return address_; }

 private:
  Lease(base::UniqueFd file, Ipv4 address) : file_(std::move(file)), address_(address) {}

  base::UniqueFd file_;
  Ipv4 address_;
};

}  // namespace netsetup
