// SPDX-License-Identifier: MIT
// The container's environment.
#include "runtime/environment.h"

#include <unistd.h>

#include <cstdlib>

#include "base/text.h"

namespace runtime {

namespace {

/// The entry of NAME, or the end.
template <class Environment>
auto find_entry(Environment& environment, std::string_view name) {
  auto entry = environment.begin();
  while (entry != environment.end() &&
         !(entry->size() > name.size() && entry->starts_with(name) && (*entry)[name.size()] == '='))
    ++entry;
  return entry;
}

void set(std::vector<std::string>& environment, std::string_view name, std::string_view value) {
  const auto entry = find_entry(environment, name);
  if (entry == environment.end())
    environment.push_back(base::cat(name, '=', value));
  else
    *entry = base::cat(name, '=', value);
}

}  // namespace

std::vector<std::string> make_environment(
    std::string_view home, std::string_view hostname,
    const std::vector<std::pair<std::string, std::string>>& variables) {
  std::vector<std::string> environment;
  set(environment, "PATH", DefaultPath);
  set(environment, "HOME", home);
  set(environment, "HOSTNAME", hostname);
  if (::isatty(STDIN_FILENO) == 1) {
    const char* terminal = std::getenv("TERM");
    set(environment, "TERM", terminal != nullptr ? terminal : "xterm");
  }
  for (const auto& [name, value] : variables) set(environment, name, value);
  return environment;
}

std::optional<std::string_view> find_variable(const std::vector<std::string>& environment,
                                              std::string_view name) {
  const auto entry = find_entry(environment, name);
  if (entry == environment.end()) return std::nullopt;
  return std::string_view(*entry).substr(name.size() + 1);
}

}  // namespace runtime
