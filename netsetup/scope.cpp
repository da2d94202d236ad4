// SPDX-License-Identifier: MIT
#include "netsetup/scope.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "netsetup/state.h"

namespace netsetup {

namespace {

/// All of TEXT or nothing: a reader never sees half of it.
void write_up(int directory, const std::string& text) {
  const auto file =
      base::open_or_throw("up.new", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, directory);
  base::write_all(file.get(), text, "write the network's state");
  base::check(::renameat(directory, "up.new", directory, "up"), "write the network's state");
}

}  // namespace

/// False: the directory was removed by somebody before the lock file was open.
bool Scope::open() {
  if (lock_.valid()) return true;
  directory_ = make_directory(parent_, name_);
  lock_ = base::UniqueFd(
      ::openat(directory_.get(), "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock_.valid() && errno != ENOENT) throw base::Error(errno, "open the network's lock");
  return lock_.valid();
}

/// Takes the lock as flock(2)'s OPERATION says. False: not to be had without waiting (LOCK_NB), or
/// its directory was removed meanwhile, and is closed here too.
bool Scope::lock(int operation) {
  if (open()) {
    while (::flock(lock_.get(), operation) < 0) {
      if (errno == EWOULDBLOCK) return false;
      if (errno != EINTR) throw base::Error(errno, "lock the network's state");
    }
    struct stat status {};
    base::check(::fstat(lock_.get(), &status), "look at the network's lock");
    if (status.st_nlink != 0) return true;
  }
  lock_.reset();
  directory_.reset();
  return false;
}

std::string Scope::join(Kernel& kernel, const Build& build, const Check& check) {
  for (;;) {
    if (!lock(LOCK_SH)) continue;
    const auto up = base::read_file("up", directory_.get());
    if (up && check(*up)) return *up;
    if (up) {
      // Removed by hand. Whoever still lives in it would be cut off by building it anew.
      if (!lock(LOCK_EX | LOCK_NB))
        throw base::Error(base::cat("what `", name_,
                                    "` describes is gone (removed by hand?) while "
                                    "containers use it: end them first"));
      undo(kernel);
      continue;
    }
    if (!lock(LOCK_EX)) continue;
    if (base::read_file("up", directory_.get())) continue;  // somebody was quicker
    try {
      Journal journal(directory_.get());
      undo_all(kernel, journal.read());
      write_up(directory_.get(), build(journal));
    } catch (...) {
      undo(kernel);
      throw;
    }
  }
}

std::vector<std::string> Scope::leave(Kernel& kernel) noexcept {
  try {
    if (lock(LOCK_EX | LOCK_NB)) return undo(kernel);
  } catch (const std::exception& error) {
    return {error.what()};
  }
  lock_.reset();
  directory_.reset();
  return {};
}

/// Needs: the exclusive lock. Afterwards neither lock nor directory is held.
std::vector<std::string> Scope::undo(Kernel& kernel) noexcept {
  std::vector<std::string> failures;
  try {
    ::unlinkat(directory_.get(), "up", 0);  // first: half of it is not up
    failures = undo_all(kernel, Journal(directory_.get()).read());
    if (failures.empty()) remove_directory(parent_, name_);
  } catch (const std::exception& error) {
    failures.emplace_back(error.what());
  }
  lock_.reset();
  directory_.reset();
  return failures;
}

std::optional<std::string> Scope::peek() const {
  return base::read_file(base::cat(name_, "/up"), parent_);
}

}  // namespace netsetup
