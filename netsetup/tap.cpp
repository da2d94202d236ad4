// SPDX-License-Identifier: MIT
#include "netsetup/tap.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <vector>

#include "base/error.h"

namespace netsetup {

using base::check;

namespace {

using Filter = std::vector<sock_filter>;

constexpr unsigned Snap = 128;  // bytes that are copied: the headers, with all options

void append(Filter& filter, std::initializer_list<sock_filter> part) {
  filter.insert(filter.end(), part);
}

/// Let through where the word or half word that is loaded is NUMBER.
void append_match(Filter& filter, unsigned number) {
  append(filter,
         {BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1), BPF_STMT(BPF_RET | BPF_K, Snap)});
}

/// What is sought of a packet whose header ends at X and has the protocol's number at PROTOCOL. The
/// end: all else is dropped.
void append_transport(Filter& filter, unsigned protocol, const PacketFilter& wanted) {
  append(filter, {BPF_STMT(BPF_LD | BPF_B | BPF_ABS, protocol)});
  for (const int number : {int{IPPROTO_UDP}, int{IPPROTO_ICMP}, int{IPPROTO_ICMPV6}})
    append_match(filter, static_cast<unsigned>(number));
  append(filter, {BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_TCP, 1, 0),
                  BPF_STMT(BPF_RET | BPF_K, 0), BPF_STMT(BPF_LD | BPF_B | BPF_IND, 13),  // flags
                  BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, TH_SYN | TH_FIN | TH_RST, 0, 1),
                  BPF_STMT(BPF_RET | BPF_K, Snap)});
  for (const unsigned port : {0U, 2U}) {  // source, destination
    append(filter, {BPF_STMT(BPF_LD | BPF_H | BPF_IND, port)});
    for (const auto& each : wanted.ports)
      append(filter, {BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, each.numbers.first, 0, 2),
                      BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, each.numbers.last, 1, 0),
                      BPF_STMT(BPF_RET | BPF_K, Snap)});
  }
  append(filter, {BPF_STMT(BPF_RET | BPF_K, 0)});
}

/// The last four bytes of an address at SOURCE or DESTINATION are those of one of WANTED.
void append_addresses(Filter& filter, Family family, unsigned source, unsigned destination,
                      const PacketFilter& wanted) {
  for (const unsigned at : {source, destination}) {
    append(filter, {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at)});
    for (const Ip& address : wanted.addresses)
      if (address.family == family) append_match(filter, address.low_bits());
  }
}

/// Offsets count from the network header on: linux/ip.h, linux/ipv6.h.
Filter filter_for(const PacketFilter& wanted) {
  constexpr auto Protocol = static_cast<unsigned>(SKF_AD_OFF + SKF_AD_PROTOCOL);
  Filter v4;
  append_addresses(v4, Family::V4, 12, 16, wanted);
  append(v4, {BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0)});
  append_transport(v4, 9, wanted);
  Filter filter = {BPF_STMT(BPF_LD | BPF_H | BPF_ABS, Protocol),
                   BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IP, 1, 0),
                   BPF_STMT(BPF_JMP | BPF_JA, static_cast<unsigned>(v4.size()))};
  filter.insert(filter.end(), v4.begin(), v4.end());
  append(filter,
         {BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IPV6, 1, 0), BPF_STMT(BPF_RET | BPF_K, 0)});
  append_addresses(filter, Family::V6, 20, 36, wanted);
  append(filter, {BPF_STMT(BPF_LDX | BPF_IMM, 40)});
  append_transport(filter, 6, wanted);
  return filter;
}

std::int64_t time_of(msghdr& message) {
  constexpr std::int64_t Second = 1'000'000'000;
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
       part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_TIMESTAMPNS) continue;
    timespec time{};
    std::memcpy(&time, CMSG_DATA(part), sizeof time);
    return time.tv_sec * Second + time.tv_nsec;
  }
  return 0;
}

}  // namespace

Tap::Tap(const PacketFilter& filter)
    : fd_(check(::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
                "open a packet socket")) {
  look_for(filter);
  const int on = 1;
  const int room = 8 << 20U;  // best effort
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
  check(::setsockopt(fd_.get(), SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on),
        "ask for the times of packets");
  sockaddr_ll every{};
  every.sll_family = AF_PACKET;
  every.sll_protocol = htons(ETH_P_ALL);  // with it, and not before: nothing comes in unfiltered
  check(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&every), sizeof every),
        "look at the interfaces");
}

void Tap::look_for(const PacketFilter& filter) {
  Filter code = filter_for(filter);
  const sock_fprog program = {static_cast<unsigned short>(code.size()), code.data()};
  check(::setsockopt(fd_.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program),
        "filter a packet socket");
}

void Tap::drain(const std::function<void(const Sighting&)>& function) {
  constexpr int Most = 4096;
  for (int count = 0; count < Most; ++count) {
    std::array<std::uint8_t, Snap> bytes;
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(timespec))> control;
    sockaddr_ll from{};
    iovec part = {bytes.data(), bytes.size()};
    msghdr message{};
    message.msg_name = &from;
    message.msg_namelen = sizeof from;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t got = ::recvmsg(fd_.get(), &message, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (got < 0 && (errno == EINTR || errno == ENETDOWN)) continue;  // an interface went down
    if (got < 0) throw base::Error(errno, "receive from a packet socket");
    const auto packet = parse_packet(std::span(bytes).first(static_cast<std::size_t>(got)));
    if (!packet) continue;
    function({static_cast<unsigned>(from.sll_ifindex), from.sll_pkttype == PACKET_OUTGOING,
              time_of(message), *packet});
  }
}

unsigned Tap::lost() {
  tpacket_stats statistics{};
  socklen_t size = sizeof statistics;
  ::getsockopt(fd_.get(), SOL_PACKET, PACKET_STATISTICS, &statistics, &size);
  return statistics.tp_drops;
}

}  // namespace netsetup
