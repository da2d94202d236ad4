// SPDX-License-Identifier: MIT
// The system calls a container may make: seccomp(2), a filter built from configs/seccomp.json.
#pragma once

#include <linux/filter.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/caps.h"

namespace runtime {

using BpfProgram = std::vector<sock_filter>;

/// Compiles PROFILE (JSON text, docker's and OCI's format: defaultAction, archMap, syscalls with args,
/// includes, excludes) for a container with CAPABILITIES, by libseccomp. Throws Error naming the key.
BpfProgram compile_seccomp(std::string_view profile, CapabilitySet capabilities);

/// The filter of configs/seccomp.json for the default capabilities, compiled when mini-run was built.
std::span<const sock_filter> default_seccomp();

/// Loads PROGRAM into this thread; on return every call is filtered. Needs: no_new_privs set.
/// Must not: be called in init; nothing but execve should follow.
void load_seccomp(std::span<const sock_filter> program);

}  // namespace runtime
