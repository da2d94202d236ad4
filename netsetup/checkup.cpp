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
#include "netsetup/networks.h"
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
  std::vector<Place> places;
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

void note_damaged(int directory, std::vector<std::string>& damaged) {
  for (const auto& file : entries(directory))
    if (file.ends_with(".damaged")) damaged.push_back(cat(base::path_of(directory), "/", file));
}

Present look_at_state(const PlacesOf& places_of) {
  Present present;
  present.state = State::peek();
  if (!present.state.valid()) return present;
  for (const auto& scope : entries(present.state.get())) {
    const auto directory = open_directory(present.state.get(), scope);
    if (!directory.valid()) continue;
    note_damaged(directory.get(), present.damaged);
    const auto up = Scope(present.state.get(), scope).peek();
    if (up && scope.starts_with(NetworkScopePrefix)) {
      if (auto network = described_network(*up))
        present.networks.push_back(*std::move(network));
      else
        present.unreadable.push_back(cat(base::path_of(directory.get()), "/up"));
    }
    if (scope != "containers") continue;
    for (const auto& name : entries(directory.get())) {
      const auto container = open_directory(directory.get(), name);
      if (!container.valid()) continue;
      if (!is_alive(container.get()))
        present.dead.push_back(name);
      else
        present.containers.push_back({name, places_of(container.get())});
    }
  }
  std::ranges::sort(present.networks, {}, &Network::bridge);
  std::ranges::sort(present.containers, {}, &Living::name);
  return present;
}

/// Who is on the network NAME, as arguments of a command.
std::string names_on(const std::string& name, const Present& present) {
  std::vector<std::string> names;
  for (const auto& container : present.containers)
    if (std::ranges::find(container.places, name, &Place::network) != container.places.end())
      names.push_back(container.name);
  return base::join(names, " ");
}

Check check_leftovers(Kernel& kernel, const Present& present) {
  Check check{"leftovers", "nothing is left of what has ended"};
  for (const auto& name : present.dead)
    check.troubles.push_back({cat("the mini-run of ", base::printable(name),
                                  " was killed; what it had made is still there"),
                              Repair});
  if (present.dead.empty() && present.containers.empty() && !present.networks.empty())
    check.troubles.push_back({"a network is still there, and nobody is on it", Repair});
  for (const auto& path : present.damaged)
    check.troubles.push_back({cat(path, " was set aside: somebody wrote into our files"),
                              cat("rm ", base::shell_quote(path))});
  for (const auto& path : present.unreadable)
    check.troubles.push_back({cat(path, " is damaged"), cat(Repair, "; rm ", path, ".damaged")});
  if (!present.unreadable.empty()) return check;  // what follows may belong to that
  const bool expected = !present.networks.empty();
  for (const auto family : nft::Families) {
    const auto table = kernel.nft().find_table(nft::TableName, family);
    if (table && (table->comment != nft::TableComment || !expected))
      check.troubles.push_back({cat("a table ", family, " ", nft::TableName,
                                    " is there, and no container of mini-run needs it"),
                                cat("nft delete table ", family, " ", nft::TableName)});
  }
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
  if (!link || link->mac != bridge_mac(network))
    return cat("the bridge ", network.bridge, " is gone, or another's");
  if (!link->up) return cat("the bridge ", network.bridge, " is down");
  const auto addresses = rtnl::addresses(kernel.host_route());
  for (const auto& gateway : network.gateways)
    if (std::ranges::none_of(addresses, [&](const auto& address) {
          return address.index == link->index && address.cidr.address == gateway.address;
        }))
      return cat("the bridge ", network.bridge, " has lost its address ", gateway.address.text());
  return std::nullopt;
}

Check check_networks(Kernel& kernel, const Present& present) {
  Check check{"network", present.networks.empty() ? "no network is up, as no container runs"
                                                  : "rules and bridges are as they should be"};
  if (present.networks.empty()) return check;
  const auto shape = Scope(present.state.get(), "host").peek();
  if (shape && kernel.nft().shape() != *shape)
    check.troubles.push_back(
        {cat("the rules (tables ", nft::TableName, ") are gone, or somebody changed them"),
         Repair});
  for (const auto& network : present.networks)
    if (const auto part = broken_part(kernel, network)) check.troubles.push_back({*part, Repair});
  return check;
}

Check check_forwarding(Kernel& kernel, const Present& present) {
  Check check{"forwarding", present.networks.empty()
                                ? "switched on with the first container, per interface"
                                : "on where it has to be"};
  std::vector<std::string> keys;
  for (const auto& network : present.networks)
    keys.push_back(interface_sysctl("ipv4", network.bridge, "forwarding"));
  if (!keys.empty())
    for (const auto& opened : kernel.opened_interfaces())
      keys.push_back(opened.family == Family::V4
                         ? interface_sysctl("ipv4", opened.name, "forwarding")
                         : interface_sysctl("ipv6", opened.name, "force_forwarding"));
  for (const auto& key : keys)
    if (read_sysctl(key) == "0")
      check.troubles.push_back({cat("somebody switched forwarding off: ", key), Repair});
  return check;
}

/// The one that the next start would make.
Network next_network(Kernel& kernel) {
  NetworkSpec spec;
  spec.bridge = "mini0";
  try {
    return choose_network(kernel, spec);
  } catch (const base::Error&) {
    return {spec.bridge, {}};  // check_limits() says why
  }
}

Check check_firewall(Kernel& kernel, const Present& present) {
  Check check{"firewall", "no other firewall drops what is forwarded to and from containers"};
  for (const auto& network : present.networks)
    if (!exception_plan(kernel, network).empty())
      check.troubles.push_back({cat("another firewall drops what is forwarded for ", network.bridge,
                                    ", and our exception is not in its chain"),
                                Repair});
  auto networks = present.networks;
  if (networks.empty()) networks.push_back(next_network(kernel));
  for (const auto& network : networks)
    for (const auto& trouble : foreign_drops(kernel, network)) check.troubles.push_back(trouble);
  return check;
}

/// The index of the interface that ADDRESS is reached by: ip route get ADDRESS.
std::optional<unsigned> way_to(netlink::Socket& socket, const Ip& address) {
  netlink::Message message(RTM_GETROUTE, 0);
  auto& info = message.extra_header<rtmsg>();
  info.rtm_family = address.family == Family::V4 ? AF_INET : AF_INET6;
  info.rtm_dst_len = static_cast<std::uint8_t>(address.bits());
  message.put_bytes(RTA_DST, address.wire());
  std::optional<unsigned> index;
  static_cast<void>(socket.ask(message, [&](const nlmsghdr* reply) {
    if (reply->nlmsg_type != RTM_NEWROUTE) return;
    if (const auto* out = netlink::Attributes(reply, sizeof(rtmsg)).find(RTA_OIF))
      index = netlink::value_u32(out);
  }));
  return index;
}

/// What a route of somebody else takes of NETWORK, whose bridge has the index BRIDGE: a part of a
/// subnet, or, where another table is asked first, a container's address. And the interface.
std::optional<rtnl::Route> thief(netlink::Socket& socket, const Network& network, unsigned bridge,
                                 const std::vector<Living>& containers) {
  for (const auto& route : rtnl::routes(socket))
    for (const auto& gateway : network.gateways)
      if (route.link != 0 && route.link != bridge && route.destination.prefix >= gateway.prefix &&
          route.destination.overlaps(gateway))
        return route;
  for (const auto& container : containers)
    for (const auto& place : container.places)
      for (const auto& address : place.addresses)
        if (const auto way = way_to(socket, address);
            place.network == network.bridge && way && *way != bridge)
          return rtnl::Route{{address, address.bits()}, *way};
  return std::nullopt;
}

/// A route that came later takes what is for a network.
Check check_routes(Kernel& kernel, const Present& present) {
  Check check{"routes", "no route takes what is for a container"};
  auto& socket = kernel.host_route();
  for (const auto& network : present.networks) {
    if (broken_part(kernel, network)) continue;  // its own route went with what it lacks
    const auto bridge = rtnl::find_index(socket, network.bridge).value_or(0);
    const auto route = thief(socket, network, bridge, present.containers);
    if (!route) continue;
    check.troubles.push_back(
        {cat("the route to ", route->destination.text(), " by ",
             rtnl::find_name(socket, route->link).value_or("?"), " takes what is for ",
             network.bridge,
             "; once its containers have ended, the next start chooses another subnet"),
         cat("minictl stop ", names_on(network.bridge, present))});
  }
  return check;
}

Check check_mtu(Kernel& kernel, const Present& present) {
  Check check{"mtu", "the way out takes packets as large as the bridge's"};
  auto& socket = kernel.host_route();
  const auto out = rtnl::way_out_mtu(socket);
  for (const auto& network : present.networks) {
    const auto bridge = rtnl::find_link(socket, network.bridge);
    if (!out || !bridge || bridge->mtu <= *out) continue;
    std::string command = cat("ip link set ", network.bridge, " mtu ", *out);
    for (const auto& container : present.containers)
      for (const auto& place : container.places)
        if (place.network == network.bridge)
          command += cat("; ip -n ", container.name, " link set ", place.link, " mtu ", *out);
    check.troubles.push_back(
        {cat("the way out takes packets of ", *out, " bytes, and ", network.bridge, " has ",
             bridge->mtu, ": larger ones get lost where nobody says so"),
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
  const Cidr pool{Ip::v4(0x0ad20000), 16};
  const auto taken = rtnl::route_destinations(kernel.host_route());
  if (choose_subnet(SubnetPrefix, taken)) return;
  const auto first = std::ranges::find_if(
      taken, [&](const Cidr& cidr) { return cidr.prefix >= pool.prefix && pool.overlaps(cidr); });
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

std::vector<Check> check_network(std::string_view ruleset, const PlacesOf& places_of) {
  // Longer than a start or an end of a container takes, and its lingering (tidy_up()).
  constexpr std::chrono::milliseconds Moment{300};
  Kernel kernel(ruleset);
  auto present = look_at_state(places_of);
  if (!check_leftovers(kernel, present).troubles.empty()) {
    std::this_thread::sleep_for(Moment);
    present = look_at_state(places_of);
  }
  return {check_networks(kernel, present), check_forwarding(kernel, present),
          check_firewall(kernel, present), check_routes(kernel, present),
          check_mtu(kernel, present),      check_leftovers(kernel, present),
          check_limits(kernel, present)};
}

}  // namespace netsetup
