// SPDX-License-Identifier: MIT
// mini-run while its container lives: signals in, notes out, and the exit status.
#pragma once

#include <sys/signalfd.h>
#include <sys/types.h>

#include <csignal>
#include <functional>
#include <optional>
#include <string>

#include "base/event_loop.h"
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
  /// The next pending one.
  [[nodiscard]] std::optional<signalfd_siginfo> take() const;

 private:
  base::UniqueFd fd_;
};

/// Waits for the end of a container, in an event loop that others may add to. SIGTERM, SIGINT and
/// the hang-up of our terminal end it: it is sent the stop signal, and SIGKILL follows after the
/// timeout, or at once with a second SIGINT. Other signals are passed on.
class Supervisor {
 public:
  struct Settings {
    int stop_signal = SIGTERM;
    unsigned stop_timeout = 10;                    // seconds
    std::function<void(const std::string&)> note;  // a line for the user
    std::function<void()> started;                 // the program has been executed
    // SIGWINCH, SIGCONT; true: the program has a terminal of its own, which adapts
    std::function<bool()> terminal_changed;
  };
  /// All of them must outlive it.
  Supervisor(Child& child, const Channel& channel, const SignalQueue& signals, Settings settings);

  base::EventLoop& loop() { return loop_; }
  /// Asks the container to end; after TIMEOUT seconds it is killed.
  void stop(int signal, unsigned timeout);
  void kill(int signal) const { child_.kill(signal); }

  /// Until the container has ended; returns its exit status. Throws Error with what the child
  /// reports as Failed, and what a handler of the loop throws.
  int run();

 private:
  void hang_up();
  void take_signal();
  void take_message();

  Child& child_;
  const Channel& channel_;
  const SignalQueue& signals_;
  Settings settings_;
  base::EventLoop loop_;
  base::EventLoop::Source* messages_ = nullptr;  // null: there will be no more
  bool had_terminal_;
  bool stopping_ = false;
  bool ended_ = false;
};

}  // namespace runtime
