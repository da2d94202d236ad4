// SPDX-License-Identifier: MIT
// A topology for a slide or a page.
#pragma once

#include <string>

#include "netsetup/topology.h"

namespace graph {

/// An SVG image that needs nothing else: no font, no script, no file. It is dark where the reader
/// prefers that (the CSS media query prefers-color-scheme).
std::string svg(const netsetup::Topology& topology);

}  // namespace graph
