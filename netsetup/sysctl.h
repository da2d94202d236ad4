// SPDX-License-Identifier: MIT
// Kernel switches, read and written below /proc/sys (proc_sys(5), sysctl(8)).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace netsetup {

/// The value of KEY without its newline, or nothing where this kernel has no such key. Keys are
/// written as for sysctl(8): the first separator, '.' or '/', is the one that separates, and the
/// other stands for itself: "net.ipv4.ip_forward", "net/ipv4/conf/eth0.100/forwarding".
/// Keys below net are those of the caller's network namespace. Throws Error.
std::optional<std::string> read_sysctl(std::string_view key);

/// `sysctl -w KEY=VALUE`. Throws Error, also where there is no such key.
void write_sysctl(std::string_view key, std::string_view value);

}  // namespace netsetup
