// SPDX-License-Identifier: MIT
// Networks as they are described: /etc/mini-run/networks/NAME.json, in the format of
// configs/networks/mini0.json, which explains each key and is the default network's where it has no
// file of its own. A network that nobody has described is as that, too.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "netsetup/plan.h"

namespace runtime {

/// The description of the network NAME. Throws Error that names the file, the key, and what would
/// be right.
netsetup::NetworkSpec read_network(const std::string& name);

/// DESCRIPTION of NAME as a value; WHERE it comes from, for the error.
netsetup::NetworkSpec parse_network(const std::string& name, const nlohmann::json& description,
                                    const std::string& where);

/// The networks that have a file, by name.
std::vector<std::string> described_networks();

/// Writes the file, at once and as a whole. Throws Error where there is one.
void describe_network(const std::string& name, const nlohmann::json& description);
/// Removes it; false where there is none.
bool forget_network(const std::string& name);

}  // namespace runtime
