// SPDX-License-Identifier: MIT
#include "runtime/channel.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "base/error.h"

namespace runtime {

namespace {

/// The message on the wire: both ends are the same program.
struct Wire {
  Message::Kind kind;
  std::int32_t exit_status;
  std::array<char, 4096> text;
};
constexpr std::size_t HeaderSize = offsetof(Wire, text);

/// Room for one descriptor: cmsg(3).
union Ancillary {
  std::array<char, CMSG_SPACE(sizeof(int))> bytes;
  cmsghdr alignment;
};

}  // namespace

std::pair<Channel, Channel> Channel::make() {
  std::array<int, 2> ends{};
  base::check(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()), "socketpair");
  return {Channel(base::UniqueFd(ends[0])), Channel(base::UniqueFd(ends[1]))};
}

bool Channel::send(Message::Kind kind, std::string_view text, int exit_status) const noexcept {
  Wire wire{};
  wire.kind = kind;
  wire.exit_status = exit_status;
  text = text.substr(0, wire.text.size());
  std::copy(text.begin(), text.end(), wire.text.begin());
  for (;;) {
    if (::send(fd(), &wire, HeaderSize + text.size(), MSG_NOSIGNAL) >= 0) return true;
    if (errno != EINTR) return false;
  }
}

bool Channel::send_descriptor(Message::Kind kind, int descriptor) const noexcept {
  Wire wire{};
  wire.kind = kind;
  iovec part = {&wire, HeaderSize};
  Ancillary ancillary{};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = &ancillary;
  header.msg_controllen = sizeof ancillary.bytes;
  cmsghdr* rights = CMSG_FIRSTHDR(&header);
  *rights = {CMSG_LEN(sizeof descriptor), SOL_SOCKET, SCM_RIGHTS};
  std::memcpy(CMSG_DATA(rights), &descriptor, sizeof descriptor);
  for (;;) {
    if (::sendmsg(fd(), &header, MSG_NOSIGNAL) >= 0) return true;
    if (errno != EINTR) return false;
  }
}

std::optional<Message> Channel::receive() const {
  Wire wire{};
  iovec part = {&wire, sizeof wire};
  Ancillary ancillary{};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = &ancillary;
  header.msg_controllen = sizeof ancillary.bytes;
  ssize_t got = 0;
  // ECONNRESET: the other end died with a message of ours unread. What it said before comes next.
  while ((got = ::recvmsg(fd(), &header, MSG_CMSG_CLOEXEC)) < 0 &&
         (errno == EINTR || errno == ECONNRESET)) {
  }
  if (got < static_cast<ssize_t>(HeaderSize)) return std::nullopt;
  Message message{wire.kind, wire.exit_status,
                  std::string(wire.text.data(), static_cast<std::size_t>(got) - HeaderSize),
                  base::UniqueFd()};
  const cmsghdr* rights = CMSG_FIRSTHDR(&header);
  if (rights != nullptr && rights->cmsg_type == SCM_RIGHTS) {
    int descriptor = -1;
    std::memcpy(&descriptor, CMSG_DATA(rights), sizeof descriptor);
    message.descriptor.reset(descriptor);
  }
  return message;
}

}  // namespace runtime
