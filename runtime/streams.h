// SPDX-License-Identifier: MIT
// What the program reads from and writes to.
//
//                  standard input                  outputs
//   foreground     ours                            ours
//   -t             a terminal of its own, carried to and from ours (terminal.h)
//   -d             empty; -i: nobody ever writes   the log (log_file.h)
//   -d -t          a terminal of its own, its output carried to the log
#pragma once

#include <optional>
#include <string_view>

#include "base/event_loop.h"
#include "base/file.h"
#include "base/unique_fd.h"
#include "runtime/child.h"
#include "runtime/log_file.h"
#include "runtime/options.h"
#include "runtime/relay.h"
#include "runtime/terminal.h"

namespace runtime {

class Streams {
 public:
  /// Opens what is needed; the log in DIRECTORY. Throws Error.
  Streams(const Options& options, int directory);

  /// Tells the child of its ends. Before the clone.
  void give_to(ChildConfig& child) const;
  /// Begins to carry. MASTER: of the program's terminal, where it has one. After the clone.
  void start(base::EventLoop& loop, base::UniqueFd master);
  /// The caller's terminal has another size now, or is ours again.
  void adapt() noexcept;
  [[nodiscard]] bool has_terminal() const { return master_.valid(); }
  /// A line for the user: on standard error, or in the log.
  void note(std::string_view text);
  /// The program's last words are carried, the caller's terminal is as it was.
  void finish();

 private:
  bool detached_, tty_, interactive_;
  base::Pipe input_;   // the program reads, we write
  base::Pipe output_;  // the program writes, we read
  base::UniqueFd master_;
  std::optional<LogFile> log_;
  std::optional<RawTerminal> raw_;
  std::optional<Relay> from_caller_;
  std::optional<Relay> from_program_;
};

}  // namespace runtime
