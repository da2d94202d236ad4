// SPDX-License-Identifier: MIT
// Theory of operation. What should be there is on disk (repair.h tells how); what is there, the
// kernel tells. Nothing here joins a scope, reads a journal (which would set aside what is damaged)
// or sweeps: a container that starts or ends this moment is in between, so what looks like a
// leftover is looked at twice.
#include "netsetup/checkup.h"

#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "netsetup/plan.h"
#include "netsetup/record.h"
#include "netsetup/rtnl.h"
#include "netsetup/scope.h"
#include "netsetup/sysctl.h"
#include "netsetup/view.h"

namespace netsetup {

using base::cat;

namespace {

constexpr auto Repair = "minictl repair";
constexpr std::size_t MostPorts = 1023;  // BR_MAX_PORTS of net/bridge/br_private.h

struct Living {
  std::string name;
  Ipv4 address;  // 0.0.0.0 where it is unknown yet
};

/// What is on disk.
struct Present {
  base::UniqueFd state;
  std::vector<Network> networks;
  std::vector<Living> containers;
  std::vector<std::string> dead;        // names
  std::vector<std::string> damaged;     // files that were set aside, their paths
  std::vector<std::string> unreadable;  // descriptions of networks, their paths
};

base::UniqueFd open_directory(const std::string& name, int parent) {
  return base::UniqueFd(
      ::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

void note_damaged(int directory, std::vector<std::string>& damaged) {
  for (const auto& file : entries(directory))
    if (file.ends_with(".damaged")) damaged.push_back(cat(base::path_of(directory), "/", file));
}

Present look_at_state(const AddressOf& address_of) {
  Present present;
  present.state = State::peek();
  if (!present.state.valid()) return present;
  for (const auto& scope : entries(present.state.get())) {
    const auto directory = open_directory(scope, present.state.get());
    if (!directory.valid()) continue;
    note_damaged(directory.get(), present.damaged);
    const auto up = Scope(present.state.get(), scope).peek();
    if (up && scope.starts_with(NetworkScopePrefix)) {
      if (auto network = described_network(scope, *up))
        present.networks.push_back(*std::move(network));
      else
        present.unreadable.push_back(cat(base::path_of(directory.get()), "/up"));
    }
    if (scope != "containers") continue;
    for (const auto& name : entries(directory.get())) {
      const auto container = open_directory(name, directory.get());
      if (!container.valid()) continue;
      if (!is_alive(container.get()))
        present.dead.push_back(name);
      else
        present.containers.push_back({name, address_of(container.get()).value_or(Ipv4{})});
    }
  }
  std::ranges::sort(present.networks, {}, &Network::bridge);
  std::ranges::sort(present.containers, {}, &Living::name);
  return present;
}

bool has_leftovers(const Present& present) {
  return !present.dead.empty() || (!present.networks.empty() && present.containers.empty());
}

std::string names_of(const Present& present) {
  std::vector<std::string> names;
  for (const auto& container : present.containers) names.push_back(container.name);
  return base::join(names, " ");
}

Check check_leftovers(Kernel& kernel, const Present& present) {
  Check check{"leftovers", "nothing is left of what has ended"};
  for (const auto& name : present.dead)
    check.troubles.push_back({cat("the mini-run of ", base::printable(name),
                                  " was killed; what it had made is still there"),
                              Repair});
  if (present.dead.empty() && has_leftovers(present))
    check.troubles.push_back({"a network is still there, and nobody is on it", Repair});
  for (const auto& path : present.damaged)
    check.troubles.push_back({cat(path, " was set aside: somebody wrote into our files"),
                              cat("rm ", base::shell_quote(path))});
  for (const auto& path : present.unreadable)
    check.troubles.push_back({cat(path, " is damaged"), cat(Repair, "; rm ", path, ".damaged")});
  if (!present.unreadable.empty()) return check;  // what follows may belong to that
  const auto table = kernel.nft().find_table();
  const bool expected = !present.networks.empty();
  if (table && (table->comment != nft::TableComment || !expected))
    check.troubles.push_back({cat("a table inet ", nft::TableName, " is there, and no container ",
                                  "of mini-run needs it"),
                              cat("nft delete table inet ", nft::TableName)});
  constexpr auto Default = "mini0";
  const bool up =
      std::ranges::any_of(present.networks, [&](const Network& n) { return n.bridge == Default; });
  if (!up && rtnl::find_index(kernel.host_route(), Default))
    check.troubles.push_back({cat("an interface ", Default, " is there, and is no network of ",
                                  "mini-run: a start would refuse it"),
                              cat("ip link delete ", Default)});
  return check;
}

/// Whether what the plan of NETWORK sets up is there.
std::optional<std::string> broken_part(Kernel& kernel, const Network& network) {
  const auto link = rtnl::find_link(kernel.host_route(), network.bridge);
  if (!link || link->mac != mac_of(network.gateway()))
    return cat("the bridge ", network.bridge, " is gone, or another's");
  if (!link->up) return cat("the bridge ", network.bridge, " is down");
  const auto addresses = rtnl::addresses(kernel.host_route());
  if (std::ranges::none_of(addresses, [&](const auto& address) {
        return address.index == link->index && address.cidr.address == network.gateway();
      }))
    return cat("the bridge ", network.bridge, " has lost its address ", network.gateway().text());
  return std::nullopt;
}

Check check_networks(Kernel& kernel, const Present& present) {
  Check check{"network", present.networks.empty() ? "no network is up, as no container runs"
                                                  : "rules and bridges are as they should be"};
  if (present.networks.empty()) return check;
  const auto shape = Scope(present.state.get(), "host").peek();
  if (shape && kernel.nft().shape() != *shape)
    check.troubles.push_back(
        {cat("the rules (table inet ", nft::TableName, ") are gone, or somebody changed them"),
         Repair});
  for (const auto& network : present.networks)
    if (const auto part = broken_part(kernel, network)) check.troubles.push_back({*part, Repair});
  return check;
}

Check check_forwarding(Kernel& kernel, const Present& present) {
  Check check{"forwarding", present.networks.empty()
                                ? "switched on with the first container, per interface"
                                : "on where it has to be"};
  std::vector<std::string> interfaces;
  for (const auto& network : present.networks) interfaces.push_back(network.bridge);
  if (!interfaces.empty())
    for (const auto& opened : kernel.opened_interfaces()) interfaces.push_back(opened.name);
  for (const auto& interface : interfaces) {
    const auto key = interface_sysctl("ipv4", interface, "forwarding");
    if (read_sysctl(key) == "0")
      check.troubles.push_back(
          {cat("forwarding was switched off on ", interface, " (", key, ")"), Repair});
  }
  return check;
}

Check check_firewall(Kernel& kernel, const Present& present) {
  Check check{"firewall", "no other firewall drops what is forwarded to and from containers"};
  for (const auto& network : present.networks)
    if (!exception_plan(kernel, network.bridge).empty())
      check.troubles.push_back({cat("another firewall drops what is forwarded for ", network.bridge,
                                    ", and our exception is not in its chain"),
                                Repair});
  std::vector<std::string> bridges;
  for (const auto& network : present.networks) bridges.push_back(network.bridge);
  if (bridges.empty()) bridges.emplace_back("mini0");
  for (const auto& bridge : bridges)
    for (const auto& trouble : foreign_drops(kernel, bridge)) check.troubles.push_back(trouble);
  return check;
}

struct Route {
  Cidr to;
  unsigned index = 0;  // of the interface
};

std::optional<Route> parse_route(const nlmsghdr* header) {
  const auto& info = *static_cast<const rtmsg*>(mnl_nlmsg_get_payload(header));
  if (header->nlmsg_type != RTM_NEWROUTE || info.rtm_type != RTN_UNICAST) return std::nullopt;
  const netlink::Attributes attributes(header, sizeof info);
  Route route{{{0}, info.rtm_dst_len}};
  if (const nlattr* to = attributes.find(RTA_DST)) route.to.address.value = netlink::value_be32(to);
  if (const nlattr* device = attributes.find(RTA_OIF)) route.index = netlink::value_u32(device);
  return route;
}

/// ip route get ADDRESS
std::optional<Route> route_to(netlink::Socket& socket, Ipv4 address) {
  constexpr std::uint8_t WholeAddress = 32;
  netlink::Message message(RTM_GETROUTE, 0);
  auto& info = message.extra_header<rtmsg>();
  info.rtm_family = AF_INET;
  info.rtm_dst_len = WholeAddress;
  message.put_be32(RTA_DST, address.value);
  std::optional<Route> found;
  static_cast<void>(
      socket.ask(message, [&](const nlmsghdr* reply) { found = parse_route(reply); }));
  return found;
}

std::vector<Route> all_routes(netlink::Socket& socket) {
  netlink::Message message(RTM_GETROUTE, 0);
  message.extra_header<rtmsg>().rtm_family = AF_INET;
  return socket.dump<Route>(message, parse_route);
}

/// A route that came later takes what is for a network: narrower than its own, or asked first.
Check check_routes(Kernel& kernel, const Present& present) {
  Check check{"routes", "no route takes what is for a container"};
  auto& socket = kernel.host_route();
  const auto routes = all_routes(socket);
  for (const auto& network : present.networks) {
    if (broken_part(kernel, network)) continue;  // its own route went with what it lacks
    const auto bridge = rtnl::find_index(socket, network.bridge).value_or(0);
    const auto taken = std::ranges::find_if(routes, [&](const Route& route) {
      return route.index != bridge && route.to.prefix >= network.subnet.prefix &&
             route.to.overlaps(network.subnet);
    });
    std::optional<Route> thief;
    if (taken != routes.end()) thief = *taken;
    for (const auto& container : present.containers)
      if (const auto way = route_to(socket, container.address);
          !thief && network.subnet.contains(container.address) && way && way->index != bridge)
        thief = way;
    if (!thief) continue;
    check.troubles.push_back(
        {cat("the route to ", thief->to.text(), " by ",
             rtnl::find_name(socket, thief->index).value_or("?"), " takes what is for ",
             network.bridge, " (", network.subnet.text(),
             "); once its containers have ended, the next start chooses another subnet"),
         cat("minictl stop ", names_of(present))});
  }
  return check;
}

Check check_mtu(Kernel& kernel, const Present& present) {
  Check check{"mtu", "the way out takes packets as large as the bridge's"};
  auto& socket = kernel.host_route();
  constexpr Ipv4 Anywhere{0xc0000201};  // 192.0.2.1, of no network (RFC 5737)
  const auto way = route_to(socket, Anywhere);
  const auto name = way ? rtnl::find_name(socket, way->index) : std::nullopt;
  const auto out = name ? rtnl::find_link(socket, *name) : std::nullopt;
  for (const auto& network : present.networks) {
    const auto bridge = rtnl::find_link(socket, network.bridge);
    if (!out || !bridge || out->index == bridge->index || bridge->mtu <= out->mtu) continue;
    std::string command = cat("ip link set ", network.bridge, " mtu ", out->mtu);
    for (const auto& container : present.containers)
      if (network.subnet.contains(container.address))
        command += cat("; ip -n ", container.name, " link set eth0 mtu ", out->mtu);
    check.troubles.push_back(
        {cat("the way out, ", *name, ", takes packets of ", out->mtu, " bytes, and ",
             network.bridge, " has ", bridge->mtu, ": larger ones get lost where nobody says so"),
         command});
  }
  return check;
}

std::uint64_t number_in(std::string_view text) {
  const auto word = text.substr(0, text.find_first_of("\t "));
  return base::parse_number<std::uint64_t>(word).value_or(0);
}

std::uint64_t sysctl_number(std::string_view key) {
  return number_in(read_sysctl(key).value_or(""));
}

bool near(std::uint64_t used, std::uint64_t most) {
  constexpr std::uint64_t Percent = 90;
  return most != 0 && used >= most * Percent / 100;
}

void check_pool(Kernel& kernel, Check& check) {
  constexpr unsigned SubnetPrefix = 22;
  constexpr Cidr Pool{{0x0ad20000}, 16};
  const auto taken = rtnl::route_destinations(kernel.host_route());
  if (choose_subnet(SubnetPrefix, taken)) return;
  const auto first = std::ranges::find_if(
      taken, [&](const Cidr& cidr) { return cidr.prefix >= Pool.prefix && Pool.overlaps(cidr); });
  check.troubles.push_back({"no subnet is free for another network: routes cover the whole pool",
                            cat("ip route delete ", first != taken.end() ? first->text() : "")});
}

Check check_limits(Kernel& kernel, const Present& present) {
  Check check{"limits", "none is near"};
  const auto links = rtnl::links(kernel.host_route());
  for (const auto& network : present.networks) {
    const auto bridge = rtnl::find_index(kernel.host_route(), network.bridge).value_or(0);
    const auto ports =
        static_cast<std::size_t>(std::ranges::count(links, bridge, &rtnl::Link::master));
    if (bridge != 0 && near(ports, MostPorts))
      check.troubles.push_back({cat(network.bridge, " has ", ports, " ports, and a bridge takes ",
                                    MostPorts, "; start the next on another"),
                                "mini-run --network mini1 PROGRAM"});
  }
  check_pool(kernel, check);
  const auto limit = [&](std::string_view what, std::uint64_t used, std::string_view key) {
    const auto most = sysctl_number(key);
    if (near(used, most))
      check.troubles.push_back(
          {cat(used, " of at most ", most, " ", what, " are in use (", key, ")"),
           cat("sysctl -w ", key, "=", most * 2)});
  };
  limit("known connections", sysctl_number("net.netfilter.nf_conntrack_count"),
        "net.netfilter.nf_conntrack_max");
  limit("neighbours", view_namespace().neighbours.size(), "net.ipv4.neigh.default.gc_thresh3");
  limit("descriptors", sysctl_number("fs.file-nr"), "fs.file-max");
  return check;
}

}  // namespace

std::vector<Check> check_network(std::string_view ruleset, const AddressOf& address_of) {
  // Longer than a start or an end of a container takes, and its lingering (tidy_up()).
  constexpr std::chrono::milliseconds Moment{300};
  auto present = look_at_state(address_of);
  if (has_leftovers(present)) {
    std::this_thread::sleep_for(Moment);
    present = look_at_state(address_of);
  }
  Kernel kernel(ruleset);
  return {check_networks(kernel, present), check_forwarding(kernel, present),
          check_firewall(kernel, present), check_routes(kernel, present),
          check_mtu(kernel, present),      check_leftovers(kernel, present),
          check_limits(kernel, present)};
}

}  // namespace netsetup
