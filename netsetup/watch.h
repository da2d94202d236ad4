// SPDX-License-Identifier: MIT
// Hears when somebody takes parts of the network away, so that repair.h can put them back.
//
// Theory of operation. The kernel tells every change of interfaces and of nf_tables to netlink
// sockets that have joined a multicast group (RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR,
// NFNLGRP_NFTABLES). A start or stop of a container is some dozen such messages, and with a
// thousand supervisors each would wake all of them. So each socket has a filter, a program in the
// kernel that looks at a message before it is queued (socket(7), SO_ATTACH_FILTER; classic BPF):
// what it does not let through wakes nobody. Let through are
//   nf_tables  a table, chain, set or rule of ours deleted. Elements are not: each end of a
//              container deletes some. Of others, a chain with a hook that is made or changed: it
//              may drop what we forward; and where our rules are among theirs (foreign.h), a table,
//              chain or rule deleted.
//   links      the bridge or the port deleted, or down; the port pulled out of its bridge (told as
//              RTM_DELLINK of family AF_BRIDGE) or its settings changed (RTM_NEWLINK of that
//              family: hairpin).
//   addresses  a new one, whosever (an interface that traffic comes in by), but for one of
//              the link only, as IPv6 gives to each; the bridge's deleted.
//
// rtnetlink sends a message at a time. nf_tables packs those of one transaction together, up to a
// page, in the order of the commands, so that a deletion may stand behind an element that was
// added: the filter goes from message to message. It has no loop, so that it is written out for
// the first few; a longer datagram is let through. A filter can only err to that side: to be awake
// once for nothing costs a look (repair.h), a deletion missed costs the network.
#pragma once

#include <array>
#include <vector>

#include "base/unique_fd.h"

namespace netsetup {

class Watch {
 public:
  /// In the caller's network namespace, from now on. LINKS: interface indexes, of the networks and
  /// of the host's ends of a container's cables; 0: none. What is gone is watched no more: after
  /// a repair the bridge may have another index, and needs another Watch, made before a last look
  /// (repair()) so that nothing happens unseen in between. OTHERS: our rules are in chains of
  /// others. Throws Error.
  Watch(const std::vector<unsigned>& links, bool others);

  /// Readable (poll(2)) when something happened.
  [[nodiscard]] std::array<int, 2> fds() const { return {rules_.get(), links_.get()}; }

  /// Whether something happened since the last time. Reads all that there is. An overflow
  /// (ENOBUFS) counts: what was lost is unknown. Throws Error.
  bool drain();

 private:
  base::UniqueFd rules_;
  base::UniqueFd links_;
};

}  // namespace netsetup
