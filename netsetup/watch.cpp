// SPDX-License-Identifier: MIT
// Two filters in classic BPF (linux/filter.h) and the sockets they are attached to.
//
// A filter has two registers, A and X, and loads what it looks at as big-endian numbers, while
// netlink writes in the machine's order: constants are swapped instead. A load beyond the message's
// end drops the message.
#include "netsetup/watch.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <vector>

#include "base/error.h"
#include "netsetup/nft.h"

namespace netsetup {

using base::check;

namespace {

using Filter = std::vector<sock_filter>;

constexpr unsigned All = ~0U;  // of the message's bytes: let it through
constexpr unsigned None = 0;

constexpr unsigned Type = offsetof(nlmsghdr, nlmsg_type);
constexpr unsigned Payload = NLMSG_HDRLEN;

unsigned nft_type(int type) {
  return htons(static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type));
}

/// Whether the message at X tells of what is to be mended: then the end, let through. OTHERS: our
/// rules among those of others too. The table's name is the first attribute of all that is looked
/// at (nf_tables_fill_*_info() of nf_tables_api.c); where something else stands there, it may be
/// ours.
void append_message(Filter& filter, bool others) {
  constexpr unsigned Attribute = Payload + sizeof(nfgenmsg);
  constexpr unsigned Name = Attribute + NLA_HDRLEN;
  constexpr auto FindAttribute = static_cast<unsigned>(SKF_AD_OFF + SKF_AD_NLATTR);
  static_assert(nft::TableName == "mini_run", "compared as two words and a NUL");
  filter.push_back(BPF_STMT(BPF_LD | BPF_H | BPF_IND, Type));
  if (others) {
    const Filter part = {
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nft_type(NFT_MSG_DELTABLE), 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nft_type(NFT_MSG_DELCHAIN), 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nft_type(NFT_MSG_DELRULE), 0, 1),
        BPF_STMT(BPF_RET | BPF_K, All),
    };
    filter.insert(filter.end(), part.begin(), part.end());
  }
  const Filter part = {
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nft_type(NFT_MSG_NEWCHAIN), 5, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nft_type(NFT_MSG_DELTABLE), 4, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nft_type(NFT_MSG_DELCHAIN), 3, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nft_type(NFT_MSG_DELSET), 2, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nft_type(NFT_MSG_DELRULE), 1, 0),
      BPF_STMT(BPF_JMP | BPF_JA, 22),
      BPF_STMT(BPF_ST, 2),
      BPF_STMT(BPF_LD | BPF_H | BPF_IND, Attribute + offsetof(nlattr, nla_type)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(NFTA_TABLE_NAME), 0, 18),
      BPF_STMT(BPF_LD | BPF_W | BPF_IND, Name),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x6d696e69 /* mini */, 0, 7),
      BPF_STMT(BPF_LD | BPF_W | BPF_IND, Name + 4),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x5f72756e /* _run */, 0, 5),
      // Of ours: a chain that is made is nothing to mend, nor what befalls mini_run_flows.
      BPF_STMT(BPF_LD | BPF_MEM, 2),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nft_type(NFT_MSG_NEWCHAIN), 13, 0),
      BPF_STMT(BPF_LD | BPF_B | BPF_IND, Name + 8),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 10, 0),
      BPF_STMT(BPF_JMP | BPF_JA, 10),
      // Of others: a chain with a hook? X must come back from the search.
      BPF_STMT(BPF_LD | BPF_MEM, 2),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nft_type(NFT_MSG_NEWCHAIN), 0, 8),
      BPF_STMT(BPF_STX, 3),
      BPF_STMT(BPF_MISC | BPF_TXA, 0),
      BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, Attribute),
      BPF_STMT(BPF_LDX | BPF_IMM, NFTA_CHAIN_HOOK),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, FindAttribute),
      BPF_STMT(BPF_LDX | BPF_MEM, 3),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, All),
  };
  filter.insert(filter.end(), part.begin(), part.end());
}

/// X to the message after that at X; the end, dropped, where there is none. A length has four
/// bytes, of which those of nf_tables (NLMSG_GOODSIZE) use two.
void append_next(Filter& filter) {
  const Filter part = {
      BPF_STMT(BPF_LD | BPF_B | BPF_IND, 1),
      BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 8),
      BPF_STMT(BPF_ST, 0),
      BPF_STMT(BPF_LD | BPF_B | BPF_IND, 0),
      BPF_STMT(BPF_STX, 1),
      BPF_STMT(BPF_LDX | BPF_MEM, 0),
      BPF_STMT(BPF_ALU | BPF_ADD | BPF_X, 0),
      BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, NLMSG_ALIGNTO - 1),
      BPF_STMT(BPF_ALU | BPF_AND | BPF_K, ~(NLMSG_ALIGNTO - 1)),
      BPF_STMT(BPF_LDX | BPF_MEM, 1),
      BPF_STMT(BPF_ALU | BPF_ADD | BPF_X, 0),
      BPF_STMT(BPF_MISC | BPF_TAX, 0),
      BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
      BPF_JUMP(BPF_JMP | BPF_JGT | BPF_X, 0, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, None),
  };
  filter.insert(filter.end(), part.begin(), part.end());
}

Filter rules_filter(bool others) {
  static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "lengths are put together byte by byte");
  constexpr int Messages = 16;  // a start with more published ports wakes the others for nothing
  Filter filter = {BPF_STMT(BPF_LDX | BPF_IMM, 0)};
  for (int message = 0; message < Messages; ++message) {
    append_message(filter, others);
    append_next(filter);
  }
  filter.push_back(BPF_STMT(BPF_RET | BPF_K, All));
  return filter;
}

Filter links_filter(const std::vector<unsigned>& links) {
  constexpr unsigned Family = Payload;  // of ifinfomsg and ifaddrmsg, as is the index
  constexpr unsigned Index = Payload + offsetof(ifinfomsg, ifi_index);
  static_assert(offsetof(ifinfomsg, ifi_index) == offsetof(ifaddrmsg, ifa_index));
  constexpr unsigned Flags = Payload + offsetof(ifinfomsg, ifi_flags);
  constexpr unsigned Scope = Payload + offsetof(ifaddrmsg, ifa_scope);
  Filter filter = {
      BPF_STMT(BPF_LD | BPF_H | BPF_ABS, Type),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_DELADDR), 12, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_DELLINK), 11, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_NEWLINK), 5, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_NEWADDR), 0, 3),
      // A new address, unless it is of the link only, as IPv6 gives one to each.
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, Scope),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, RT_SCOPE_LINK, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, All),
      BPF_STMT(BPF_RET | BPF_K, None),
      // Down, or told about a port as a port?
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, Flags),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, htonl(IFF_UP), 0, 3),
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, Family),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_BRIDGE, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, None),
      // About ours?
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, Index),
  };
  for (const unsigned link : links) {
    filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(link), 0, 1));
    filter.push_back(BPF_STMT(BPF_RET | BPF_K, All));
  }
  filter.push_back(BPF_STMT(BPF_RET | BPF_K, None));
  return filter;
}

base::UniqueFd listen_to(int protocol, const Filter& filter, std::initializer_list<int> groups) {
  base::UniqueFd socket(
      check(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol),
            "open a netlink socket"));
  // Before it joins: nothing comes in unfiltered.
  const sock_fprog program = {static_cast<unsigned short>(filter.size()),
                              const_cast<sock_filter*>(filter.data())};
  check(::setsockopt(socket.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program),
        "filter a netlink socket");
  sockaddr_nl own{};
  own.nl_family = AF_NETLINK;
  check(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&own), sizeof own),
        "bind a netlink socket");
  for (const int group : groups)
    check(::setsockopt(socket.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group),
          "listen to the kernel's notifications");
  return socket;
}

bool drain_one(int fd) {
  bool something = false;
  for (;;) {
    char byte = 0;  // the rest of the datagram is of no interest
    if (::recv(fd, &byte, sizeof byte, MSG_DONTWAIT) >= 0 || errno == ENOBUFS)
      something = true;
    else if (errno == EAGAIN || errno == EWOULDBLOCK)
      return something;
    else if (errno != EINTR)
      throw base::Error(errno, "receive from netlink");
  }
}

}  // namespace

Watch::Watch(const std::vector<unsigned>& links, bool others)
    : rules_(listen_to(NETLINK_NETFILTER, rules_filter(others), {NFNLGRP_NFTABLES})),
      links_(listen_to(NETLINK_ROUTE, links_filter(links),
                       {RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR})) {}

bool Watch::drain() {
  const bool rules = drain_one(rules_.get());
  return drain_one(links_.get()) || rules;
}

}  // namespace netsetup
