// SPDX-License-Identifier: MIT
// What the dead have left, for commands that start no container themselves.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace netsetup {

/// Undoes and removes what containers left whose mini-run is dead, and what the last of them
/// shared. RULESET: the text of configs/ruleset.nft. Returns what failed, a line each. Does nothing
/// where mini-run has left nothing in this network namespace.
std::vector<std::string> sweep(std::string_view ruleset);

}  // namespace netsetup
