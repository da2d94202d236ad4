// SPDX-License-Identifier: MIT
// What somebody removed under running containers, put back on demand: every supervisor does it by
// itself when it hears of it.
#include "netsetup/repair.h"

#include "base/error.h"
#include "base/say.h"
#include "netsetup/sweep.h"
#include "runtime/configs.h"
#include "runtime/ctl/commands.h"

namespace runtime::ctl {

int repair() {
  if (!netsetup::State::peek().valid()) return 0;
  std::vector<std::string> failures;
  {
    const netsetup::State state;
    netsetup::Kernel kernel(configs::Ruleset);
    failures = netsetup::repair(kernel, state);
  }
  for (const auto& line : netsetup::sweep(configs::Ruleset)) failures.push_back(line);
  for (const auto& line : failures) base::say(line);
  return failures.empty() ? 0 : base::ExitFailure;
}

}  // namespace runtime::ctl
