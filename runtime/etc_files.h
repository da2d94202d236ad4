// SPDX-License-Identifier: MIT
// The contents of the container's /etc/hosts. (Its /etc/resolv.conf: name_servers.h.)
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "netsetup/address.h"

namespace runtime {

/// hosts(5): localhost, the lines of --add-host, ADDRESSES with HOSTNAME (and its first word), the
/// host, which is the GATEWAYS, as host.mini.internal and, for what was written for docker, as
/// host.docker.internal. ADD_HOST may give these names to another.
std::string hosts(std::string_view hostname, const std::vector<netsetup::Ip>& addresses,
                  const std::vector<netsetup::Ip>& gateways,
                  const std::vector<std::pair<std::string, netsetup::Ip>>& add_host);

}  // namespace runtime
