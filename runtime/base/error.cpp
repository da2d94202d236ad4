// SPDX-License-Identifier: MIT
#include "base/error.h"

#include <cerrno>
#include <cstring>
#include <utility>

namespace base {

Error::Error(std::string line, int exit_status)
    : std::system_error(0, std::generic_category()),
      line_(std::move(line)),
      exit_status_(exit_status) {}

Error::Error(int error, std::string_view attempt, int exit_status)
    : std::system_error(error, std::generic_category()),
      line_(std::string(attempt) + ": " + std::strerror(error)),
      exit_status_(exit_status) {}

Error Error::within(std::string_view outer, std::string_view hint) const {
  Error wrapped(*this);
  wrapped.line_ = std::string(outer) + ": " + line_ + std::string(hint);
  return wrapped;
}

int check(int result, std::string_view attempt) {
  if (result < 0) throw Error(errno, attempt);
  return result;
}

}  // namespace base
