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
#include "base/text.h"

namespace netsetup {

using base::cat;
using base::check;

namespace {

struct Dead {
  std::string name;
  Journal journal;  // locked by us
};

/// Those whose journal nobody has locked; they are locked by us now. Needs: the lock on CONTAINERS,
/// since a container is without a lock for a moment when it is born.
std::vector<Dead> take_dead(int containers) {
  std::vector<Dead> dead;
  for (const auto& name : entries(containers)) {
    try {
      const auto directory =
          base::open_or_throw(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, containers);
      Journal journal(directory.get());
      // Removed by its owner: the name may be another's by now.
      if (::flock(journal.fd(), LOCK_EX | LOCK_NB) == 0 && !journal.removed())
        dead.push_back({name, std::move(journal)});
    } catch (const base::Error&) {
      // Removed by its owner this moment, or nothing of ours: either way nothing to undo.
    }
  }
  return dead;
}

void bury(int containers, const std::vector<Dead>& dead, Kernel& kernel) {
  for (const auto& container : dead) {
    const Turn turn(container.journal);
    if (undo_all(kernel, container.journal.read()).empty())
      remove_directory(containers, container.name);
  }
}

}  // namespace

Record::Record(const State& state, std::string name, Kernel& kernel)
    : containers_(make_directory(state.fd(), "containers")), name_(std::move(name)) {
  // A taken name may be that of a dead container which another mini-run undoes this moment.
  constexpr int Tries = 25;
  constexpr timespec Moment = {0, 10'000'000};
  for (int tries = 1; !take(kernel); ++tries) {
    if (tries == Tries)
      throw base::Error(
          cat("the name ", name_, " is taken by a running container; choose another --name"));
    ::nanosleep(&Moment, nullptr);
  }
}

/// Undoes what the dead have left and takes the name. False: somebody has it.
bool Record::take(Kernel& kernel) {
  check(::flock(containers_.get(), LOCK_EX), "lock the containers' directory");
  const auto dead = take_dead(containers_.get());
  if (!dead.empty()) {
    check(::flock(containers_.get(), LOCK_UN), "unlock the containers' directory");
    bury(containers_.get(), dead, kernel);
    check(::flock(containers_.get(), LOCK_EX), "lock the containers' directory");
  }
  const bool made = ::mkdirat(containers_.get(), name_.c_str(), 0700) == 0;
  if (!made && errno != EEXIST) throw base::Error(errno, "write to /run/mini-run");
  if (made) {
    try {
      directory_ = make_directory(containers_.get(), name_);
      journal_.emplace(directory_.get());
      check(::flock(journal_->fd(), LOCK_EX | LOCK_NB), "lock the container's journal");
    } catch (...) {
      remove_directory(containers_.get(), name_);
      throw;
    }
  }
  check(::flock(containers_.get(), LOCK_UN), "unlock the containers' directory");
  return made;
}

void Record::remove() noexcept {
  if (!directory_.valid()) return;
  remove_directory(containers_.get(), name_);
  directory_.reset();
}

std::optional<std::string> publisher_of(const State& state, const PublishedPort& port) {
  const auto containers = make_directory(state.fd(), "containers");
  for (const auto& name : entries(containers.get())) {
    const base::UniqueFd directory(
        ::openat(containers.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!directory.valid()) continue;
    for (const auto& step : Journal(directory.get()).read()) {
      const auto* publish = std::get_if<Publish>(&step.object);
      if (publish == nullptr) continue;
      const auto overlaps = [&](const PublishedPort& other) {
        return other.protocol == port.protocol && other.host_port == port.host_port &&
               (!other.host_address || !port.host_address ||
                other.host_address == port.host_address);
      };
      if (std::any_of(publish->ports.begin(), publish->ports.end(), overlaps))
        return cat("the container ", name);
    }
  }
  return std::nullopt;
}

}  // namespace netsetup
