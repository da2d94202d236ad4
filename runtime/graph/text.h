// SPDX-License-Identifier: MIT
// A topology for a terminal.
#pragma once

#include <cstddef>
#include <string>

#include "netsetup/topology.h"

namespace graph {

/// Lines of at most WIDTH columns (at least 60), but where a single name or address needs more. A
/// bridge with few ports is drawn with a box for each container, one with many as a list.
std::string text(const netsetup::Topology& topology, std::size_t width);

}  // namespace graph
