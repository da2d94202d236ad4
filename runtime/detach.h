// SPDX-License-Identifier: MIT
// -d: the command that was typed returns, the container lives on.
//
// Theory of operation. mini-run forks before it does anything else. The child, in a session of its
// own, starts and supervises the container as it would in the foreground; it still has the caller's
// standard error, for what goes wrong. The parent waits for one word on a pipe. With the word it
// prints the container's name and exits as told; at the pipe's end without a word it exits as the
// child did, which has said why. And a child that finds nobody to tell (Ctrl-C) gives up.
#pragma once

#include <string>

#include "base/unique_fd.h"

namespace runtime {

class Herald {
 public:
  explicit Herald(base::UniqueFd pipe) : pipe_(std::move(pipe)) {}

  /// The parent prints TEXT and exits with STATUS; from now on our standard descriptors are
  /// /dev/null. Throws Error where the parent has gone.
  void announce(const std::string& text, int status = 0);
  [[nodiscard]] bool has_announced() const { return !pipe_.valid(); }

 private:
  base::UniqueFd pipe_;
};

/// Returns in the child only. Throws Error.
Herald detach();

}  // namespace runtime
