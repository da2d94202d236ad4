// SPDX-License-Identifier: MIT
// Terminals: the caller's, and one of the container's own.
//
// Theory of operation. With -t the program gets a pseudoterminal of the container's own /dev/pts:
// what is typed in there can never reach the caller's terminal (TIOCSTI), and its name means
// something inside. We hold the other end, the master, and carry bytes between it and the caller's
// terminal, which is in raw mode meanwhile: keys are not interpreted out here, so that Ctrl-C,
// Ctrl-Z and line editing are the inner terminal's, job control included.
#pragma once

#include <sys/types.h>
#include <termios.h>

#include "base/unique_fd.h"

namespace runtime {

/// The caller's terminal in raw mode, until restored.
class RawTerminal {
 public:
  /// FD as termios(3) wants it; not a terminal, or not ours to set: nothing happens.
  explicit RawTerminal(int fd);
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;
  ~RawTerminal() { restore(); }
  /// Raw once more, where we are in the foreground: others had it while we were stopped.
  void renew() noexcept;
  void restore() noexcept;

 private:
  [[nodiscard]] bool make_raw() const noexcept;

  int fd_;
  bool raw_ = false;
  termios before_{};
};

/// The size of terminal FROM becomes that of terminal TO, whose foreground processes are told
/// (SIGWINCH). Nothing where FROM is none.
void copy_window_size(int from, int to) noexcept;

/// A new pseudoterminal, of the /dev/pts of this mount namespace: returns the master. The other end
/// becomes the controlling terminal and descriptors 0, 1, 2 of this process, and belongs to OWNER.
/// Throws Error. Needs: a session of its own (setsid(2)).
base::UniqueFd become_terminal_session(uid_t owner);

}  // namespace runtime
