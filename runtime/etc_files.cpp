// SPDX-License-Identifier: MIT
#include "runtime/etc_files.h"

#include <algorithm>

#include "base/text.h"
#include "runtime/names.h"

namespace runtime {

using base::cat;

std::string hosts(std::string_view hostname, const std::vector<netsetup::Ip>& addresses,
                  const std::vector<netsetup::Ip>& gateways,
                  const std::vector<std::pair<std::string, netsetup::Ip>>& add_host) {
  std::string text =
      "127.0.0.1\tlocalhost\n"
      "::1\tlocalhost ip6-localhost ip6-loopback\n";
  for (const auto& [name, other] : add_host) text += cat(other.text(), '\t', name, '\n');
  for (const auto& address : addresses) {
    text += cat(address.text(), '\t', hostname);
    if (const auto dot = hostname.find('.'); dot != std::string_view::npos)
      text += cat(' ', hostname.substr(0, dot));
    text += '\n';
  }
  for (const auto host : HostNames) {
    if (std::ranges::find(add_host, host, &std::pair<std::string, netsetup::Ip>::first) !=
        add_host.end())
      continue;
    for (const auto& gateway : gateways) text += cat(gateway.text(), '\t', host, '\n');
  }
  return text;
}

}  // namespace runtime
