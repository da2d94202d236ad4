// SPDX-License-Identifier: MIT
// mini-run while its container lives: signals in, notes out, and the exit status.
#pragma once

#include <sys/types.h>

#include <csignal>

#include "base/unique_fd.h"
#include "runtime/channel.h"

namespace runtime {

/// The container's process 1, seen from outside. Dies with this object, unless it was waited for.
class Child {
 public:
  Child(pid_t pid, base::UniqueFd pidfd) : pid_(pid), pidfd_(std::move(pidfd)) {}
  Child(Child&& other) noexcept : pid_(other.pid_), pidfd_(std::move(other.pidfd_)) {}
  Child& operator=(Child&&) = delete;
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child();

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] int pidfd() const { return pidfd_.get(); }
  void kill(int signal) const noexcept;
  /// Reaps it: its exit status, 128 + N where signal N ended it.
  int wait();

 private:
  pid_t pid_;
  base::UniqueFd pidfd_;
};

/// The signals that mini-run takes for its container, blocked and as a descriptor. Signals that
/// our caller ignores (nohup(1)) stay ignored.
class SignalQueue {
 public:
  SignalQueue();
  [[nodiscard]] int fd() const { return fd_.get(); }
  /// The number of the next pending one, 0: none.
  [[nodiscard]] int take() const;

 private:
  base::UniqueFd fd_;
};

/// Until the container has ended; returns its exit status. SIGTERM, SIGINT and the hang-up of our
/// terminal end it: the signal is passed on, and SIGKILL follows after STOP_TIMEOUT seconds, or at
/// once with a second SIGINT. Other signals are passed on. Throws Error with what the child
/// reports as Failed.
int supervise(Child& child, const Channel& channel, const SignalQueue& signals,
              unsigned stop_timeout);

}  // namespace runtime
