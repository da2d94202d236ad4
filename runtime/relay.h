// SPDX-License-Identifier: MIT
// Bytes carried from one descriptor to another by an event loop, without ever waiting for one of
// them: the same loop has signals to take.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/event_loop.h"

namespace runtime {

class Relay {
 public:
  /// From FROM to TO, both open as long as this lives. What cannot be written at once is kept, and
  /// meanwhile nothing more is read. It ends with FROM's end of file; where nobody is left to read
  /// TO, it is lost.
  Relay(base::EventLoop& loop, int from, int to);
  /// From FROM to SINK, which takes everything.
  using Sink = std::function<void(std::string_view)>;
  Relay(base::EventLoop& loop, int from, Sink sink);
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  /// What is there to be read now, all of it: the last words of who has died.
  void drain();

 private:
  bool read_some();
  void write_some();
  void stop();

  base::EventLoop::Source* from_;  // null: its end has come
  base::EventLoop::Source* to_ = nullptr;
  Sink sink_;
  std::string pending_;
};

}  // namespace runtime
