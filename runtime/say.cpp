// SPDX-License-Identifier: MIT
#include "runtime/say.h"

#include <unistd.h>

#include "base/text.h"

namespace runtime {

void say(std::string_view text) noexcept {
  const std::string line = base::cat("mini-run: ", text, "\n");
  static_cast<void>(!::write(STDERR_FILENO, line.data(), line.size()));
}

}  // namespace runtime
