// SPDX-License-Identifier: MIT
// Who holds a port of the host: asked of sock_diag(7), never guessed by connecting.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "netsetup/address.h"

namespace netsetup {

/// "nginx (pid 123)" for the process that holds the host side of PORT (a listening or merely bound
/// TCP socket, or a UDP socket), found by the socket's inode in
/// /proc/*/fd. Nothing where no socket has it; "a process that cannot be seen" where nobody shows
/// the inode. A bound TCP socket that does not listen is not in sock_diag: then nothing.
std::optional<std::string> port_owner(const PublishedPort& port);

/// Of PORTS, those that some socket of the host holds already, of a range the one port that it does
/// hold: one dump for all of them.
std::vector<PublishedPort> taken_ports(const std::vector<PublishedPort>& ports);

}  // namespace netsetup
