// SPDX-License-Identifier: MIT
// Small files, read and written whole.
#pragma once

#include <fcntl.h>
#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/unique_fd.h"

namespace base {

/// The descriptor's content from its position on, at most LIMIT bytes; throws Error (EFBIG) beyond.
std::string read_all(int fd, std::size_t limit = std::size_t{1} << 20U);

/// The content of the regular file PATH below DIR, or nothing where it does not exist. Opened
/// non-blocking, so that a FIFO cannot hang us; anything but a regular file is an Error.
std::optional<std::string> read_file(const std::string& path, int dir = AT_FDCWD);

/// Writes all of TEXT; throws Error naming ATTEMPT.
void write_all(int fd, std::string_view text, std::string_view attempt);

/// openat(2) with O_CLOEXEC; throws Error "open PATH: ..." (MODE counts with O_CREAT only).
UniqueFd open_or_throw(const std::string& path, int flags, int dir = AT_FDCWD, mode_t mode = 0600);

/// Where what FD is open for lies (proc(5), /proc/PID/fd), for messages.
std::string path_of(int fd);

/// pipe2(2), close-on-exec.
struct Pipe {
  UniqueFd reader;
  UniqueFd writer;
};
Pipe open_pipe();

/// pidfd_open(2), close-on-exec; not valid where there is no process PID, errno says why.
UniqueFd open_process(pid_t pid);

}  // namespace base
