// SPDX-License-Identifier: MIT
#include "netsetup/repair.h"

#include <fcntl.h>
#include <sys/file.h>

#include "base/error.h"
#include "base/file.h"
#include "netsetup/journal.h"

namespace netsetup {

namespace {

bool is_element(const Object& object) {
  return std::holds_alternative<OpenedInterface>(object) ||
         std::holds_alternative<NetworkRules>(object) || std::holds_alternative<Publish>(object);
}

/// Creates again what the journal in DIRECTORY, one of PARENT's, is going to delete.
void replay(Kernel& kernel, int parent, const std::string& directory) {
  const base::UniqueFd opened(
      ::openat(parent, directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!opened.valid()) return;  // its owner has just left
  for (const auto& step : Journal(opened.get()).read()) {
    if (step.verb == Verb::Delete && is_element(step.object))
      kernel.execute({Verb::Create, step.where, step.object});
  }
}

}  // namespace

void reinstall_rules(Kernel& kernel, const State& state) {
  // One at a time, under the lock that also keeps containers from being born meanwhile.
  const auto containers = make_directory(state.fd(), "containers");
  base::check(::flock(containers.get(), LOCK_EX), "lock the containers' directory");
  if (kernel.nft().find_table()) return;
  kernel.execute({Verb::Create, Where::Host, RuleSet{}});
  for (const auto& name : entries(state.fd())) {
    if (name != "containers") replay(kernel, state.fd(), name);
  }
  for (const auto& name : entries(containers.get())) replay(kernel, containers.get(), name);
}

}  // namespace netsetup
