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

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <vector>

#include "base/error.h"
#include "netsetup/netlink.h"

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

/// Where the message at X tells of what may have to be mended: the end, let through.
void append_message(Filter& filter) {
  constexpr unsigned Attribute = Payload + sizeof(nfgenmsg);
  constexpr auto FindAttribute = static_cast<unsigned>(SKF_AD_OFF + SKF_AD_NLATTR);
  const Filter part = {
      BPF_STMT(BPF_LD | BPF_H | BPF_IND, Type),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nft_type(NFT_MSG_DELTABLE), 11, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nft_type(NFT_MSG_DELCHAIN), 10, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nft_type(NFT_MSG_DELSET), 9, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nft_type(NFT_MSG_DELRULE), 8, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nft_type(NFT_MSG_NEWCHAIN), 0, 8),
      // With a hook? X must come back from the search.
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

Filter rules_filter() {
  static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "lengths are put together byte by byte");
  constexpr int Messages = 16;  // a start with more published ports wakes us for nothing
  Filter filter = {BPF_STMT(BPF_LDX | BPF_IMM, 0)};
  for (int message = 0; message < Messages; ++message) {
    append_message(filter);
    append_next(filter);
  }
  filter.push_back(BPF_STMT(BPF_RET | BPF_K, All));
  return filter;
}

Filter links_filter() {
  constexpr unsigned Family = Payload;  // of ifinfomsg
  constexpr unsigned Flags = Payload + offsetof(ifinfomsg, ifi_flags);
  constexpr unsigned Scope = Payload + offsetof(ifaddrmsg, ifa_scope);
  return {
      BPF_STMT(BPF_LD | BPF_H | BPF_ABS, Type),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_DELLINK), 8, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_NEWLINK), 2, 0),
      // An address, unless it is of the link only.
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, Scope),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, RT_SCOPE_LINK, 4, 5),
      // Down, or told about a port as a port?
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, Flags),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, htonl(IFF_UP), 0, 3),
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, Family),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_BRIDGE, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, None),
      BPF_STMT(BPF_RET | BPF_K, All),
  };
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

/// Calls FUNCTION with each datagram that comes in at FD; whether there was any. What was lost
/// counts as everything.
template <class Function>
bool drain_one(int fd, Heard& heard, const Function& function) {
  constexpr std::size_t Size = 16384;  // twice what the kernel makes (NLMSG_GOODSIZE)
  alignas(nlmsghdr) std::array<std::uint8_t, Size> datagram;
  bool something = false;
  for (;;) {
    const ssize_t got = ::recv(fd, datagram.data(), datagram.size(), MSG_DONTWAIT | MSG_TRUNC);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return something;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno != ENOBUFS) throw base::Error(errno, "receive from netlink");
    something = true;
    const auto* message = reinterpret_cast<const nlmsghdr*>(datagram.data());
    if (got >= 0 && mnl_nlmsg_ok(message, static_cast<int>(std::min<ssize_t>(got, Size))))
      function(message);
    else
      heard.everything = true;
  }
}

}  // namespace

Watch::Watch()
    : rules_(listen_to(NETLINK_NETFILTER, rules_filter(), {NFNLGRP_NFTABLES})),
      links_(listen_to(NETLINK_ROUTE, links_filter(),
                       {RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR})) {}

bool Watch::drain(Heard& heard) {
  const bool rules =
      drain_one(rules_.get(), heard, [&](const nlmsghdr* /*message*/) { heard.shared = true; });
  const bool links = drain_one(links_.get(), heard, [&](const nlmsghdr* message) {
    const bool link = message->nlmsg_type == RTM_NEWLINK || message->nlmsg_type == RTM_DELLINK;
    if (!link) heard.shared = true;
    if (!link) return;
    if (const auto* name = netlink::Attributes(message, sizeof(ifinfomsg)).find(IFLA_IFNAME))
      heard.links.push_back(netlink::value_string(name));
  });
  return rules || links;
}

}  // namespace netsetup
