// SPDX-License-Identifier: MIT
// What a detached container has said: the file `log` of its record, and `log.1` before it.
//
// Theory of operation. The program writes into a pipe, the supervisor from the pipe into the file.
// Written directly, the file would grow without bound, in memory, since /run is. At half the bound
// `log` becomes `log.1`, whose content is lost: together they never hold more than the bound, and
// at least the latter half of it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/unique_fd.h"

namespace runtime {

class LogFile {
 public:
  /// In DIRECTORY, which must outlive it; at most BOUND bytes. Throws Error.
  LogFile(int directory, std::uint64_t bound);

  /// What cannot be written, for want of memory, is lost: the program must not stand still for it.
  void append(std::string_view text) noexcept;

 private:
  void open();
  void rotate();

  int directory_;
  std::uint64_t half_;
  std::uint64_t size_ = 0;
  base::UniqueFd file_;
};

/// The last LINES lines, all where LINES is negative, of DIRECTORY's log.1 and of LOG, its file log
/// (-1: there is none), which is read to its end.
std::string read_log(int directory, int log, long lines);

}  // namespace runtime
