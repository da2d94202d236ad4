// SPDX-License-Identifier: MIT
// What a container has said, and where its server writes what it does not say.
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/say.h"
#include "base/text.h"
#include "runtime/ctl/commands.h"
#include "runtime/ctl/containers.h"
#include "runtime/ctl/table.h"
#include "runtime/log_file.h"

namespace runtime::ctl {

using base::cat;
using base::UniqueFd;

namespace {

UniqueFd open_log(int directory) {
  return UniqueFd(::openat(directory, "log", O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
}

/// Whether the directory's `log` is still the file that FD has open.
bool is_current(int fd, int directory) {
  struct stat open {};
  struct stat named {};
  return ::fstat(fd, &open) == 0 && ::fstatat(directory, "log", &named, AT_SYMLINK_NOFOLLOW) == 0 &&
         open.st_ino == named.st_ino;
}

/// Prints what comes until the container's mini-run has ended. LOG: read as far as was printed.
void follow(const Container& container, UniqueFd log) {
  const int directory = container.directory.get();
  const UniqueFd supervisor = open_supervisor(container);
  const UniqueFd changes(base::check(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK), "inotify"));
  const std::string path = cat("/proc/self/fd/", directory);
  base::check(::inotify_add_watch(changes.get(), path.c_str(), IN_MODIFY | IN_CREATE), "inotify");
  std::array<pollfd, 2> events = {{{changes.get(), POLLIN, 0}, {supervisor.get(), POLLIN, 0}}};
  for (bool last = false;;) {
    constexpr std::size_t Limit = std::size_t{1} << 40U;
    const bool current = log.valid() && is_current(log.get(), directory);
    if (log.valid()) print(base::read_all(log.get(), Limit));
    if (!current) {
      UniqueFd next = open_log(directory);
      if (next.valid() && (!log.valid() || is_current(next.get(), directory))) {
        log = std::move(next);
        print(base::read_all(log.get(), Limit));
      }
    }
    if (last) return;
    if (::poll(events.data(), events.size(), -1) < 0 && errno != EINTR)
      throw base::Error(errno, "poll");
    std::array<char, 4096> ignored;
    while (::read(changes.get(), ignored.data(), ignored.size()) > 0) {
    }
    last = events[1].revents != 0;  // once more: its last words
  }
}

using Directory = std::unique_ptr<DIR, int (*)(DIR*)>;

/// Files that process PID writes to, by their names inside. A regular file only: sockets, pipes and
/// devices have names that are no paths, or lie in /dev.
void add_written_files(const std::string& pid, std::set<std::string>& files) {
  const std::string base = cat("/proc/", pid, "/fd/");
  const Directory open(::opendir(base.c_str()), ::closedir);
  while (const dirent* entry = open ? ::readdir(open.get()) : nullptr) {
    struct stat link {};
    struct stat file {};
    const std::string path = base + entry->d_name;
    if (::lstat(path.c_str(), &link) < 0 || (link.st_mode & S_IWUSR) == 0) continue;
    if (::stat(path.c_str(), &file) < 0 || !S_ISREG(file.st_mode)) continue;
    std::array<char, 4096> target{};
    if (::readlink(path.c_str(), target.data(), target.size() - 1) <= 0) continue;
    const std::string name = target.data();
    if (name.ends_with(".log") || name.starts_with("/var/log/")) files.insert(name);
  }
}

/// The log files of the container's processes: those of its pid namespace.
std::set<std::string> log_files(const Container& container) {
  std::set<std::string> files;
  const auto space_of = [](const std::string& pid) {
    struct stat space {};
    return ::stat(cat("/proc/", pid, "/ns/pid").c_str(), &space) == 0 ? space.st_ino : 0;
  };
  const auto own = space_of(std::to_string(container.description.init));
  const Directory proc(::opendir("/proc"), ::closedir);
  while (const dirent* entry = proc ? ::readdir(proc.get()) : nullptr) {
    if (base::parse_number<pid_t>(entry->d_name) && own != 0 && space_of(entry->d_name) == own)
      add_written_files(entry->d_name, files);
  }
  return files;
}

}  // namespace

int logs(const std::string& name, const LogView& view) {
  const auto container = find_container(name);
  if (container.described && !container.description.detached)
    throw base::Error(cat("the container ", container.name,
                          " runs in the foreground: what it says is on its terminal"));
  UniqueFd log = open_log(container.directory.get());
  print(read_log(container.directory.get(), log.get(), view.tail.value_or(-1)));
  if (container.running) {
    const auto files = log_files(container);
    for (const auto& file : files)
      base::say(cat(container.name, " also writes to ", base::printable(file),
                    " inside: minictl exec ", container.name, " cat ", base::shell_quote(file)));
    if (view.follow) follow(container, std::move(log));
  }
  return 0;
}

}  // namespace runtime::ctl
