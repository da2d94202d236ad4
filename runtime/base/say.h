// SPDX-License-Identifier: MIT
// Lines for the user, on standard error.
#pragma once

#include <string_view>

namespace base {

/// "mini-run: TEXT" and a newline, in one write. A standard error that is closed is no error.
void say(std::string_view text) noexcept;
/// The name that say() puts before each line; mini-run until it is called.
void say_as(const char* program) noexcept;

}  // namespace base
