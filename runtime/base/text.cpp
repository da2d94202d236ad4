// SPDX-License-Identifier: MIT
#include "base/text.h"

#include <algorithm>

namespace base {

std::string shell_quote(std::string_view text) {
  constexpr std::string_view Safe =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=@%+,";
  if (!text.empty() && text.find_first_not_of(Safe) == std::string_view::npos)
    return std::string(text);
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'')
      out += "'\\''";
    else
      out += c;
  }
  return out + "'";
}

std::string printable(std::string_view text) {
  constexpr std::size_t Limit = 200;
  constexpr std::string_view Hex = "0123456789abcdef";
  std::string out;
  for (const char c : text.substr(0, Limit)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      out += c;
    } else {
      out += "\\x";
      out += Hex[byte >> 4U];
      out += Hex[byte & 0xfU];
    }
  }
  if (text.size() > Limit) out += "...";
  return out;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> fields;
  for (;;) {
    const auto end = text.find(separator);
    fields.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return fields;
    text.remove_prefix(end + 1);
  }
}

std::string join(const std::vector<std::string>& words, std::string_view separator) {
  std::string out;
  for (const auto& word : words) {
    if (!out.empty()) out += separator;
    out += word;
  }
  return out;
}

std::string join_first(std::vector<std::string> words, std::size_t most) {
  if (words.size() > most) {
    const std::string more = cat("and ", words.size() - most, " more");
    words.resize(most);
    words.push_back(more);
  }
  return join(words, ", ");
}

}  // namespace base
