// SPDX-License-Identifier: MIT
// Containers stopped, killed, waited for and removed. What is asked of several is asked of all of
// them first, so that they end side by side.

#include <csignal>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "netsetup/sweep.h"
#include "runtime/configs.h"
#include "runtime/ctl/commands.h"
#include "runtime/ctl/containers.h"
#include "runtime/ctl/table.h"
#include "runtime/options_values.h"
#include "runtime/say.h"

namespace runtime::ctl {

using base::cat;

namespace {

/// Calls FUNCTION for each of NAMES, to the end; the exit status.
template <class Function>
int for_each(const Names& names, const Function& function) {
  int status = 0;
  for (const auto& name : names) {
    try {
      function(find_container(name));
    } catch (const base::Error& error) {
      say(error.what());
      status = error.exit_status();
    }
  }
  return status;
}

/// Asks the mini-run of CONTAINER, which must be awake, and waits for its end; the container's exit
/// status.
int end_of(const Container& container, const Words& request) {
  if (!container.running) return container.end ? container.end->status : 128 + SIGKILL;
  const auto answer = Question(container.directory.get(), request).answer();
  if (answer) return base::parse_number<int>(*answer).value_or(base::ExitFailure);
  // It ended before it heard us, and its record tells; or it was killed, and all in it.
  for (const auto& ended : all_containers(true))
    if (ended.name == container.name && ended.end) return ended.end->status;
  return 128 + SIGKILL;
}

}  // namespace

int stop(const Names& names, const std::optional<std::string>& timeout) {
  Words request = {"stop"};
  if (timeout) {
    values::seconds("--time", *timeout);
    request.push_back(*timeout);
  }
  std::vector<std::pair<std::string, Question>> asked;
  const int status = for_each(names, [&](const Container& container) {
    wake(container);
    asked.emplace_back(container.name, Question(container.directory.get(), request));
  });
  for (auto& [name, question] : asked) {
    question.answer();
    print(name + "\n");
  }
  return status;
}

int kill(const Names& names, const std::string& signal) {
  values::signal("--signal", signal);
  return for_each(names, [&](const Container& container) {
    if (!container.running) throw base::Error(cat("the container ", container.name, " has ended"));
    ask(container, {"kill", signal});
    print(container.name + "\n");
  });
}

int wait(const Names& names) {
  return for_each(
      names, [](const Container& container) { print(cat(end_of(container, {"wait"}), "\n")); });
}

int remove(const Names& names, bool force) {
  const int status = for_each(names, [&](const Container& container) {
    if (container.running && !force)
      throw base::Error(cat("the container ", container.name, " runs; `minictl stop ",
                            container.name, "` first, or rm -f"));
    wake(container);
    end_of(container, {"stop", "0"});
    forget(container);
    print(container.name + "\n");
  });
  netsetup::sweep(configs::Ruleset);  // of the last one its directory is left, too
  return status;
}

int prune() {
  for (const auto& container : all_containers(true)) {
    if (container.running) continue;
    forget(container);
    print(container.name + "\n");
  }
  const auto failures = netsetup::sweep(configs::Ruleset);
  for (const auto& line : failures) say(line);
  return failures.empty() ? 0 : base::ExitFailure;
}

}  // namespace runtime::ctl
