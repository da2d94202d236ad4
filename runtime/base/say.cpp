// SPDX-License-Identifier: MIT
#include "base/say.h"

#include <unistd.h>

#include "base/text.h"

namespace base {

namespace {
const char* speaker = "mini-run";
}  // namespace

void say_as(const char* program) noexcept { speaker = program; }

void say(std::string_view text) noexcept {
  const std::string line = cat(speaker, ": ", text, "\n");
  static_cast<void>(!::write(STDERR_FILENO, line.data(), line.size()));
}

}  // namespace base
