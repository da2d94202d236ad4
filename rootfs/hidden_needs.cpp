// SPDX-License-Identifier: MIT
// Why does the server not start? Perhaps because its configuration names a key that we hide. Looked
// for only after it failed, so this may take its time.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "rootfs/host_view.h"
#include "rootfs/root.h"

namespace rootfs {

namespace {

constexpr std::size_t MaxFiles = 500;
constexpr std::size_t LeastPrefix = 3;

// The directories of /etc for PROGRAM: /etc/nginx for nginx, /etc/ssh for sshd, /etc/postgresql for
// postgres.
std::vector<std::filesystem::path> configuration_of(const std::string& program) {
  const std::string name = std::filesystem::path(program).filename();
  std::vector<std::filesystem::path> found;
  if (name.size() < LeastPrefix) return found;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/etc", error)) {
    const std::string directory = entry.path().filename();
    if (directory.size() >= LeastPrefix &&
        (directory.starts_with(name) || name.starts_with(directory)) && entry.is_directory(error))
      found.push_back(entry.path());
  }
  return found;
}

// The text of all files below the configuration of PROGRAM.
std::string configuration_text(const std::string& program) {
  std::string text;
  std::size_t files = 0;
  for (const auto& top : configuration_of(program)) {
    std::error_code error;
    for (std::filesystem::recursive_directory_iterator entry(top, error), end;
         !error && entry != end && files < MaxFiles; entry.increment(error)) {
      if (!entry->is_regular_file(error)) continue;
      ++files;
      try {
        text += base::read_file(entry->path()).value_or("");
      } catch (const base::Error&) {
        continue;  // too large for a configuration, or gone
      }
      text += '\n';
    }
  }
  return text;
}

// Whether TEXT speaks of PATH itself or of something below it: then that longer path.
std::optional<std::string> mentioned(const std::string& text, const std::string& path) {
  constexpr const char* Ends = " \t\r\n;,'\"}){";
  for (std::size_t at = text.find(path); at != std::string::npos; at = text.find(path, at + 1)) {
    const bool begins = at == 0 ||
                        std::string_view(Ends).find(text[at - 1]) != std::string_view::npos ||
                        text[at - 1] == '=' || text[at - 1] == ':';
    const std::size_t end = std::min(text.find_first_of(Ends, at), text.size());
    const std::string word = text.substr(at, end - at);
    if (begins && is_below(word, path)) return word;
  }
  return std::nullopt;
}

}  // namespace

std::vector<std::string> hidden_needs(const Root& root, const std::vector<std::string>& command) {
  std::vector<std::string> lines;
  if (!root.host_view || command.empty()) return lines;
  const std::string text =
      base::cat(base::join(command, "\n"), "\n", configuration_text(command.front()));
  for (const HostPath& hidden : root.host_view->hidden) {
    // /tmp and /home are empty in every container: naming them says nothing.
    if (std::ranges::count(hidden.path, '/') < 2) continue;
    const auto word = mentioned(text, hidden.path);
    struct stat status {};
    if (!word || ::stat(word->c_str(), &status) < 0) continue;
    const bool given = std::ranges::any_of(
        root.volumes, [&](const Volume& volume) { return is_below(*word, volume.target); });
    if (given) continue;
    lines.push_back(base::cat(base::printable(command.front()), " may need ",
                              base::printable(*word),
                              ", which is hidden from it; to show it, add -v ",
                              base::shell_quote(base::cat(*word, ":", *word, ":ro"))));
  }
  return lines;
}

}  // namespace rootfs
