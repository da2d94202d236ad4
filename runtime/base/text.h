// SPDX-License-Identifier: MIT
// Text: concatenation, strict numbers, quoting. (gcc 12 has no std::format.)
#pragma once

#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace base {

namespace detail {
inline void append(std::string& out, std::string_view piece) { out += piece; }
inline void append(std::string& out, char piece) { out += piece; }
template <class Integer>
requires std::is_integral_v<Integer>
void append(std::string& out, Integer number) { out += std::to_string(number); }
}  // namespace detail

/// cat("port ", 80) == "port 80".
template <class... Pieces>
std::string cat(const Pieces&... pieces) {
  std::string out;
  (detail::append(out, pieces), ...);
  return out;
}

/// The whole of TEXT as a decimal number that fits Integer; no sign for unsigned, no blanks.
template <class Integer>
std::optional<Integer> parse_number(std::string_view text) {
  Integer number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

/// TEXT as one word of sh(1): as it is where that is safe, else in single quotes.
std::string shell_quote(std::string_view text);

/// TEXT for a message: control characters and invalid bytes become \xNN, so that hostile names
/// cannot write to the terminal; at most 200 characters, then "...".
std::string printable(std::string_view text);

/// Splits at every SEPARATOR; empty fields are kept.
std::vector<std::string_view> split(std::string_view text, char separator);

/// The words with SEPARATOR between them.
std::string join(const std::vector<std::string>& words, std::string_view separator);

/// The first MOST words with commas between them, then how many more there are.
std::string join_first(std::vector<std::string> words, std::size_t most);

}  // namespace base
