// SPDX-License-Identifier: MIT
// How minictl(1) speaks with the mini-run that runs a container: a socket, `control`, in the
// container's record, which is root's alone.
//
// A request is words, the answer is one text; each is one message (SOCK_SEQPACKET, unix(7)).
// Whatever has to live as long as the container, such as the reservation of a port, is thereby done
// by the process that does.
#pragma once

#include <functional>
#include <list>
#include <optional>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/unique_fd.h"

namespace runtime {

using Words = std::vector<std::string>;

/// The side of the one who runs the container.
class Control {
 public:
  /// The answer to a request; what it throws (Error) becomes the answer, as an error. Nothing: the
  /// answer comes with finish().
  using Handler = std::function<std::optional<std::string>(const Words&)>;

  /// Listens in DIRECTORY. Throws Error. LOOP must outlive it.
  Control(base::EventLoop& loop, int directory, Handler handler);

  /// Answers those who still wait.
  void finish(const std::string& answer);

 private:
  void accept();
  void serve(std::list<base::UniqueFd>::iterator connection);

  base::EventLoop& loop_;
  Handler handler_;
  base::UniqueFd socket_;
  std::list<base::UniqueFd> connections_;
};

/// The side of the one who asks.
class Question {
 public:
  /// Puts it to the one who runs the container of DIRECTORY, if somebody does. Throws Error.
  Question(int directory, const Words& request);
  /// Waits. Throws Error with what is answered as an error; nothing where nobody is there, or
  /// nobody any more.
  std::optional<std::string> answer();

 private:
  base::UniqueFd socket_;
};

}  // namespace runtime
