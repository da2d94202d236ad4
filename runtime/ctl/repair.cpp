// SPDX-License-Identifier: MIT
// What somebody removed under running containers, put back on demand: every supervisor does it by
// itself when it hears of it.
#include "netsetup/repair.h"

#include "base/error.h"
#include "netsetup/sweep.h"
#include "runtime/configs.h"
#include "runtime/ctl/commands.h"
#include "runtime/say.h"

namespace runtime::ctl {

int repair() {
  if (!netsetup::State::peek().valid()) return 0;
  {
    const netsetup::State state;
    netsetup::Kernel kernel(configs::Ruleset);
    netsetup::repair(kernel, state);
  }
  const auto failures = netsetup::sweep(configs::Ruleset);
  for (const auto& line : failures) say(line);
  return failures.empty() ? 0 : base::ExitFailure;
}

}  // namespace runtime::ctl
