// SPDX-License-Identifier: MIT
// One thread that waits for many things: descriptors and times, each with what is to be done.
#pragma once

#include <chrono>
#include <functional>
#include <list>

namespace base {

class EventLoop {
 public:
  using Clock = std::chrono::steady_clock;

  /// A descriptor that is waited for. EVENTS as for poll(2); 0: not now. Whoever added it takes it
  /// out by closing it, before its descriptor is closed.
  struct Source {
    int fd = -1;
    short events = 0;
    std::function<void(short)> handle;  // with poll(2)'s revents
    void close() { fd = -1; }
  };
  /// The source, which stays where it is until it is closed: then it must not be used any more.
  Source& add(int fd, short events, std::function<void(short)> handle);

  /// HANDLE is called once, when TIME has come.
  void at(Clock::time_point time, std::function<void()> handle);

  /// Waits for something to happen and handles what has. Throws what a handler throws.
  void run_once();

 private:
  struct Timer {
    Clock::time_point time;
    std::function<void()> handle;
  };
  [[nodiscard]] int milliseconds_left() const;
  void handle_timers();

  std::list<Source> sources_;
  std::list<Timer> timers_;
};

}  // namespace base
