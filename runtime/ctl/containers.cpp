// SPDX-License-Identifier: MIT
#include "runtime/ctl/containers.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "netsetup/record.h"
#include "netsetup/state.h"
#include "netsetup/sweep.h"
#include "runtime/configs.h"
#include "runtime/control.h"
#include "runtime/say.h"

namespace runtime::ctl {

using base::cat;
using base::Error;
using base::printable;

namespace {

base::UniqueFd open_directory(int parent, const std::string& name) {
  return base::UniqueFd(
      ::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

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

void set_aside(const Container& container, const Error& error) {
  say(cat("container ", printable(container.name), ": ", error.what(), "; it is set aside"));
  for (const char* file : {"container.json", "status"})
    ::renameat(container.directory.get(), file, container.directory.get(),
               cat(file, ".damaged").c_str());
}

/// Fills in what its files say. False: it is not there yet, or damaged.
bool read(Container& container) {
  try {
    std::optional<Description> description;
    try {
      description = read_description(container.directory.get());
    } catch (const Error& error) {
      set_aside(container, error);
      if (container.running) description = described_again(container);
    }
    if (!description) return false;  // it is being born
    container.description = std::move(*description);
    if (!container.running) container.end = read_end(container.directory.get());
    return true;
  } catch (const Error& error) {
    set_aside(container, error);
    return false;
  }
}

/// Those of the directory KIND, "containers" or "ended". DEAD: whether one of them has no mini-run
/// any more and should have.
std::vector<Container> list(const base::UniqueFd& state, const char* kind, bool& dead) {
  std::vector<Container> found;
  const bool ended = std::string_view(kind) == "ended";
  const auto parent = open_directory(state.get(), kind);
  if (!parent.valid()) return found;
  auto names = netsetup::entries(parent.get());
  found.reserve(names.size());
  for (auto& name : names) {
    Container container;
    container.directory = open_directory(parent.get(), name);
    if (!container.directory.valid()) continue;
    container.name = std::move(name);
    container.running = !ended && netsetup::is_alive(container.directory.get());
    if (!container.running && !ended) dead = true;
    // A damaged record must not hide a container that runs, or hinder its removal.
    const bool whole = read(container);
    if (!whole) container.description.name = container.name;
    if (whole || ended) found.push_back(std::move(container));
  }
  return found;
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
  bool dead = false;
  auto state = netsetup::State::peek();
  if (!state.valid()) return found;
  found = list(state, "containers", dead);
  if (dead || found.empty()) {
    netsetup::sweep(configs::Ruleset);
    found = list(state, "containers", dead);
  }
  if (ended) {
    auto kept = list(state, "ended", dead);
    std::ranges::move(kept, std::back_inserter(found));
  }
  std::ranges::sort(found, {}, &Container::name);
  return found;
}

Container find_container(const std::string& name) {
  auto all = all_containers(true);
  std::vector<Container*> matching;
  for (auto& each : all) {
    if (each.name == name) return std::move(each);
    if (each.name.starts_with(name)) matching.push_back(&each);
  }
  if (matching.size() == 1) return std::move(*matching.front());
  if (matching.empty() || name.empty())
    throw Error(cat("there is no container ", printable(name), "; `minictl ps -a` lists all"));
  std::vector<std::string> names;
  for (const auto* each : matching) names.push_back(each->name);
  throw Error(cat(printable(name), " may be any of ", base::join(names, ", ")));
}

Container find_running(const std::string& name) {
  auto container = find_container(name);
  if (!container.running) throw Error(cat("the container ", container.name, " has ended"));
  return container;
}

void forget(const Container& container) {
  const auto state = netsetup::State::peek();
  if (!state.valid()) return;
  const auto parent = open_directory(state.get(), "ended");
  if (parent.valid()) netsetup::remove_directory(parent.get(), container.name);
}

base::UniqueFd open_init(const Container& container) {
  return open_process(container, container.description.init);
}

base::UniqueFd open_supervisor(const Container& container) {
  return open_process(container, container.description.supervisor);
}

}  // namespace runtime::ctl
