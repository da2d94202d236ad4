// SPDX-License-Identifier: MIT
// Steps carried out: rtnetlink, nf_tables, conntrack and sysctls behind two functions.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

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

  /// Where::Container means the network namespace of process PID from now on. The namespace, and
  /// so its veth, lives at least as long as this object. Needs: no other thread, since it enters
  /// the namespace and comes back (setns(2)); PID not yet reaped.
  void enter_container(pid_t pid);

  /// Runs FUNCTION in the container's namespace, for what is opened there: a socket stays in the
  /// namespace that it was opened in. Needs: enter_container(). Throws what FUNCTION throws.
  void inside(const std::function<void()>& function);

  /// Lets go of the container's namespace: its veth may go.
  void leave_container();

  /// Waits until packets pass through LINK, at most a second. A link that is up carries nothing
  /// before the kernel's link watch has noticed its carrier, in the background and later where many
  /// links come and go; what is sent meanwhile is lost, and TCP repeats it only after a second.
  /// A recent kernel notices at once when the link is asked for (rtnl_getlink()).
  void await_carrier(Where where, const std::string& link);

  /// What would undo STEP, from the state as it is now: nothing where STEP would change nothing,
  /// or where the namespace's death undoes it. Changes nothing. Throws Error where the object
  /// exists and is not ours.
  [[nodiscard]] std::optional<Step> undo(const Step& step);

  /// The interfaces that the rule set guards: those of the host that were opened.
  std::vector<OpenedInterface> opened_interfaces();

  /// Does it. Throws Error with the step's title, the kernel's reason and the command that does
  /// the same. Deleting what has gone already is a success; what is there but not ours stays.
  void execute(const Step& step);

  netlink::Socket& host_route();
  nft::Socket& nft();

 private:
  void create(const Step& step);
  void remove(const Step& step);
  static void write_sysctl(const Sysctl& sysctl);
  void remove_veth(const Veth& veth);
  void refuse_foreign_tables();
  void refuse_foreign(const Bridge& bridge);
  void guard(const PortGuard& guard);
  netlink::Socket& route(Where where);
  unsigned index_of(Where where, const std::string& link);

  std::string_view ruleset_;
  std::optional<netlink::Socket> host_route_;
  std::optional<netlink::Socket> container_route_;
  std::optional<nft::Socket> nft_;
  base::UniqueFd host_netns_;
  base::UniqueFd container_netns_;
  bool lost_ = false;  // could not come back from the container's namespace
};

}  // namespace netsetup
