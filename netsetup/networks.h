// SPDX-License-Identifier: MIT
// The networks that are there.
#pragma once

#include <vector>

#include "netsetup/plan.h"

namespace netsetup {

/// The network of the scope NAME below the directory STATE: as UP, its description, tells, or where
/// that is damaged, its journal. Throws Error.
Network network_of(int state, const std::string& name, const std::string& up);

/// Those of this network namespace, by name. Changes nothing. Throws Error.
std::vector<Network> networks();

}  // namespace netsetup
