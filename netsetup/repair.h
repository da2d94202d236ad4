// SPDX-License-Identifier: MIT
// The rule set again, after somebody has flushed it under running containers (`nft flush ruleset`,
// a firewall's reload).
#pragma once

#include "netsetup/kernel.h"
#include "netsetup/state.h"

namespace netsetup {

/// Installs the rules and all elements that the journals of the living speak of: what is recorded
/// as to be deleted is what has to be there. Does nothing where the table is there. Throws Error.
void reinstall_rules(Kernel& kernel, const State& state);

}  // namespace netsetup
