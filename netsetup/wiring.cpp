// SPDX-License-Identifier: MIT
// The plan is a pure function of the container's place, which its record and the networks' tell;
// of the host's share, what was closed when it was built, the journal tells. So the same list comes
// out that --dry-run would have printed.
#include "netsetup/wiring.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "netsetup/journal.h"
#include "netsetup/networks.h"
#include "netsetup/state.h"

namespace netsetup {

using base::cat;

namespace {

/// What the journal in DIRECTORY says, newest first.
std::vector<Step> undo_steps(int directory) {
  if (directory < 0) return {};
  const auto journal = Journal::peek(directory);
  auto steps = journal ? journal->read() : std::vector<Step>();
  std::ranges::reverse(steps);
  return steps;
}

/// What the host had closed when UNDO was written.
Closed closed_before(std::vector<Step> undo) {
  std::ranges::reverse(undo);
  Closed closed;
  for (const auto& step : undo) {
    if (const auto* opened = std::get_if<OpenedInterface>(&step.object))
      closed.interfaces.push_back(*opened);
    closed.host6 = closed.host6 || std::holds_alternative<OpenedHost>(step.object);
    closed.loopback6 = closed.loopback6 || std::holds_alternative<LoopbackGate>(step.object);
    const auto* sysctl = std::get_if<Sysctl>(&step.object);
    constexpr std::string_view Start = "net.ipv6.conf.";
    constexpr std::string_view End = ".accept_ra";
    if (sysctl != nullptr && sysctl->key.starts_with(Start) && sysctl->key.ends_with(End))
      closed.advertised.push_back(
          sysctl->key.substr(Start.size(), sysctl->key.size() - Start.size() - End.size()));
  }
  return closed;
}

WiringPart part_of_network(int state, const Network& network) {
  const auto directory = open_directory(state, cat(NetworkScopePrefix, network.bridge));
  WiringPart part{
      cat("The network ", network.bridge, ", there from its first container to its last"),
      network_plan(network), undo_steps(directory.get())};
  for (const auto& step : part.undo)
    if (std::holds_alternative<FirewallException>(step.object))
      part.made.push_back({Verb::Create, step.where, step.object});
  return part;
}

}  // namespace

std::vector<WiringPart> wiring(const Wired& container) {
  std::vector<WiringPart> parts;
  WiringPart own{cat("The container ", container.name), {}, undo_steps(container.directory)};
  const auto state = State::peek();
  const auto up = networks();
  if (!container.places.empty()) {
    const auto host = open_directory(state.get(), "host");
    const auto undo = undo_steps(host.get());
    parts.push_back({"The host's share, there from the first container to the last",
                     host_plan(closed_before(undo)), undo});
    own.made = name_plan(container.name, container.init);
  }
  collect(own.made, namespace_plan());
  for (const auto& [name, endpoint] : container.places) {
    const auto network = std::ranges::find(up, name, &Network::bridge);
    if (network == up.end()) throw base::Error(cat("there is no network ", name, " any more"));
    parts.push_back(part_of_network(state.get(), *network));
    collect(own.made, attachment_plan(container.name, *network, endpoint));
  }
  if (!container.places.empty()) {
    const auto& addresses = container.places.front().endpoint.addresses;
    collect(own.made, publish_plan(container.name, addresses, container.ports));
    for (const auto& step : own.undo)
      if (const auto* host = std::get_if<HostPorts>(&step.object))
        collect(own.made, host_ports_plan(container.name, addresses, host->ports));
  }
  parts.push_back(std::move(own));
  return parts;
}

}  // namespace netsetup
