// SPDX-License-Identifier: MIT
// Networks: described in files (network_file.h), there while containers are on them.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/say.h"
#include "base/text.h"
#include "netsetup/json.h"
#include "netsetup/networks.h"
#include "netsetup/rtnl.h"
#include "runtime/configs.h"
#include "runtime/ctl/commands.h"
#include "runtime/ctl/containers.h"
#include "runtime/ctl/table.h"
#include "runtime/network_file.h"
#include "runtime/options_values.h"

namespace runtime::ctl {

using base::cat;
using base::Error;
using netsetup::Cidr;
using netsetup::Network;
using nlohmann::json;

namespace {

/// A container's place in a network.
struct Member {
  std::string container;
  Attached place;
};

std::vector<Member> members_of(const std::vector<Container>& containers, const std::string& name) {
  std::vector<Member> members;
  for (const auto& container : containers)
    for (const auto& place : container.description.networks)
      if (place.network == name) members.push_back({container.name, place});
  return members;
}

std::vector<std::string> subnets_of(const Network& network) {
  std::vector<std::string> subnets;
  for (const auto& gateway : network.gateways)
    subnets.push_back(Cidr{gateway.first(), gateway.prefix}.text());
  return subnets;
}

/// What is known of the network NAME: UP, where it is there, else its description.
json about(const std::string& name, const Network* up, const std::vector<Member>& members) {
  json j = {{"name", name}, {"up", up != nullptr}};
  if (up != nullptr) {
    std::vector<std::string> gateways;
    for (const auto& gateway : up->gateways) gateways.push_back(gateway.address.text());
    j["subnets"] = subnets_of(*up);
    j["gateways"] = gateways;
    j["internal"] = up->internal;
    j["isolated"] = up->isolated;
    j["mtu"] = up->mtu;
  } else {
    const auto spec = read_network(name);
    j["subnets"] = json::array();
    for (const auto& gateway : {spec.gateway, spec.gateway6})
      if (gateway) j["subnets"].push_back(Cidr{gateway->first(), gateway->prefix}.text());
    j["internal"] = spec.internal;
    j["isolated"] = spec.isolated;
  }
  j["containers"] = json::array();
  for (const auto& [container, place] : members)
    j["containers"].push_back({{"name", container},
                               {"addresses", place.addresses},
                               {"mac", place.mac},
                               {"link", place.link},
                               {"veth", place.veth}});
  return j;
}

/// All networks, described ones and those that are there, by name.
json all_networks() {
  const auto containers = all_containers(false);
  const auto up = netsetup::networks();
  std::set<std::string> names;
  for (const auto& network : up) names.insert(network.bridge);
  for (const auto& name : described_networks()) names.insert(name);
  json all = json::array();
  for (const auto& name : names) {
    const auto there = std::ranges::find(up, name, &Network::bridge);
    try {
      all.push_back(
          about(name, there == up.end() ? nullptr : &*there, members_of(containers, name)));
    } catch (const Error& error) {
      base::say(error.what());  // its file is damaged: the others are shown
    }
  }
  return all;
}

json find_network(const std::string& name) {
  for (auto& network : all_networks())
    if (network.at("name") == name) return std::move(network);
  throw Error(cat("there is no network ", base::printable(name),
                  "; `minictl network` lists all, `minictl network create` makes one"));
}

/// Another network's description that has an address in common with SPEC.
void check_apart(const netsetup::NetworkSpec& spec) {
  for (const auto& name : described_networks()) {
    const auto other = read_network(name);
    for (const auto& [mine, its] :
         {std::pair(spec.gateway, other.gateway), std::pair(spec.gateway6, other.gateway6)})
      if (mine && its && mine->overlaps(*its))
        throw Error(cat("the subnet ", Cidr{mine->first(), mine->prefix}.text(),
                        " overlaps that of the network ", name, ", ",
                        Cidr{its->first(), its->prefix}.text()));
  }
}

/// VALUE of --option: what is JSON as that, all else as a text.
json option_value(const std::string& text) {
  auto value = json::parse(text, nullptr, false);
  return value.is_discarded() ? json(text) : value;
}

json description_of(const NetworkOptions& options) {
  json description = json::object();
  for (const auto& subnet : options.subnets)
    description[subnet.find(':') == std::string::npos ? "subnet" : "subnet6"] = subnet;
  for (const auto& gateway : options.gateways)
    description[gateway.find(':') == std::string::npos ? "gateway" : "gateway6"] = gateway;
  if (options.internal) description["internal"] = true;
  if (options.isolated) description["isolated"] = true;
  if (options.mtu) description["mtu"] = option_value(*options.mtu);
  if (options.ipv6 && *options.ipv6 != "on" && *options.ipv6 != "off")
    throw Error(cat("--ipv6 ", base::printable(*options.ipv6), ": it is on or off"));
  if (options.ipv6) description["ipv6"] = *options.ipv6 == "on";
  for (const auto& option : options.options) {
    const auto equals = option.find('=');
    if (equals == std::string::npos || equals == 0)
      throw Error(cat("--option ", base::printable(option),
                      ": it needs KEY=VALUE, as in publish-address=127.0.0.1"));
    description[option.substr(0, equals)] = option_value(option.substr(equals + 1));
  }
  return description;
}

}  // namespace

int networks(bool as_json) {
  const json all = all_networks();
  if (as_json) {
    print_json(all);
    return 0;
  }
  std::vector<std::vector<std::string>> rows = {{"NETWORK", "SUBNETS", "CONTAINERS"}};
  for (const auto& network : all) {
    std::vector<std::string> names;
    for (const auto& member : network.at("containers")) names.push_back(member.at("name"));
    const auto subnets = network.at("subnets").get<std::vector<std::string>>();
    rows.push_back({network.at("name"),
                    subnets.empty() ? "not chosen yet" : base::join(subnets, " "),
                    base::join(names, ", ")});
  }
  print(table(rows, terminal_width()));
  return 0;
}

int inspect_networks(const Names& names) {
  json all = json::array();
  for (const auto& name : names) all.push_back(find_network(name));
  print_json(all);
  return 0;
}

int create_network(const std::string& name, const NetworkOptions& options) {
  values::network_name(name);
  const json description = description_of(options);
  const auto spec = parse_network(name, description, cat("network ", name));
  check_apart(spec);
  netsetup::Kernel kernel(configs::Ruleset);
  if (netsetup::rtnl::find_index(kernel.host_route(), name))
    throw Error(cat("an interface ", name, " is there already (see `ip link show ", name,
                    "`); choose another name"));
  static_cast<void>(netsetup::choose_network(kernel, spec));  // for its errors
  describe_network(name, description);
  print(name + "\n");
  return 0;
}

int remove_networks(const Names& names) {
  int status = 0;
  for (const auto& name : names) {
    try {
      const json network = find_network(name);
      if (!network.at("containers").empty())
        throw Error(cat("the network ", name, " is in use by the container ",
                        network.at("containers").front().at("name").get<std::string>(),
                        "; stop it first, or `minictl network disconnect`"));
      if (!forget_network(name))
        throw Error(cat("the network ", name, " was not created: it goes with its last container"));
      print(name + "\n");
    } catch (const Error& error) {
      base::say(error.what());
      status = error.exit_status();
    }
  }
  return status;
}

int change_network(const Words& request, const std::string& container) {
  if (!ask(find_running(container), request))
    throw Error(cat("the container ", container, " has ended"));
  return 0;
}

}  // namespace runtime::ctl
