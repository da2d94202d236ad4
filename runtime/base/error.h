// SPDX-License-Identifier: MIT
// The one exception of mini-run: what we tried in the user's words, and the kernel's reason.
#pragma once

#include <string>
#include <string_view>
#include <system_error>

namespace base {

/// Exit statuses of our own, docker's convention (docker-run(1), "Exit status").
inline constexpr int ExitFailure = 125;        // mini-run itself failed
inline constexpr int ExitNotExecutable = 126;  // the program is there but cannot be executed
inline constexpr int ExitNotFound = 127;       // there is no such program

/// what() is one whole line for the user, without a trailing newline.
class Error : public std::system_error {
 public:
  /// A finding of our own: there is no errno behind it.
  explicit Error(std::string line, int exit_status = ExitFailure);
  /// A call that failed: "ATTEMPT: strerror(ERROR)".
  Error(int error, std::string_view attempt, int exit_status = ExitFailure);

  /// The same failure, seen from further out: "OUTER: what()HINT".
  [[nodiscard]] Error within(std::string_view outer, std::string_view hint = {}) const;

  [[nodiscard]] const char* what() const noexcept override { return line_.c_str(); }
  [[nodiscard]] int exit_status() const noexcept { return exit_status_; }

 private:
  std::string line_;
  int exit_status_;
};

/// Returns RESULT, or throws Error(errno, ATTEMPT) when it is negative.
int check(int result, std::string_view attempt);

}  // namespace base
