// SPDX-License-Identifier: MIT
// Hears when somebody takes parts of the network away, so that repair.h can put them back.
//
// Theory of operation. The kernel tells every change of interfaces and of nf_tables to netlink
// sockets that have joined a multicast group (RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR,
// NFNLGRP_NFTABLES). A start or stop of a container is some dozen such messages, and each costs
// the kernel something for each socket that has joined, woken or not. So of all supervisors of a
// host one watches, the one that holds the known connections (nft_flows.cpp), and others watch
// that process. Its sockets have filters, programs in the kernel that look at a message before it
// is queued (socket(7), SO_ATTACH_FILTER; classic BPF): what they do not let through does not wake
// it. Let through are
//   nf_tables  a table, chain, set or rule deleted, ours or another's: ours may be among those of
//              others (foreign.h). Elements are not: each end of a container deletes some. And a
//              chain with a hook that is made or changed: it may drop what we forward.
//   links      one deleted, or down; what is told about one as a bridge's port (family AF_BRIDGE):
//              pulled out (RTM_DELLINK), its settings changed (RTM_NEWLINK; hairpin).
//   addresses  one added (an interface that traffic comes in by) or deleted, but for those of the
//              link only, as IPv6 gives to each.
//
// rtnetlink sends a message at a time. nf_tables packs those of one transaction together, up to a
// page, in the order of the commands, so that a deletion may stand behind an element that was
// added: the filter goes from message to message. It has no loop, so that it is written out for
// the first few; a longer datagram is let through. A filter can only err to that side: to be awake
// once for nothing costs a look (repair.h), a deletion missed costs the network.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "base/unique_fd.h"

namespace netsetup {

/// What befell the host's network.
struct Heard {
  bool everything = false;         // more than was heard: nothing may be as it was
  bool shared = false;             // rules or addresses
  std::vector<std::string> links;  // of what name; each may be there more than once
};

class Watch {
 public:
  /// In the caller's network namespace, from now on. Throws Error.
  Watch();

  /// Readable (poll(2)) when something happened.
  [[nodiscard]] std::array<int, 2> fds() const { return {rules_.get(), links_.get()}; }

  /// Reads all that there is, and adds it to HEARD; whether there was something. An overflow
  /// (ENOBUFS) is everything: what was lost is unknown. Throws Error.
  bool drain(Heard& heard);

 private:
  base::UniqueFd rules_;
  base::UniqueFd links_;
};

}  // namespace netsetup
