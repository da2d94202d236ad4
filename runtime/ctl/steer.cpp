// SPDX-License-Identifier: MIT
// Containers stopped, killed, waited for and removed. What is asked of several is asked of all of
// them first, so that they end side by side.

#include <csignal>
#include <ctime>
#include <utility>

#include "base/error.h"
#include "base/say.h"
#include "base/text.h"
#include "netsetup/record.h"
#include "netsetup/sweep.h"
#include "runtime/configs.h"
#include "runtime/ctl/commands.h"
#include "runtime/ctl/containers.h"
#include "runtime/ctl/table.h"
#include "runtime/options_values.h"

namespace runtime::ctl {

using base::cat;

namespace {

/// The end of a container: asked for at once, waited for later.
class Ending {
 public:
  /// REQUEST: "stop" or "wait". Needs: a mini-run that is awake.
  Ending(const Container& container, const Words& request) : name_(container.name) {
    if (container.running)
      question_.emplace(container.directory.get(), request);
    else
      known_ = container.end ? container.end->status : 128 + SIGKILL;
  }

  [[nodiscard]] const std::string& name() const { return name_; }

  /// Waits; the container's exit status.
  int status() {
    if (known_) return *known_;
    if (const auto answer = question_->answer())
      return base::parse_number<int>(*answer).value_or(base::ExitFailure);
    // It ended before it heard us, and its record tells; or it was killed, and all in it.
    for (const auto& ended : all_containers(true))
      if (ended.name == name_ && ended.end) return ended.end->status;
    return 128 + SIGKILL;
  }

 private:
  std::string name_;
  std::optional<int> known_;
  std::optional<Question> question_;
};

/// One that was killed lets go of its record a moment after it answers no more.
void wait_until_gone(const Container& container) {
  constexpr int Tries = 1000;
  constexpr timespec Moment = {0, 2'000'000};
  for (int tries = 0; tries < Tries && netsetup::is_alive(container.directory.get()); ++tries)
    ::nanosleep(&Moment, nullptr);
}

}  // namespace

int stop(const Names& names, const std::optional<std::string>& timeout) {
  Words request = {"stop"};
  if (timeout) {
    values::seconds("--time", *timeout);
    request.push_back(*timeout);
  }
  std::vector<Ending> endings;
  const int status = for_each(names, [&](const Container& container) {
    wake(container);
    endings.emplace_back(container, request);
  });
  for (auto& ending : endings) {
    ending.status();
    print(ending.name() + "\n");
  }
  return status;
}

int kill(const Names& names, const std::string& signal) {
  values::signal("--signal", signal);
  return for_each(names, [&](const Container& container) {
    need_running(container);
    ask(container, {"kill", signal});
    print(container.name + "\n");
  });
}

int wait(const Names& names) {
  std::vector<Ending> endings;
  const int status = for_each(names, [&](const Container& container) {
    if (container.end_lost)
      throw base::Error(cat("how the container ", container.name, " ended is not known any more"));
    endings.emplace_back(container, Words{"wait"});
  });
  for (auto& ending : endings) print(cat(ending.status(), "\n"));
  return status;
}

int remove(const Names& names, bool force) {
  Names doomed;
  const int status = for_each(names, [&](const Container& container) {
    if (container.running && !force)
      throw base::Error(cat("the container ", container.name, " runs; `minictl stop ",
                            container.name, "` first, or rm -f"));
    wake(container);
    Ending(container, {"stop", "0"}).status();
    wait_until_gone(container);
    doomed.push_back(container.name);
  });
  netsetup::sweep(configs::Ruleset);  // of one that was killed everything is left
  for (const auto& name : doomed) {
    forget(name);
    print(name + "\n");
  }
  netsetup::sweep(configs::Ruleset);  // of the last one its directory
  return status;
}

int prune() {
  for (const auto& container : all_containers(true)) {
    if (container.running) continue;
    forget(container.name);
    print(container.name + "\n");
  }
  const auto failures = netsetup::sweep(configs::Ruleset);
  for (const auto& line : failures) base::say(line);
  return failures.empty() ? 0 : base::ExitFailure;
}

}  // namespace runtime::ctl
