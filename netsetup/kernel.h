// SPDX-License-Identifier: MIT
// Steps carried out: rtnetlink, nf_tables and sysctls behind two functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/unique_fd.h"
#include "netsetup/netlink.h"
#include "netsetup/nft.h"
#include "netsetup/step.h"

namespace netsetup {

/// The kernel as the steps see it. Sockets are opened when first needed.
class Kernel {
 public:
  /// RULESET: the text of configs/ruleset.nft.
  explicit Kernel(std::string_view ruleset) : ruleset_(ruleset) {}

  /// Names the container whose namespace Where::Container means; opens a netlink socket in there.
  /// The namespace (and so its veth) lives at least as long as this object. PIDFD: of a process
  /// in that namespace. Must not be called with threads running: it enters the namespace and
  /// comes back (setns(2)).
  void enter_container(int pidfd);

  /// What would undo STEP, from the kernel's state as it is now: nothing where STEP would change
  /// nothing, or where the namespace's death undoes it. Changes nothing. Throws Error where the
  /// object exists and is not ours.
  [[nodiscard]] std::optional<Step> undo(const Step& step);

  /// Does it. Throws Error. A Delete of something that has gone already is a success, and one of
  /// something that is there but not ours does nothing.
  void execute(const Step& step);

  netlink::Socket& host_route();  // rtnetlink in our own namespace
  nft::Socket& nft();

 private:
  std::string_view ruleset_;
  std::optional<netlink::Socket> host_route_;
  std::optional<netlink::Socket> container_route_;
  std::optional<nft::Socket> nft_;
  base::UniqueFd container_netns_;
  base::UniqueFd container_sysctl_;  // /proc/sys/net of the container's namespace
};

}  // namespace netsetup
