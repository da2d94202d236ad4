// SPDX-License-Identifier: MIT
// What each noun is in the sets and maps of the rule set (configs/ruleset.nft).
#pragma once

#include <string>
#include <vector>

#include "netsetup/nft.h"
#include "netsetup/step.h"

namespace netsetup {

std::vector<nft::Element> elements(const OpenedInterface& opened);
std::vector<nft::Element> elements(const OpenedHost& opened);
std::vector<nft::Element> elements(const LoopbackGate& gate);
std::vector<nft::Element> elements(const NetworkRules& rules);
std::vector<nft::Element> elements(const PortGuard& guard);
std::vector<nft::Element> elements(const HostPorts& host);
/// For each port, in each family in which it and the container have an address: the way in, and for
/// whom it is.
std::vector<nft::Element> elements(const Publish& publish);
/// The map in which PORT's way in is, of the FAMILY of the container's address.
std::string publish_map(const PublishedPort& port, Family family);

}  // namespace netsetup
