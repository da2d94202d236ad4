// SPDX-License-Identifier: MIT
// What the container's root user may still do: capabilities(7).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace runtime {

/// A set of capabilities, bit N is capability N (CAP_CHOWN is 0).
using CapabilitySet = std::uint64_t;

/// The eleven that a container has by default (configs/capabilities.json: each with its reason).
CapabilitySet default_capabilities();

/// The set with only NAME in it: with or without "CAP_", any case. Throws Error that names an
/// unknown one. Source: linux/capability.h.
CapabilitySet capability(std::string_view name);

/// START with --cap-add and --cap-drop; ALL means every capability. ALL is taken first, then the
/// names are added, then the names are dropped, whatever their order on the command line:
/// `--cap-drop ALL --cap-add CHOWN` leaves CHOWN, as docker's does, and a name that is both added
/// and dropped is dropped. Throws Error that names an unknown capability.
CapabilitySet resolve_capabilities(CapabilitySet start, const std::vector<std::string>& add,
                                   const std::vector<std::string>& drop);

/// What this thread holds (effective).
CapabilitySet held_capabilities();

/// Names of the set, for messages and for the seccomp profile ("CAP_CHOWN", ...).
std::vector<std::string> capability_names(CapabilitySet set);

/// Bounding set to SET, inheritable and ambient to nothing; permitted and effective stay for now,
/// so that the change of user can follow. Needs: CAP_SETPCAP. Before change_user().
/// Source: prctl(2) PR_CAPBSET_DROP, capset(2).
void limit_bounding_set(CapabilitySet set);

/// Permitted and effective to what is both held and in SET (a change to a non-root user has left
/// nothing held). Needs: after the change of user. Must not: run before limit_bounding_set(),
/// which SETPCAP is for. Source: capset(2).
void limit_permitted(CapabilitySet set);

}  // namespace runtime
