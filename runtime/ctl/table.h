// SPDX-License-Identifier: MIT
// What a command shows: text on standard output, in columns that fit the terminal.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace runtime::ctl {

/// Writes TEXT to standard output. Throws Error.
void print(const std::string& text);

/// Writes VALUE, indented; bytes that are no UTF-8 are shown as it can be. Throws Error.
void print_json(const nlohmann::json& value);

/// ROWS as lines, the first being the headings. The last column is cut where a line would be longer
/// than WIDTH (0: never); control characters are shown as printable() shows them.
std::string table(const std::vector<std::vector<std::string>>& rows, std::size_t width);

/// Columns of the terminal that standard output is, 0 where it is none.
std::size_t terminal_width();

/// SECONDS as people say it: "5 seconds", "3 hours".
std::string duration(long seconds);

}  // namespace runtime::ctl
