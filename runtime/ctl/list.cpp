// SPDX-License-Identifier: MIT
// Containers as a table, and the same as JSON.

#include <ctime>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "netsetup/json.h"
#include "runtime/ctl/commands.h"
#include "runtime/ctl/containers.h"
#include "runtime/ctl/table.h"

namespace runtime::ctl {

using base::cat;
using nlohmann::json;

namespace {

std::string status_of(const Container& container, long now) {
  if (container.running)
    return cat("up ", duration(now - static_cast<long>(container.description.created)));
  if (!container.end) return container.end_lost ? "ended" : "killed with its mini-run";
  return cat("ended (", container.end->status, ") ",
             duration(now - static_cast<long>(container.end->at)), " ago");
}

std::string ports_of(const Container& container) {
  if (!container.running) return "";
  std::vector<std::string> ports;
  for (const auto& port : container.description.ports) ports.push_back(port.text());
  constexpr std::size_t Shown = 3;
  return base::join_first(std::move(ports), Shown);
}

/// That of the first network, IPv4.
std::string address_of(const Container& container) {
  const auto& networks = container.description.networks;
  if (!container.running || networks.empty()) return "";
  return networks.front().addresses.front().address.text();
}

json to_json(const Container& container) {
  const Description& known = container.description;
  std::vector<std::string> names;
  for (const auto& network : known.networks) names.push_back(network.network);
  json j = {{"name", container.name},
            {"running", container.running},
            {"command", known.command},
            {"created", known.created},
            {"address", address_of(container)},
            {"networks", names},
            {"ports", known.ports},
            {"pid", container.running ? known.init : 0}};
  if (container.end) j["exit_status"] = container.end->status;
  return j;
}

}  // namespace

int ps(const Listing& listing) {
  const auto containers = all_containers(listing.all);
  if (listing.json) {
    json all = json::array();
    for (const auto& container : containers) all.push_back(to_json(container));
    print_json(all);
    return 0;
  }
  if (listing.quiet) {
    std::string names;
    for (const auto& container : containers) names += container.name + "\n";
    print(names);
    return 0;
  }
  const long now = ::time(nullptr);
  std::vector<std::vector<std::string>> rows = {{"NAME", "STATUS", "ADDRESS", "PORTS", "COMMAND"}};
  for (const auto& container : containers)
    rows.push_back({container.name, status_of(container, now), address_of(container),
                    ports_of(container), base::join(container.description.command, " ")});
  print(table(rows, terminal_width()));
  return 0;
}

}  // namespace runtime::ctl
