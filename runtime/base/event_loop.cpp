// SPDX-License-Identifier: MIT
#include "base/event_loop.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "base/error.h"

namespace base {

EventLoop::Source& EventLoop::add(int fd, short events, std::function<void(short)> handle) {
  return sources_.emplace_back(Source{fd, events, std::move(handle)});
}

void EventLoop::at(Clock::time_point time, std::function<void()> handle) {
  timers_.push_back({time, std::move(handle)});
}

int EventLoop::milliseconds_left() const {
  const auto next = std::ranges::min_element(timers_, {}, &Timer::time);
  if (next == timers_.end()) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(next->time - Clock::now());
  return static_cast<int>(std::max<std::chrono::milliseconds::rep>(left.count(), 0));
}

void EventLoop::handle_timers() {
  std::list<Timer> due;
  const auto now = Clock::now();
  for (auto timer = timers_.begin(); timer != timers_.end();) {
    const auto next = std::next(timer);
    if (timer->time <= now) due.splice(due.end(), timers_, timer);
    timer = next;
  }
  for (const auto& timer : due) timer.handle();
}

void EventLoop::run_once() {
  sources_.remove_if([](const Source& source) { return source.fd < 0; });
  std::vector<pollfd> polled;
  std::vector<Source*> asked;
  for (Source& source : sources_) {
    if (source.events == 0) continue;
    polled.push_back({source.fd, source.events, 0});
    asked.push_back(&source);
  }
  if (::poll(polled.data(), polled.size(), milliseconds_left()) < 0 && errno != EINTR)
    throw Error(errno, "poll");
  handle_timers();
  for (std::size_t i = 0; i < polled.size(); ++i) {
    if (polled[i].revents != 0 && asked[i]->fd == polled[i].fd) asked[i]->handle(polled[i].revents);
  }
}

}  // namespace base
