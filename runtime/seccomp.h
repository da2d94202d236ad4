// SPDX-License-Identifier: MIT
// The system calls a container may make: seccomp(2), a filter built from configs/seccomp.json.
#pragma once

#include <linux/filter.h>

#include <span>
#include <string_view>
#include <vector>

#include "runtime/caps.h"

namespace runtime {

using BpfProgram = std::vector<sock_filter>;

/// Compiles PROFILE (JSON text, docker's or OCI's form: defaultAction, archMap, syscalls with args,
/// includes, excludes) for a container with CAPABILITIES. Of the rules that match a call the
/// strictest counts; calls newer than the profile get ENOSYS. Throws Error naming the key that is
/// wrong.
BpfProgram compile_seccomp(std::string_view profile, CapabilitySet capabilities);

/// The filter of configs/seccomp.json for the default capabilities, compiled when mini-run was
/// built.
std::span<const sock_filter> default_seccomp();

/// Loads PROGRAM into this thread; on return every call is filtered. Needs: no_new_privs set (or
/// CAP_SYS_ADMIN). Must not: be called in init; nothing but execve should follow.
/// Source: seccomp(2).
void load_seccomp(std::span<const sock_filter> program);

}  // namespace runtime
