// SPDX-License-Identifier: MIT
#include "netsetup/record.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "base/error.h"
#include "base/file.h"
#include "base/test_point.h"
#include "base/text.h"

namespace netsetup {

using base::cat;
using base::check;

namespace {

/// In a container's directory: it outlives the container.
constexpr const char* KeepMark = "keep";

struct Dead {
  std::string name;
  base::UniqueFd directory;  // locked by us
};

/// Whether DIRECTORY is what NAME in PARENT means now.
bool is_named(int directory, int parent, const std::string& name) {
  struct stat open {};
  struct stat named {};
  return ::fstat(directory, &open) == 0 &&
         ::fstatat(parent, name.c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0 &&
         open.st_ino == named.st_ino;
}

/// Those whose directory nobody has locked; they are locked by us now. Needs: the lock on
/// CONTAINERS, since a container is without a lock for a moment when it is born.
std::vector<Dead> take_dead(int containers) {
  std::vector<Dead> dead;
  for (const auto& name : entries(containers)) {
    try {
      auto directory = base::open_or_throw(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, containers);
      // Removed, or put away, by its owner: the name may be another's by now.
      if (::flock(directory.get(), LOCK_EX | LOCK_NB) == 0 &&
          is_named(directory.get(), containers, name))
        dead.push_back({name, std::move(directory)});
    } catch (const base::Error&) {
      // Removed by its owner this moment, or nothing of ours: either way nothing to undo.
    }
  }
  return dead;
}

/// Frees the name of the container whose directory is NAME in CONTAINERS, one of STATE's.
void put_away(int state, int containers, const std::string& name) {
  const std::string directory = name + "/";
  if (::faccessat(containers, cat(directory, KeepMark).c_str(), F_OK, 0) < 0)
    return remove_directory(containers, name);
  const auto ended = make_directory(state, "ended");
  if (::renameat(containers, name.c_str(), ended.get(), name.c_str()) < 0)
    return remove_directory(containers, name);
  base::test_point("record moved");
  // Only what is of use without the container.
  for (const char* file : {"control", "hosts", "hostname", "resolv.conf", "seccomp", "status.new",
                           "journal", KeepMark})
    ::unlinkat(ended.get(), cat(directory, file).c_str(), 0);
}

void bury(int state, int containers, const std::vector<Dead>& dead, Kernel& kernel) {
  for (const auto& container : dead) {
    const Journal journal(container.directory.get());
    const Turn turn(journal);
    if (undo_all(kernel, journal.read()).empty()) put_away(state, containers, container.name);
  }
}

void lock(const base::UniqueFd& containers, int operation) {
  check(::flock(containers.get(), operation), "lock the containers' directory");
}

/// A look without any lock, so that a start waits for no other's: whether there is anything to
/// sweep. One that is born this moment looks dead, and costs a second look.
bool has_dead(int containers) {
  return std::ranges::any_of(entries(containers), [&](const std::string& name) {
    const auto directory = open_directory(containers, name);
    return directory.valid() && !is_alive(directory.get());
  });
}

/// Needs: the lock on CONTAINERS, which is let go meanwhile.
void sweep(int state, const base::UniqueFd& containers, Kernel& kernel) {
  const auto dead = take_dead(containers.get());
  if (dead.empty()) return;
  lock(containers, LOCK_UN);
  bury(state, containers.get(), dead, kernel);
  lock(containers, LOCK_EX);
}

}  // namespace

void sweep_containers(const State& state, Kernel& kernel) {
  const auto containers = make_directory(state.fd(), "containers");
  if (!has_dead(containers.get())) return;
  lock(containers, LOCK_EX);
  sweep(state.fd(), containers, kernel);
}

bool is_alive(int directory) {
  if (::flock(directory, LOCK_SH | LOCK_NB) < 0) return true;
  ::flock(directory, LOCK_UN);  // it is not for us to be taken for alive
  return false;
}

Record::Record(const State& state, std::string name, bool made_up, Kernel& kernel)
    : state_(check(::fcntl(state.fd(), F_DUPFD_CLOEXEC, 0), "use the state directory")),
      containers_(make_directory(state.fd(), "containers")),
      name_(std::move(name)) {
  // A taken name may be that of a dead container which another mini-run undoes this moment.
  constexpr int Tries = 25;
  constexpr timespec Moment = {0, 10'000'000};
  const std::string wanted = name_;
  for (int tries = 1;; ++tries) {
    const bool dead = has_dead(containers_.get());
    lock(containers_, LOCK_EX);
    if (dead) sweep(state_.get(), containers_, kernel);
    Taken taken = take();
    for (int number = 2; made_up && taken != Taken::ByUs; ++number) {
      name_ = cat(wanted, '-', number);
      taken = take();
    }
    lock(containers_, LOCK_UN);
    if (taken == Taken::ByUs) return;
    if (taken == Taken::ByEnded)
      throw base::Error(cat("the name ", name_,
                            " is that of a container that has ended; `minictl rm ", name_,
                            "` frees it, or choose another --name"));
    if (tries == Tries)
      throw base::Error(
          cat("the name ", name_, " is taken by a running container; choose another --name"));
    ::nanosleep(&Moment, nullptr);
  }
}

/// Takes the name, or says who has it. Needs: the lock on the containers' directory.
Record::Taken Record::take() {
  if (::faccessat(state_.get(), cat("ended/", name_).c_str(), F_OK, 0) == 0) return Taken::ByEnded;
  if (::mkdirat(containers_.get(), name_.c_str(), 0700) < 0) {
    if (errno == EEXIST) return Taken::ByRunning;
    throw base::Error(errno, "write to /run/mini-run");
  }
  base::test_point("record made");
  try {
    directory_ = make_directory(containers_.get(), name_);
    base::test_point("record opened");
    // Nobody has it, or for no longer than a look takes (is_alive()).
    check(::flock(directory_.get(), LOCK_EX), "lock the container's directory");
    base::test_point("record locked");
    journal_.emplace(directory_.get());
  } catch (...) {
    remove_directory(containers_.get(), name_);
    throw;
  }
  return Taken::ByUs;
}

void Record::keep() {
  const auto mark =
      base::open_or_throw(KeepMark, O_WRONLY | O_CREAT | O_NOFOLLOW, directory_.get());
}

void Record::remove() noexcept {
  if (!directory_.valid()) return;
  try {
    put_away(state_.get(), containers_.get(), name_);
  } catch (const std::exception&) {
    // Whoever comes next finds it and puts it away.
  }
  directory_.reset();
}

std::optional<std::string> publisher_of(const State& state, const PublishedPort& port) {
  const auto containers = make_directory(state.fd(), "containers");
  for (const auto& name : entries(containers.get())) {
    const auto directory = open_directory(containers.get(), name);
    if (!directory.valid()) continue;
    const auto journal = Journal::peek(directory.get());
    if (!journal) continue;
    for (const auto& step : journal->read()) {
      const auto* publish = std::get_if<Publish>(&step.object);
      if (publish == nullptr) continue;
      const auto overlaps = [&](const PublishedPort& other) { return other.overlaps(port); };
      if (std::any_of(publish->ports.begin(), publish->ports.end(), overlaps))
        return cat("the container ", name);
    }
  }
  return std::nullopt;
}

}  // namespace netsetup
