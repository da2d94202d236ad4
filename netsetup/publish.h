// SPDX-License-Identifier: MIT
// Published ports as elements of the rule set's maps, each with one owner.
//
// Theory of operation. A port is one element of a hash map; so is a range (PublishedPort::count),
// of a map of intervals whose key always has an address: "any" is the interval of all of a family.
// That a key is in a hash map only once the kernel sees to. That a range has no port of another, it
// does not: neither across maps, nor where one interval lies within another. So whoever publishes
// adds first and looks then: transactions come one after the other, and of two that overlap the
// later one sees the earlier, and takes its own back. Where both are there before they look, both
// are refused.
#pragma once

#include <vector>

#include "netsetup/nft.h"
#include "netsetup/step.h"

namespace netsetup {

class Kernel;

/// Throws Error that names the container which has one of PORTS already.
void check_free(Kernel& kernel, const std::vector<PublishedPort>& ports);

/// All in one transaction; what is there already, with PUBLISH's addresses, is its own. Throws
/// Error that names the container which has one of the ports: then some may be there, for
/// unpublish().
void publish(nft::Socket& nft, const Publish& publish);

/// No error where it has gone; what has become another's stays.
void unpublish(nft::Socket& nft, const Publish& publish);

}  // namespace netsetup
