// SPDX-License-Identifier: MIT
// What is asked to be published, before anything is done for it.
#pragma once

#include <cstdint>
#include <vector>

#include "netsetup/kernel.h"
#include "netsetup/plan.h"

namespace netsetup {

/// Makes PORTS what NETWORK's description wants them to be. Throws Error where they could not be
/// reached.
void complete(std::vector<PublishedPort>& ports, const NetworkSpec& network);

/// Throws Error where PORTS name an address that no interface of the host has: bind(2) takes more
/// than those, broadcast, multicast, any with ip_nonlocal_bind.
void check_addresses(Kernel& kernel, const std::vector<PublishedPort>& ports);

/// One that the kernel might choose for PORT, whose host port is 0, when it is bound. Throws Error.
std::uint16_t free_port(PublishedPort port);

}  // namespace netsetup
