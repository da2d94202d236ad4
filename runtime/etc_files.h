// SPDX-License-Identifier: MIT
// The contents of the container's /etc/hosts and /etc/resolv.conf.
#pragma once

#include <optional>
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

struct ResolvConf {
  std::string text;
  std::string note;  // a line for the user where the container cannot resolve names, else empty
};

/// resolv.conf(5) for the container: the name servers are DNS (--dns) where there are any; else
/// those of HOST that a container can reach; else those of UPSTREAM, the servers that a resolver
/// on the host's loopback asks itself. A server on a loopback address is not the container's, and
/// one with an IPv6 address is beyond a container that has IPv4 only. Search and options lines
/// are HOST's. HOST and UPSTREAM: texts of such files, empty where there is none.
ResolvConf resolv_conf(std::string_view host, std::string_view upstream,
                       const std::vector<std::string>& dns);

/// The same from the host's files: /etc/netns/CONTAINER/resolv.conf as it is where it exists, as
/// ip-netns(8) does, else /etc/resolv.conf and systemd-resolved's list of upstream servers.
/// A file that cannot be read counts as none and is named in the note. Never throws for that.
ResolvConf read_host_resolv_conf(std::string_view container, const std::vector<std::string>& dns);

}  // namespace runtime
