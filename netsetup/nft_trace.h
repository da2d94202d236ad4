// SPDX-License-Identifier: MIT
// What the rules of nf_tables decide about single packets (`nft monitor trace`).
//
// Theory of operation. A packet is traced from the rule on that says `meta nftrace set 1`: then the
// kernel tells the group NFNLGRP_NFTRACE of each rule that takes it, of each chain that ends, and
// of each policy. Whoever wants that needs a rule, and a rule is a change that must go again,
// however its maker dies. So it is in a table that a netlink socket owns (NFT_TABLE_F_OWNER, since
// Linux 5.12): with the socket the kernel takes the table away, also after SIGKILL.
//
// The table's chains are the first and the last of each hook, and decide nothing. They also bear
// witness: a message of one says that the packet was there, and with which addresses, where nobody
// else has a rule.
//
// The same by hand, for as long as nft(8) stays: `nft -i`, then
//   add table inet mini_run_trace { flags owner; }
//   add chain inet mini_run_trace first { type filter hook prerouting priority -350; }
//   add rule inet mini_run_trace first ip saddr 10.210.0.2 meta nftrace set 1
// and in another terminal: nft monitor trace
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "netsetup/netlink.h"
#include "netsetup/packet.h"

namespace netsetup::nft {

inline constexpr std::string_view TraceTable = "mini_run_trace";  // and the process that has it

/// One message of the trace: what a rule did with a packet, or the end of a chain.
struct Decision {
  enum class Verdict : std::uint8_t { Continue, Accept, Drop, Jump, Return, Other };

  std::uint32_t id = 0;  // of the packet: a hash, which another packet may have later
  std::string family, table, chain;
  std::uint64_t handle = 0;  // of the rule; 0: it is the chain's end, or its policy
  bool policy = false;
  Verdict verdict = Verdict::Continue;
  std::string target;            // of a jump: the chain
  std::optional<Packet> packet;  // with the first message of a base chain, as it came in there
  unsigned in = 0, out = 0;      // interfaces, 0: none; with the first message, too
  unsigned hook = 0;             // of the base chain, as its priority: locate() knows
  std::int32_t priority = 0;
  std::string says;  // the rule's comment, or its text: explain() knows

  [[nodiscard]] bool ours() const { return table.starts_with(TraceTable); }
};
std::optional<Decision> parse_trace(const nlmsghdr* header);

/// A chain with a hook.
struct BaseChain {
  std::string family, table, name;
  unsigned hook = 0;          // NF_INET_*, NF_BR_*, which are the same numbers; NF_NETDEV_*
  std::int32_t priority = 0;  // the lowest runs first
};

class Tracer {
 public:
  /// Packets of FILTER are traced in the caller's network namespace, those of connections in which
  /// its addresses are translated too, as long as this lives. Throws Error, also where the kernel
  /// knows no tables with an owner.
  explicit Tracer(const PacketFilter& filter);

  /// DECISION, the first of a base chain, gets the chain's hook and priority.
  void locate(Decision& decision);
  /// DECISION gets what its rule says: the comment, as nft(8) and iptables-nft write it, else the
  /// rule as nft(8) prints it, where it can. Takes libnftables a millisecond or more.
  void explain(Decision& decision);
  /// The names of the chains of TABLE. Throws Error.
  std::vector<std::string> chains(std::string_view family, std::string_view table);

 private:
  std::string comment(const Decision& decision);

  netlink::Socket socket_;
  std::vector<BaseChain> bases_;
};

}  // namespace netsetup::nft
