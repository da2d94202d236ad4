// SPDX-License-Identifier: MIT
#include "netsetup/netns_name.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>

#include "base/error.h"
#include "base/text.h"

namespace netsetup::netns_name {

using base::cat;

namespace {

std::string path_of(const std::string& name) { return cat(Directory, "/", name); }

std::string target_of(pid_t pid) { return cat("/proc/", pid, "/ns/net"); }

/// Where the symbolic link PATH leads, "" where it is none.
std::string link_target(const std::string& path) {
  std::array<char, 64> target{};
  const ssize_t length = ::readlink(path.c_str(), target.data(), target.size());
  return length < 0 ? "" : std::string(target.data(), static_cast<std::size_t>(length));
}

/// A link as add() makes it, whose process is dead.
bool is_stale(const std::string& path) {
  const std::string target = link_target(path);
  return target.starts_with("/proc/") && target.ends_with("/ns/net") &&
         ::access(path.c_str(), F_OK) < 0;
}

}  // namespace

bool has_directory() { return ::access(Directory, F_OK) == 0; }

void make_directory() {
  if (::mkdir(Directory, 0755) < 0 && errno != EEXIST)
    throw base::Error(errno, cat("make ", Directory));
}

void remove_directory() {
  if (::rmdir(Directory) == 0 || errno != ENOTEMPTY) return;
  // Names of containers that were killed, which nobody has swept yet.
  const std::unique_ptr<DIR, int (*)(DIR*)> names(::opendir(Directory), ::closedir);
  while (const dirent* entry = names ? ::readdir(names.get()) : nullptr)
    if (is_stale(path_of(entry->d_name))) ::unlink(path_of(entry->d_name).c_str());
  if (::rmdir(Directory) < 0 && errno == ENOTEMPTY)
    throw base::Error(errno, cat("remove ", Directory));
}

void add(const std::string& name, pid_t pid) {
  const std::string path = path_of(name);
  const std::string target = target_of(pid);
  if (is_stale(path)) ::unlink(path.c_str());
  if (link_target(path) == target || ::symlink(target.c_str(), path.c_str()) == 0) return;
  if (errno == EEXIST)
    throw base::Error(
        cat("a network namespace ", name, " exists (see `ip netns list`); choose another --name"));
  throw base::Error(errno, cat("make ", path));
}

void remove(const std::string& name, pid_t pid) {
  const std::string path = path_of(name);
  if (link_target(path) == target_of(pid)) ::unlink(path.c_str());
}

}  // namespace netsetup::netns_name
