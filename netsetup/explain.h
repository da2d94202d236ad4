// SPDX-License-Identifier: MIT
// A step as text: the command that does the same, and why one would.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "netsetup/step.h"

namespace netsetup {

/// One line for sh(1) that does what STEP does. CONTAINER: the name under which the command finds
/// the container's namespace (ip-netns(8)).
std::string command(const Step& step, std::string_view container);

/// One sentence: why the step is there.
std::string reason(const Step& step);

/// What STEP is, for error messages: "give eth0 the address 10.210.0.2/22".
std::string title(const Step& step);

/// A script for `sh -e` that does all of PLAN; RULESET is the text of configs/ruleset.nft, which
/// it carries with it.
std::string script(const std::vector<Step>& plan, std::string_view container,
                   std::string_view ruleset);

}  // namespace netsetup
