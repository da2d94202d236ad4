// SPDX-License-Identifier: MIT
// Names for `ip netns`: ip-netns(8) takes every file of /run/netns for a network namespace.
//
// Theory of operation. `ip netns add` binds the namespace to a file there, which keeps it alive
// until somebody deletes it: after a crash, for ever. A symbolic link to /proc/PID/ns/net serves
// `ip netns list`, `ip netns exec` and `ip -n` just as well, and pins nothing: when process PID is
// dead, so is the namespace, and the link leads nowhere.
#pragma once

#include <sys/types.h>

#include <string>

namespace netsetup::netns_name {

inline constexpr const char* Directory = "/run/netns";

/// Whether the directory is there.
bool has_directory();
void make_directory();
/// Removes it, names of ours that lead nowhere included. `ip netns`' own mount on it makes it
/// another's: it stays. Throws Error (ENOTEMPTY) while other names are in it: to be tried again.
void remove_directory();

/// NAME means the network namespace of process PID. Replaces a link of ours that leads nowhere;
/// throws Error where there is anything else of that name.
void add(const std::string& name, pid_t pid);
/// Removes NAME if it is the link that add() made.
void remove(const std::string& name, pid_t pid);

}  // namespace netsetup::netns_name
