// SPDX-License-Identifier: MIT
// What the container's root user may still do: capabilities(7).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace runtime {

/// A set of capabilities, bit N is capability N (CAP_CHOWN is 0).
using CapabilitySet = std::uint64_t;

/// The eleven that a container has by default (configs/capabilities.json: each with its reason).
CapabilitySet default_capabilities();

/// DEFAULT with --cap-add and --cap-drop: names with or without "CAP_", any case, or ALL; drops
/// win over adds, as "ALL" first then names: `--cap-drop ALL --cap-add CHOWN` leaves CHOWN (docker's meaning). Throws
/// Error that names an unknown capability.
CapabilitySet resolve_capabilities(CapabilitySet start, const std::vector<std::string>& add,
                                   const std::vector<std::string>& drop);

/// Names of the set, for messages and for the seccomp profile ("CAP_CHOWN", ...).
std::vector<std::string> capability_names(CapabilitySet set);

/// Bounding set to SET, inheritable and ambient to nothing, keeping the permitted ones for now (so
/// that setuid can follow). Needs: CAP_SETPCAP. Before change_user().
void limit_bounding_set(CapabilitySet set);

/// Permitted and effective to SET (for a non-root user: to nothing, as execve(2) would). After the change of user.
void limit_permitted(CapabilitySet set);

}  // namespace runtime
