// SPDX-License-Identifier: MIT
#include "runtime/ctl/containers.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <ctime>

#include "base/error.h"
#include "base/file.h"
#include "base/say.h"
#include "base/text.h"
#include "netsetup/record.h"
#include "netsetup/state.h"
#include "netsetup/sweep.h"
#include "runtime/configs.h"

namespace runtime::ctl {

using base::cat;
using base::Error;
using base::printable;

namespace {

/// The description of CONTAINER, that was damaged and is set aside, as its mini-run writes it
/// again; nothing where that does not answer: it may be stopped, and must not stop us.
std::optional<Description> described_again(const Container& container) {
  constexpr int Tries = 100;
  constexpr timespec Moment = {0, 10'000'000};
  const Question question(container.directory.get(), {"describe"});
  for (int tries = 0; tries < Tries; ++tries) {
    if (auto description = read_description(container.directory.get())) return description;
    ::nanosleep(&Moment, nullptr);
  }
  return std::nullopt;
}

void set_aside(const Container& container, const char* file, const Error& error) {
  base::say(cat("container ", printable(container.name), ": ", error.what(),
                "; it is set aside as ", file, ".damaged"));
  ::renameat(container.directory.get(), file, container.directory.get(),
             cat(file, ".damaged").c_str());
}

std::optional<Description> description_of(const Container& container) {
  try {
    return read_description(container.directory.get());
  } catch (const Error& error) {
    set_aside(container, "container.json", error);
  }
  try {
    if (container.running) return described_again(container);
  } catch (const Error&) {
    // Damaged again at once: somebody is at it.
  }
  return std::nullopt;
}

std::optional<End> recorded_end(const Container& container) {
  try {
    return read_end(container.directory.get());
  } catch (const Error& error) {
    set_aside(container, "status", error);
    return std::nullopt;
  }
}

/// Fills in what its files say. False: they are not there yet, or damaged.
bool read(Container& container) {
  if (!container.running) {
    container.end = recorded_end(container);
    container.end_lost =
        ::faccessat(container.directory.get(), "status.damaged", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
  }
  auto description = description_of(container);
  container.described = description.has_value();
  if (description) container.description = *std::move(description);
  return container.described;
}

constexpr const char* Running = "containers";
constexpr const char* Ended = "ended";

/// The names in the directory KIND of STATE.
std::vector<std::string> names_of(const base::UniqueFd& state, const char* kind) {
  const auto directory = netsetup::open_directory(state.get(), kind);
  return directory.valid() ? netsetup::entries(directory.get()) : std::vector<std::string>();
}

/// Where a container's record is.
struct Place {
  bool ended = false;
  std::string name;
};

/// The record NAME, or all whose names begin so.
std::vector<Place> find(const base::UniqueFd& state, const std::string& name) {
  std::vector<Place> beginning;
  for (const bool ended : {false, true}) {
    for (auto& each : names_of(state, ended ? Ended : Running)) {
      if (each == name) return {{ended, name}};
      if (each.starts_with(name)) beginning.push_back({ended, std::move(each)});
    }
  }
  return beginning;
}

Error ambiguous(const std::string& name, const std::vector<Place>& places) {
  std::vector<std::string> names;
  for (const auto& place : places) names.push_back(place.name);
  std::ranges::sort(names);
  return Error(cat(printable(name), " may be any of ", base::join(names, ", ")));
}

/// The container of PLACE; nothing where it is not there any more, or not yet. DEAD becomes true
/// where its mini-run has been killed.
std::optional<Container> load(const base::UniqueFd& state, const Place& place, bool& dead) {
  const auto& [ended, name] = place;
  Container container;
  container.directory =
      netsetup::open_directory(state.get(), cat(ended ? Ended : Running, "/", name));
  if (!container.directory.valid()) return std::nullopt;
  container.name = name;
  container.running = !ended && netsetup::is_alive(container.directory.get());
  dead = dead || (!ended && !container.running);
  if (read(container)) return container;
  if (!ended) return std::nullopt;
  container.description.name = name;  // a damaged record must not hinder its removal
  return container;
}

/// Whether process PID is stopped by a signal, or will be as soon as it looks: proc(5), status.
bool is_stopped(pid_t pid) {
  const auto status = base::read_file(cat("/proc/", pid, "/status"));
  if (!status) return false;
  if (status->find("\nState:\tT") != std::string::npos) return true;
  constexpr std::string_view Pending = "\nShdPnd:\t";  // a mask, hexadecimal
  constexpr unsigned long Stop = 1UL << (SIGSTOP - 1) | 1UL << (SIGTSTP - 1);
  const auto at = status->find(Pending);
  return at != std::string::npos &&
         (std::strtoul(status->c_str() + at + Pending.size(), nullptr, 16) & Stop) != 0;
}

base::UniqueFd open_process(const Container& container, pid_t pid) {
  // The pid is that process's as long as its mini-run lives, and it still does after we have it.
  base::UniqueFd process = base::open_process(pid);
  if (!process.valid() || !netsetup::is_alive(container.directory.get()))
    throw Error(cat("the container ", container.name, " has ended"));
  return process;
}

}  // namespace

std::vector<Container> all_containers(bool ended) {
  std::vector<Container> found;
  const auto state = netsetup::State::peek();
  if (!state.valid()) return found;
  const auto all_is_well = [&] {
    bool none = true;
    bool dead = false;
    found.clear();
    for (const auto& place : find(state, "")) {
      none = none && place.ended;
      if (place.ended && !ended) continue;
      auto container = load(state, place, dead);
      if (!container) continue;
      container->directory.reset();  // there may be more of them than we may have descriptors
      found.push_back(std::move(*container));
    }
    return !none && !dead;
  };
  if (!all_is_well()) {
    netsetup::sweep(configs::Ruleset);
    all_is_well();
  }
  std::ranges::sort(found, {}, &Container::name);
  return found;
}

Container find_container(const std::string& name) {
  const auto state = netsetup::State::peek();
  if (state.valid()) netsetup::sweep(configs::Ruleset);
  constexpr int Tries = 2;  // it may end between the look for its name and the one into its record
  for (int tries = 0; state.valid() && !name.empty() && tries < Tries; ++tries) {
    const auto places = find(state, name);
    if (places.size() > 1) throw ambiguous(name, places);
    if (places.empty()) break;
    bool dead = false;  // it was swept
    if (auto container = load(state, places.front(), dead)) return std::move(*container);
  }
  throw Error(cat("there is no container ", printable(name), "; `minictl ps -a` lists all"));
}

Container find_running(const std::string& name) {
  auto container = find_container(name);
  need_running(container);
  return container;
}

void need_running(const Container& container) {
  if (!container.running) throw Error(cat("the container ", container.name, " has ended"));
}

int for_each(const std::vector<std::string>& names,
             const std::function<void(const Container&)>& function) {
  int status = 0;
  for (const auto& name : names) {
    try {
      function(find_container(name));
    } catch (const Error& error) {
      base::say(error.what());
      status = error.exit_status();
    }
  }
  return status;
}

void forget(const std::string& name) {
  const auto state = netsetup::State::peek();
  if (!state.valid()) return;
  const auto parent = netsetup::open_directory(state.get(), "ended");
  if (parent.valid()) netsetup::remove_directory(parent.get(), name);
}

void wake(const Container& container) {
  if (!container.running) return;
  const pid_t pid = container.description.supervisor;
  const auto process = base::open_process(pid);
  if (process.valid() && is_stopped(pid) && netsetup::is_alive(container.directory.get()))
    ::syscall(SYS_pidfd_send_signal, process.get(), SIGCONT, nullptr, 0);
}

std::optional<std::string> ask(const Container& container, const Words& request) {
  wake(container);
  return Question(container.directory.get(), request).answer();
}

base::UniqueFd open_init(const Container& container) {
  return open_process(container, container.description.init);
}

base::UniqueFd open_supervisor(const Container& container) {
  return open_process(container, container.description.supervisor);
}

}  // namespace runtime::ctl
