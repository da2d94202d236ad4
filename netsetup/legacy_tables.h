// SPDX-License-Identifier: MIT
// iptables-legacy: the tables of the kernel's older packet filter, beside nf_tables. Only read.
#pragma once

#include <optional>
#include <string>

namespace netsetup {

/// Whether the chain FORWARD of the legacy table `filter` (IPv4) drops what comes to its end, and
/// has no rule that names INTERFACE, nor has one that it calls: then the name of the chain where an
/// exception belongs, "DOCKER-USER" where there is that. Nothing where there is no such table in
/// this network namespace: it is not made by looking. Throws Error.
std::optional<std::string> legacy_chain_that_drops(const std::string& interface);

}  // namespace netsetup
