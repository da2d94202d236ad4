// SPDX-License-Identifier: MIT
// The files of configs/ as they were when the program was built: it needs none of them installed.
#pragma once

#include <string_view>

#include "rootfs/root.h"

namespace configs {

extern const std::string_view Ruleset;         // configs/ruleset.nft
extern const std::string_view Seccomp;         // configs/seccomp.json
extern const std::string_view Capabilities;    // configs/capabilities.json
extern const std::string_view HostRoot;        // configs/host-root.json
extern const std::string_view DefaultNetwork;  // configs/networks/mini0.json

}  // namespace configs

namespace runtime {

/// configs/host-root.json, read when the program was built.
rootfs::HostRoot default_host_root();

/// The program made of shim.c.
std::string_view shim_image();

}  // namespace runtime
