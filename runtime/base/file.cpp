// SPDX-License-Identifier: MIT
#include "base/file.h"

#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>

#include "base/error.h"
#include "base/text.h"

namespace base {

std::string read_all(int fd, std::size_t limit) {
  std::string out;
  std::array<char, 4096> buffer;
  for (;;) {
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw Error(errno, "read");
    if (got == 0) return out;
    out.append(buffer.data(), static_cast<std::size_t>(got));
    if (out.size() > limit) throw Error(EFBIG, cat("it has more than ", limit, " bytes"));
  }
}

std::optional<std::string> read_file(const std::string& path, int dir) {
  const UniqueFd fd(::openat(dir, path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd.valid()) {
    if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
    throw Error(errno, cat("read ", printable(path)));
  }
  struct stat status {};
  check(::fstat(fd.get(), &status), "fstat");
  if (!S_ISREG(status.st_mode)) throw Error(cat("read ", printable(path), ": not a regular file"));
  return read_all(fd.get());
}

void write_all(int fd, std::string_view text, std::string_view attempt) {
  while (!text.empty()) {
    const ssize_t put = ::write(fd, text.data(), text.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) throw Error(errno, attempt);
    text.remove_prefix(static_cast<std::size_t>(put));
  }
}

std::string path_of(int fd) {
  std::array<char, PATH_MAX> path{};
  const ssize_t length = ::readlink(cat("/proc/self/fd/", fd).c_str(), path.data(), path.size());
  return length < 0 ? cat("descriptor ", fd)
                    : std::string(path.data(), static_cast<std::size_t>(length));
}

UniqueFd open_or_throw(const std::string& path, int flags, int dir, mode_t mode) {
  UniqueFd fd(::openat(dir, path.c_str(), flags | O_CLOEXEC, mode));
  if (!fd.valid()) throw Error(errno, cat("open ", printable(path)));
  return fd;
}

Pipe open_pipe() {
  std::array<int, 2> ends{};
  check(::pipe2(ends.data(), O_CLOEXEC), "pipe");
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

UniqueFd open_process(pid_t pid) {
  return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
}

}  // namespace base
