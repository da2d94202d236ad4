// SPDX-License-Identifier: MIT
// Kernel switches by their dotted names.
#include "netsetup/sysctl.h"

#include <fcntl.h>

#include <cerrno>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "base/unique_fd.h"

namespace netsetup {

namespace {

/// KEY as a path. Throws Error where it would lead anywhere else than to a name below /proc/sys.
std::string path_of(std::string_view key) {
  std::string path(key);
  if (const auto first = path.find_first_of("./");
      first != std::string::npos && path[first] == '.') {
    for (char& letter : path) {
      if (letter == '.')
        letter = '/';
      else if (letter == '/')
        letter = '.';
    }
  }
  for (const std::string_view part : base::split(path, '/'))
    if (part.empty() || part == "." || part == "..")
      throw base::Error(base::cat("not the name of a sysctl: ", base::printable(key)));
  return "/proc/sys/" + path;
}

}  // namespace

std::optional<std::string> read_sysctl(std::string_view key) {
  auto text = base::read_file(path_of(key));
  if (text && text->ends_with('\n')) text->pop_back();
  return text;
}

void write_sysctl(std::string_view key, std::string_view value) {
  const auto fd = base::open_or_throw(path_of(key), O_WRONLY);
  base::write_all(fd.get(), value, base::cat("write ", base::printable(key)));
}

}  // namespace netsetup
