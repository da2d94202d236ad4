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
/// Of PORT alone: one for each family in which the host's and the container's address fit.
std::vector<nft::Element> elements(const Publish& publish, const PublishedPort& port);
/// The map that they are in, of the FAMILY of the container's address.
std::string publish_map(const PublishedPort& port, Family family);

}  // namespace netsetup
