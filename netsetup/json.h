// SPDX-License-Identifier: MIT
// The values of address.h as JSON, for the journal and for the records of containers. Reading
// throws what nlohmann::json throws, or std::invalid_argument.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "netsetup/address.h"

namespace netsetup {

void to_json(nlohmann::json& j, const Ipv4& value);
void from_json(const nlohmann::json& j, Ipv4& value);
void to_json(nlohmann::json& j, const Cidr& value);
void from_json(const nlohmann::json& j, Cidr& value);
void to_json(nlohmann::json& j, const Mac& value);
void from_json(const nlohmann::json& j, Mac& value);
void to_json(nlohmann::json& j, const PublishedPort& port);
void from_json(const nlohmann::json& j, PublishedPort& port);

}  // namespace netsetup
