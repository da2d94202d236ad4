// SPDX-License-Identifier: MIT
#include "runtime/terminal.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"

namespace runtime {

RawTerminal::RawTerminal(int fd) : fd_(fd) {
  if (::tcgetattr(fd, &before_) == 0) raw_ = make_raw();
}

bool RawTerminal::make_raw() const noexcept {
  termios raw = before_;
  ::cfmakeraw(&raw);
  return ::tcsetattr(fd_, TCSADRAIN, &raw) == 0;
}

void RawTerminal::renew() noexcept {
  if (raw_ && ::tcgetpgrp(fd_) == ::getpgrp()) static_cast<void>(make_raw());
}

void RawTerminal::restore() noexcept {
  if (raw_) ::tcsetattr(fd_, TCSADRAIN, &before_);
  raw_ = false;
}

void copy_window_size(int from, int to) noexcept {
  winsize size{};
  if (::ioctl(from, TIOCGWINSZ, &size) == 0) ::ioctl(to, TIOCSWINSZ, &size);
}

namespace {

/// By its name in the file system that makes terminals, on which nothing can be mounted from
/// inside, and nothing else is taken: /dev is the container's own, /dev/ptmx could be a trap by
/// now.
base::UniqueFd open_multiplexer() {
  base::UniqueFd master =
      base::open_or_throw("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK);
  struct statfs system {};
  base::check(::fstatfs(master.get(), &system), "look at /dev/pts");
  if (system.f_type != DEVPTS_SUPER_MAGIC) throw base::Error("/dev/pts/ptmx is no terminal");
  base::check(::fcntl(master.get(), F_SETFL, 0), "use the terminal");
  return master;
}

}  // namespace

base::UniqueFd become_terminal_session(uid_t owner) {
  base::UniqueFd master = open_multiplexer();
  const int unlock = 0;
  base::check(::ioctl(master.get(), TIOCSPTLCK, &unlock), "unlock the terminal");
  // The peer of this very master (Linux 4.13), whatever /dev/pts/N may name.
  const base::UniqueFd slave(
      base::check(::ioctl(master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC),
                  "open the terminal's other end"));
  base::check(::fchown(slave.get(), owner, static_cast<gid_t>(-1)), "give the terminal its owner");
  base::check(::ioctl(slave.get(), TIOCSCTTY, 0), "make it the controlling terminal");
  for (int fd = 0; fd <= STDERR_FILENO; ++fd)
    base::check(::dup2(slave.get(), fd), "use the terminal");
  return master;
}

}  // namespace runtime
