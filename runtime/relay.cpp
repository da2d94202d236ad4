// SPDX-License-Identifier: MIT
#include "runtime/relay.h"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>

namespace runtime {

namespace {

// What poll(2) promises room for in a pipe (PIPE_BUF): a write of so much does not wait.
constexpr std::size_t Portion = 4096;

// For a reader that does not read the last words.
constexpr int PatienceMilliseconds = 1000;

bool readable(int fd) {
  pollfd event = {fd, POLLIN, 0};
  return ::poll(&event, 1, 0) > 0;
}

}  // namespace

Relay::Relay(base::EventLoop& loop, int from, int to)
    : from_(&loop.add(from, POLLIN, [this](short) { read_some(); })),
      to_(&loop.add(to, 0, [this](short) { write_some(); })) {}

Relay::Relay(base::EventLoop& loop, int from, Sink sink)
    : from_(&loop.add(from, POLLIN, [this](short) { read_some(); })), sink_(std::move(sink)) {}

void Relay::stop() {
  from_->close();
  from_ = nullptr;
  if (to_ != nullptr) to_->close();
  to_ = nullptr;
}

/// False: there is no more.
bool Relay::read_some() {
  std::array<char, Portion> buffer;
  const ssize_t got = ::read(from_->fd, buffer.data(), buffer.size());
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return true;
  if (got <= 0) {  // EIO: a terminal whose other end is closed
    stop();
    return false;
  }
  const std::string_view text(buffer.data(), static_cast<std::size_t>(got));
  if (to_ == nullptr) {
    sink_(text);
    return true;
  }
  pending_ = text;
  from_->events = 0;
  to_->events = POLLOUT;
  return true;
}

void Relay::write_some() {
  const ssize_t put = ::write(to_->fd, pending_.data(), pending_.size());
  if (put < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (put < 0) {  // nobody listens: who speaks must not stand still for it
    to_->close();
    to_ = nullptr;
    sink_ = [](std::string_view) {};
    from_->events = POLLIN;
    pending_.clear();
    return;
  }
  pending_.erase(0, static_cast<std::size_t>(put));
  if (!pending_.empty()) return;
  to_->events = 0;
  from_->events = POLLIN;
}

void Relay::drain() {
  constexpr int Most = 1 << 10;  // a process that is no child of the container's may go on for ever
  for (int portions = 0; from_ != nullptr && portions < Most; ++portions) {
    while (!pending_.empty()) {
      pollfd event = {to_->fd, POLLOUT, 0};
      if (::poll(&event, 1, PatienceMilliseconds) <= 0) return;
      write_some();
    }
    if (!readable(from_->fd) || !read_some()) return;
  }
}

}  // namespace runtime
