// SPDX-License-Identifier: MIT
#include "netsetup/published.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "netsetup/port_owner.h"
#include "netsetup/rtnl.h"

namespace netsetup {

using base::cat;
using base::Error;

namespace {

/// from=CIDR where it would let nobody in.
void check_clients(const PublishedPort& port) {
  if (port.from.empty() || !port.host_address) return;
  const auto& address = *port.host_address;
  const std::string what = cat("publish port ", port.host_ports().text(), " of ", address.text());
  if (address.is_loopback())
    throw Error(cat(what, ": only this host reaches that address, from= is for clients beyond it"));
  for (const auto& cidr : port.from)
    if (cidr.address.family != address.family)
      throw Error(cat(what, ": nobody comes from ", cidr.text(), " to an ",
                      netsetup::text(address.family), " address"));
}

}  // namespace

void complete(std::vector<PublishedPort>& ports, const NetworkSpec& network) {
  for (auto& port : ports) {
    if (!port.host_address) port.host_address = network.publish_address;
    const std::string ports_text = port.host_ports().text();
    if (network.internal && !(port.host_address && port.host_address->is_loopback()))
      throw Error(cat("publish port ", ports_text, ": the network ", network.bridge,
                      " is internal, what is published there is for the host itself: 127.0.0.1:",
                      ports_text, ":", port.container_ports().text()));
    check_clients(port);
  }
}

void check_addresses(Kernel& kernel, const std::vector<PublishedPort>& ports) {
  for (const auto& port : ports) {
    if (port.on_any_address() || port.host_address->is_loopback()) continue;
    const auto own = rtnl::addresses(kernel.host_route());
    if (std::none_of(own.begin(), own.end(), [&](const auto& address) {
          return address.cidr.address == *port.host_address;
        }))
      throw Error(cat("publish port ", port.host_ports().text(), " of ", port.host_address->text(),
                      ": no interface of this host has that address (see `ip address`)"));
  }
}

std::uint16_t free_port(PublishedPort port) {
  constexpr std::uint16_t First = 32768;  // of net.ipv4.ip_local_port_range
  for (port.host_port = First; port.host_port != 0; ++port.host_port)
    if (taken_ports({port}).empty()) return port.host_port;
  throw Error("no port is free for -p 0");
}

}  // namespace netsetup
