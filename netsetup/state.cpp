// SPDX-License-Identifier: MIT
#include "netsetup/state.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <memory>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

namespace netsetup {

using base::cat;
using base::check;
using base::Error;

namespace {

constexpr const char* Top = "/run/mini-run";
constexpr int DirectoryFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

/// The first digits of random(4)'s boot_id.
std::string boot() {
  constexpr std::size_t Digits = 8;
  return base::read_file("/proc/sys/kernel/random/boot_id").value_or("").substr(0, Digits);
}

/// The inode number that tells one network namespace from another (namespaces(7)), and the boot.
std::string own_namespace() {
  struct stat self {};
  check(::stat("/proc/self/ns/net", &self), "look at /proc/self/ns/net");
  return cat(self.st_ino, '-', boot());
}

/// Removes DIRECTORY of TOP with all in it.
void remove_tree(int top, const std::string& directory) {
  const auto opened = open_directory(top, directory);
  if (!opened.valid()) return;
  for (const auto& name : entries(opened.get())) {
    if (::unlinkat(opened.get(), name.c_str(), 0) < 0) remove_tree(opened.get(), name);
  }
  ::unlinkat(top, directory.c_str(), AT_REMOVEDIR);
}

/// What another boot has left in TOP, where /run outlives one.
void remove_other_boots(int top, const std::string& own) {
  const auto suffix = own.substr(own.find('-'));
  for (const auto& name : entries(top))
    if (!name.ends_with(suffix)) remove_tree(top, name);
}

}  // namespace

base::UniqueFd open_directory(int dir, const std::string& name) {
  return base::UniqueFd(::openat(dir, name.c_str(), DirectoryFlags));
}

base::UniqueFd make_directory(int dir, const std::string& name) {
  for (;;) {
    base::UniqueFd made(::openat(dir, name.c_str(), DirectoryFlags));
    if (made.valid()) return made;
    if (errno != ENOENT) throw Error(errno, cat("open a directory of ", Top));
    // Somebody may remove it again before we open it: then once more.
    if (::mkdirat(dir, name.c_str(), 0700) < 0 && errno != EEXIST)
      throw Error(errno, cat("make a directory for ", Top));
  }
}

std::vector<std::string> entries(int dir) {
  base::UniqueFd own(check(::openat(dir, ".", DirectoryFlags), "open the state directory"));
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(own.get()), ::closedir);
  if (!stream) throw Error(errno, "read the state directory");
  static_cast<void>(own.release());  // closedir(3) closes it
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(stream.get())) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  return names;
}

void remove_directory(int dir, const std::string& name) noexcept {
  try {
    const auto doomed = open_directory(dir, name);
    // Without a descriptor left it may still be empty.
    if (doomed.valid())
      for (const auto& file : entries(doomed.get()))
        if (::unlinkat(doomed.get(), file.c_str(), 0) < 0 && errno == EISDIR)
          ::unlinkat(doomed.get(), file.c_str(), AT_REMOVEDIR);
    ::unlinkat(dir, name.c_str(), AT_REMOVEDIR);
  } catch (const std::exception&) {
    // Whoever comes next finds it and removes it.
  }
}

base::UniqueFd State::peek() {
  if (::access(Top, X_OK) < 0 && errno == EACCES)
    throw Error(EACCES, cat("look at ", Top, " (run it with sudo)"));
  return base::UniqueFd(::open(cat(Top, "/", own_namespace()).c_str(), DirectoryFlags));
}

State::State() : name_(own_namespace()) {
  for (;;) {
    top_ = make_directory(AT_FDCWD, Top);
    struct stat status {};
    check(::fstat(top_.get(), &status), "look at /run/mini-run");
    if (status.st_uid != ::geteuid() || (status.st_mode & 077U) != 0)
      throw Error(cat(Top, " must be a directory of root's with mode 0700; remove it"));
    try {
      if (::faccessat(top_.get(), name_.c_str(), F_OK, 0) < 0)
        remove_other_boots(top_.get(), name_);
      root_ = make_directory(top_.get(), name_);
    } catch (const Error& error) {
      if (error.code().value() == ENOENT) continue;  // the top went away under us
      ::rmdir(Top);                                  // if it is ours, it is empty
      throw;
    }
    check(::flock(root_.get(), LOCK_SH), "lock the state directory");
    check(::fstat(root_.get(), &status), "look at the state directory");
    if (status.st_nlink != 0) return;  // else it was removed before we had the lock
  }
}

void State::remove_if_unused() const noexcept {
  if (::flock(root_.get(), LOCK_EX | LOCK_NB) < 0) return;
  for (const char* empty : {"containers", "ended"}) ::unlinkat(root_.get(), empty, AT_REMOVEDIR);
  if (::unlinkat(top_.get(), name_.c_str(), AT_REMOVEDIR) == 0) ::rmdir(Top);
}

}  // namespace netsetup
