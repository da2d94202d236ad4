// SPDX-License-Identifier: MIT
// What each noun is in the sets and maps of the rule set (configs/ruleset.nft).
#pragma once

#include <vector>

#include "netsetup/nft.h"
#include "netsetup/step.h"

namespace netsetup {

std::vector<nft::Element> elements(const OpenedInterface& opened);
std::vector<nft::Element> elements(const OpenedHost& opened);
std::vector<nft::Element> elements(const LoopbackGate& gate);
std::vector<nft::Element> elements(const NetworkRules& rules);
std::vector<nft::Element> elements(const PortGuard& guard);

}  // namespace netsetup
