// SPDX-License-Identifier: MIT
#include "runtime/log_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>

#include "base/error.h"
#include "base/file.h"

namespace runtime {

LogFile::LogFile(int directory, std::uint64_t bound) : directory_(directory), half_(bound / 2) {
  open();
}

void LogFile::open() {
  file_ =
      base::open_or_throw("log", O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NOFOLLOW, directory_);
  size_ = 0;
}

void LogFile::rotate() {
  ::renameat(directory_, "log", directory_, "log.1");
  open();
}

void LogFile::append(std::string_view text) noexcept {
  try {
    if (size_ != 0 && size_ + text.size() > half_) rotate();
    base::write_all(file_.get(), text, "write the log");
    size_ += text.size();
  } catch (const base::Error&) {
    // Said in the header.
  }
}

std::string read_log(int directory, int log, long lines) {
  constexpr std::size_t Limit = std::size_t{1} << 40U;
  std::string text;
  const base::UniqueFd before(
      ::openat(directory, "log.1", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (before.valid()) text = base::read_all(before.get(), Limit);
  if (log >= 0) text += base::read_all(log, Limit);
  if (lines < 0) return text;
  std::size_t begin = text.size();
  if (begin != 0 && text.back() == '\n') --begin;  // it ends the last line, not an empty one
  for (long left = lines; left > 0 && begin != 0; --left) {
    const auto end = text.rfind('\n', begin - 1);
    if (end == std::string::npos) return text;
    begin = left == 1 ? end + 1 : end;
  }
  return lines == 0 ? "" : text.substr(begin);
}

}  // namespace runtime
