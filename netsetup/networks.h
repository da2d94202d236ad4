// SPDX-License-Identifier: MIT
// The networks that are there.
#pragma once

#include <vector>

#include "netsetup/plan.h"

namespace netsetup {

/// Those of this network namespace, by name. Changes nothing. Throws Error.
std::vector<Network> networks();

}  // namespace netsetup
