// SPDX-License-Identifier: MIT
// A topology for other programs.
#pragma once

#include <string>

#include "netsetup/topology.h"

namespace graph {

/// A flowchart for Mermaid, as Markdown pages show it between ```mermaid and ```.
std::string mermaid(const netsetup::Topology& topology);
/// A graph for dot(1).
std::string dot(const netsetup::Topology& topology);
/// All of it; minictl(1) describes it.
std::string json(const netsetup::Topology& topology);

}  // namespace graph
