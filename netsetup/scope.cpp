// SPDX-License-Identifier: MIT
#include "netsetup/scope.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <ctime>

#include "base/error.h"
#include "base/file.h"
#include "base/say.h"
#include "base/test_point.h"
#include "base/text.h"
#include "netsetup/plan.h"
#include "netsetup/state.h"

namespace netsetup {

namespace {

void write_whole(int directory, const char* name, const std::string& text) {
  const auto file = base::open_or_throw(name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, directory);
  base::write_all(file.get(), text, "write to /run/mini-run");
}

/// All of TEXT or nothing: a reader never sees half of it.
void write_up(int directory, const std::string& text) {
  write_whole(directory, "up.new", text);
  base::check(::renameat(directory, "up.new", directory, "up"), "write to /run/mini-run");
}

/// Nothing where the thing is not up; empty where the file is damaged: the thing is up all the
/// same.
std::optional<std::string> read_up(const std::string& path, int directory) {
  try {
    return base::read_file(path, directory);
  } catch (const base::Error&) {
    return "";
  }
}

/// What undoes STEP that was done at some time before.
std::optional<Step> undo_of_done(Kernel& kernel, const Step& step) {
  // We switch on what is off.
  if (const auto* sysctl = std::get_if<Sysctl>(&step.object))
    return Step{
        Verb::Create, step.where,
        Sysctl{sysctl->key, "0", sysctl->value, sysctl->guard, sysctl->guard.empty() ? "" : "0"}};
  if (std::holds_alternative<NetnsDirectory>(step.object))
    return Step{Verb::Delete, step.where, step.object};
  return kernel.undo(step);
}

}  // namespace

std::optional<std::string> Scope::up() const { return read_up("up", directory_.get()); }

/// False: the directory was removed by somebody before the lock file was open.
bool Scope::open() {
  if (lock_.valid()) return true;
  directory_ = make_directory(parent_, name_);
  lock_ = base::UniqueFd(
      ::openat(directory_.get(), "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock_.valid() && errno != ENOENT) throw base::Error(errno, "open a lock in /run/mini-run");
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

/// True: alone, with the exclusive lock. False: others have lived in it for longer than somebody
/// takes who is just leaving.
bool Scope::alone() {
  constexpr timespec Moment = {0, 10'000'000};
  for (int tries = 0; tries < 25; ++tries) {
    if (lock(LOCK_EX | LOCK_NB)) return true;
    ::nanosleep(&Moment, nullptr);
  }
  return false;
}

std::string Scope::join(Kernel& kernel, const Build& build, const Check& check,
                        const Repair& repair) {
  for (;;) {
    if (!lock(LOCK_SH)) continue;
    const auto description = up();
    if (description && check(*description)) return *description;
    if (description && alone()) {
      undo(kernel);
      continue;
    }
    if (description) {
      repair();
      if (lock(LOCK_SH) && check(*description)) return *description;
      continue;
    }
    if (!lock(LOCK_EX)) continue;
    if (up()) continue;  // somebody was quicker
    try {
      Journal journal(directory_.get());
      undo_all(kernel, journal.read());
      write_up(directory_.get(), build(journal));
      base::test_point("scope up");
    } catch (...) {
      undo(kernel);
      throw;
    }
  }
}

std::optional<std::string> Scope::enter() {
  if (!peek() || !lock(LOCK_SH | LOCK_NB)) return std::nullopt;
  return up();
}

void Scope::describe(const std::string& description) const {
  write_up(directory_.get(), description);
}

void Scope::describe_anew(const std::string& description) const {
  // `up` is there all the time: without it the thing is not up.
  constexpr const char* Other = "up.damaged";
  ::unlinkat(directory_.get(), Other, 0);  // what was set aside before may be a FIFO, or a link
  write_whole(directory_.get(), Other, description);
  base::check(::renameat2(directory_.get(), Other, directory_.get(), "up", RENAME_EXCHANGE),
              "write to /run/mini-run");
  base::say(base::cat(base::path_of(directory_.get()), "/up is damaged; it is set aside as ", Other,
                      " and written again"));
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

std::vector<Step> Scope::mend_journal(Kernel& kernel) const {
  const Journal journal(directory_.get());
  bool damaged = false;
  auto steps = journal.read(&damaged);
  const auto description = up();
  if (!description || (!damaged && !steps.empty())) return steps;
  for (const auto& step : described_plan(name_, *description, kernel.opened_interfaces())) {
    auto undo = undo_of_done(kernel, step);
    if (!undo) continue;
    journal.append(*undo);
    steps.push_back(*std::move(undo));
  }
  base::say(base::cat(base::path_of(directory_.get()),
                      "/journal has lost lines; they are written again, as the kernel has it"));
  return steps;
}

/// Needs: the exclusive lock. Afterwards neither lock nor directory is held.
std::vector<std::string> Scope::undo(Kernel& kernel) noexcept {
  std::vector<std::string> failures;
  try {
    const auto steps = mend_journal(kernel);
    ::unlinkat(directory_.get(), "up", 0);  // first: half of it is not up
    base::test_point("scope down");
    failures = undo_all(kernel, steps);
    if (failures.empty()) remove_directory(parent_, name_);
    base::test_point("scope removed");
  } catch (const std::exception& error) {
    failures.emplace_back(error.what());
  }
  lock_.reset();
  directory_.reset();
  return failures;
}

std::optional<std::string> Scope::peek() const { return read_up(base::cat(name_, "/up"), parent_); }

}  // namespace netsetup
