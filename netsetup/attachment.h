// SPDX-License-Identifier: MIT
// A container's place in one network: from a share in the network's life to the cable in its
// bridge.
//
//   join()      the bridge is there, addresses are leased
//   plan()      the steps that plug the container in
//   release()   the addresses are free
//   leave()     the network goes, where this was its last container
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "netsetup/lease.h"
#include "netsetup/networks.h"
#include "netsetup/scope.h"

namespace netsetup {

/// What is asked for.
struct AttachmentRequest {
  NetworkSpec network;
  std::vector<Ip> addresses;  // wanted ones, at most one of a family
  std::optional<Mac> mac;     // nothing: made of the address
};

class Attachment {
 public:
  /// STATE: the directory of State, which must outlive it. NUMBER: of the container's networks,
  /// from 0 on: the link inside is eth0, eth1, ... RUN: of the container.
  Attachment(int state, AttachmentRequest request, std::uint32_t run, std::size_t number);

  /// Needs: the host's share. Throws Error.
  void join(Kernel& kernel, const Observer& observer, const Scope::Repair& mend);
  /// Exceptions in others' firewalls (foreign.h), where they are missing. Needs: join(). Throws
  /// Error.
  void make_exceptions(Kernel& kernel, const Observer& observer) const;
  void release() noexcept { lease_.reset(); }
  /// Returns what failed, a line each.
  std::vector<std::string> leave(Kernel& kernel) noexcept { return scope_.leave(kernel); }

  /// Needs: join(). NAME: the container's.
  [[nodiscard]] std::vector<Step> plan(const std::string& name) const;
  /// Adds to NETWORK what would make the network, where it is not there, and to INSIDE what plan()
  /// would be. Changes nothing.
  void preview(Kernel& kernel, const std::string& name, std::vector<Step>& network,
               std::vector<Step>& inside);

  [[nodiscard]] const Network& network() const { return network_; }
  [[nodiscard]] const Endpoint& endpoint() const { return endpoint_; }
  /// What was asked for, and its name.
  [[nodiscard]] const NetworkSpec& spec() const { return request_.network; }
  [[nodiscard]] const std::string& name() const { return request_.network.bridge; }
  [[nodiscard]] std::size_t number() const { return number_; }

 private:
  void place(std::vector<Ip> addresses);

  int state_;
  AttachmentRequest request_;
  std::size_t number_;
  std::string scope_name_;
  Scope scope_;
  Network network_;
  Endpoint endpoint_;
  std::optional<Lease> lease_;
};

}  // namespace netsetup
