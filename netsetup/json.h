// SPDX-License-Identifier: MIT
// The values of address.h, and networks, as JSON, for the journal and for the records of
// containers. Reading throws what nlohmann::json throws, or std::invalid_argument.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "netsetup/step.h"

namespace netsetup {

void to_json(nlohmann::json& j, const Ip& value);
void from_json(const nlohmann::json& j, Ip& value);
void to_json(nlohmann::json& j, const Cidr& value);
void from_json(const nlohmann::json& j, Cidr& value);
void to_json(nlohmann::json& j, const Mac& value);
void from_json(const nlohmann::json& j, Mac& value);
void to_json(nlohmann::json& j, const PublishedPort& port);
void from_json(const nlohmann::json& j, PublishedPort& port);
void to_json(nlohmann::json& j, const PortRange& ports);
void from_json(const nlohmann::json& j, PortRange& ports);
void to_json(nlohmann::json& j, const Network& network);
void from_json(const nlohmann::json& j, Network& network);

}  // namespace netsetup
