// SPDX-License-Identifier: MIT
#include "runtime/channel.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

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

std::optional<Message> Channel::receive() const {
  Wire wire{};
  ssize_t got = 0;
  while ((got = ::recv(fd(), &wire, sizeof wire, 0)) < 0 && errno == EINTR) {
  }
  if (got < static_cast<ssize_t>(HeaderSize)) return std::nullopt;
  return Message{wire.kind, wire.exit_status,
                 std::string(wire.text.data(), static_cast<std::size_t>(got) - HeaderSize)};
}

}  // namespace runtime
