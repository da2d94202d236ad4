// SPDX-License-Identifier: MIT
// --help and the man page know every option, and no other.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/text.h"
#include "runtime/options.h"

TEST_CASE("--help shows every option, with an example, in 80 columns") {
  const auto help = runtime::help_text();
  for (const auto line : base::split(help, '\n')) CHECK_MESSAGE(line.size() <= 80, line);
  for (const auto name : runtime::option_names()) {
    CAPTURE(name);
    const auto at = help.find(base::cat("  ", name, ' '));
    const auto after_letter = help.find(base::cat(", ", name, ' '));
    CHECK((at != help.npos || after_letter != help.npos));
  }
}

TEST_CASE("--help shows no option that there is not") {
  const auto help = runtime::help_text();
  const auto names = runtime::option_names();
  std::size_t seen = 0;
  for (auto at = help.find("--"); at != help.npos; at = help.find("--", at + 2)) {
    const auto end = help.find_first_not_of("abcdefghijklmnopqrstuvwxyz-", at);
    const auto name = help.substr(at, end - at);
    if (name == "--") continue;
    CHECK_MESSAGE(std::find(names.begin(), names.end(), name) != names.end(), name);
    ++seen;
  }
  CHECK(seen >= names.size());
}

TEST_CASE("the man page has every option, with an example") {
  const auto path = std::filesystem::path(__FILE__).parent_path() / "../../docs/mini-run.1";
  const auto page = base::read_file(path.string());
  REQUIRE(page);
  std::vector<std::string> entries;  // each from its tag line to the next one
  for (const auto line : base::split(*page, '\n')) {
    if (line == ".TP" || line.starts_with(".SH")) entries.emplace_back();
    if (!entries.empty()) entries.back() += base::cat(line, '\n');
  }
  for (const auto name : runtime::option_names()) {
    std::string escaped = " ";
    for (const char c : name) escaped += c == '-' ? std::string("\\-") : std::string(1, c);
    CAPTURE(name);
    CHECK(std::any_of(entries.begin(), entries.end(), [&](const std::string& entry) {
      const auto tag = entry.substr(0, entry.find('\n', 4)) + " ";
      const auto after = tag.find(escaped) + escaped.size();
      return tag.find(escaped) != std::string::npos && (tag[after] == ' ' || tag[after] == '"') &&
             entry.find("\nExample:\n") != std::string::npos;
    }));
  }
}
