// SPDX-License-Identifier: MIT
// The networks that are there, and what one that comes is to be like on this host.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "netsetup/kernel.h"
#include "netsetup/plan.h"

namespace netsetup {

/// What `up` of a network's scope says of it, and back: nothing where the text is damaged.
std::string description_of(const Network& network);
std::optional<Network> described_network(std::string_view up);

/// The network of the scope NAME below the directory STATE: as UP, its description, tells, or where
/// that is damaged, its journal. Throws Error.
Network network_of(int state, const std::string& name, const std::string& up);

/// Those of this network namespace, by name. Changes nothing. Throws Error.
std::vector<Network> networks();

/// SPEC with what it leaves open: subnets that overlap no address and no route of the host, and the
/// MTU of its way out. Throws Error where a given subnet overlaps, or none is free.
Network choose_network(Kernel& kernel, const NetworkSpec& spec);

/// Whether what containers answer to the host's [::1] comes back: not where bridges hand their
/// packets to ip6tables, as br_netfilter makes them.
bool serves_loopback6();

/// What is closed now, by the interfaces that have an address.
Closed closed_host(Kernel& kernel);

}  // namespace netsetup
