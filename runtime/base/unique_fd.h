// SPDX-License-Identifier: MIT
// A descriptor lives in a type from the line that opens it.
#pragma once

#include <unistd.h>

#include <utility>

namespace base {

/// Owns one file descriptor; -1 is none. Every descriptor is opened with O_CLOEXEC at birth.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) noexcept : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    reset(other.release());
    return *this;
  }
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { reset(); }

  [[nodiscard]] int get() const noexcept { return fd_; }
  [[nodiscard]] bool valid() const noexcept { return fd_ >= 0; }
  [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }
  void reset(int fd = -1) noexcept {
    if (fd_ >= 0) ::close(fd_);  // close(2): never retried, the descriptor is gone either way
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};

}  // namespace base
