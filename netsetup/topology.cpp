// SPDX-License-Identifier: MIT
#include "netsetup/topology.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <memory>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "netsetup/netns_name.h"
#include "netsetup/rtnl.h"
#include "netsetup/view.h"
#include "netsetup/visit.h"

namespace netsetup {

using base::cat;

namespace {

/// Where a network namespace can be opened, and what it is called there.
struct Place {
  std::string path;
  ino_t inode = 0;
  std::string name;
  bool named = false;  // by somebody, in /run/netns
};

/// Not valid where there is no network namespace (any more).
base::UniqueFd open_namespace(const std::string& path) {
  base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (fd.valid() && ::ioctl(fd.get(), NS_GET_NSTYPE) != CLONE_NEWNET) fd.reset();
  return fd;
}

ino_t inode_of(const base::UniqueFd& fd) {
  struct stat status {};
  base::check(::fstat(fd.get(), &status), "look at a network namespace");
  return status.st_ino;
}

/// PLACE's namespace; not valid where that has gone, and something else may have its path.
base::UniqueFd open_again(const Place& place) {
  auto fd = open_namespace(place.path);
  if (fd.valid() && inode_of(fd) != place.inode) fd.reset();
  return fd;
}

std::vector<std::string> names_in(const char* directory) {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(::opendir(directory), ::closedir);
  while (const dirent* entry = listing ? ::readdir(listing.get()) : nullptr)
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  std::ranges::sort(names);
  return names;
}

/// What a process calls itself: proc_pid_comm(5).
std::string name_of(pid_t pid) {
  std::string comm;
  try {
    comm = base::read_file(cat("/proc/", pid, "/comm")).value_or("");
  } catch (const base::Error&) {
    // It has just ended.
  }
  return base::printable(cat(comm.substr(0, comm.find('\n')), " (", pid, ")"));
}

/// This one first, those with a name, then those that a process has: of the oldest process.
std::vector<Place> find_places() {
  std::vector<Place> places;
  std::map<ino_t, std::size_t> known;
  const auto add = [&](const std::string& path) -> Place* {
    const auto fd = open_namespace(path);
    if (!fd.valid()) return nullptr;
    const auto [at, fresh] = known.try_emplace(inode_of(fd), places.size());
    if (fresh) places.push_back({path, at->first, "", false});
    return &places[at->second];
  };
  if (auto* own = add("/proc/self/ns/net")) own->name = "host";
  for (const auto& name : names_in(netns_name::Directory)) {
    auto* place = add(cat(netns_name::Directory, "/", name));
    if (place == nullptr || place->named) continue;
    place->named = true;  // the own one may have a name, too
    place->name = base::printable(name);
  }
  std::vector<pid_t> pids;
  for (const auto& name : names_in("/proc"))
    if (const auto pid = base::parse_number<pid_t>(name)) pids.push_back(*pid);
  std::ranges::sort(pids);
  for (const auto pid : pids)
    if (auto* place = add(cat("/proc/", pid, "/ns/net")); place != nullptr && place->name.empty())
      place->name = name_of(pid);
  return places;
}

/// What a veth's other end is, as its own namespace says it.
struct Hint {
  Topology::End own;
  unsigned peer = 0;
  std::optional<int> netns;
  std::string alias;
};

Topology::Space read_space(const std::string& name, std::size_t number, std::vector<Hint>& hints) {
  const auto view = view_namespace();
  Topology::Space space{name, {}, translations()};
  for (const auto& link : view.links) {
    Topology::Device device{link.index,   base::printable(link.name),
                            link.kind,    link.mac.text(),
                            link.up,      {},
                            {},           link.master,
                            std::nullopt, false};
    for (const auto& address : view.addresses) {
      const auto cidr = Cidr::parse(address.text);
      if (address.device == link.name && cidr && !cidr->address.is_link_local())
        device.addresses.push_back(address.text);
    }
    for (const auto& route : view.routes)
      if (route.destination == "default" && route.device == link.name && route.gateway)
        device.gateways.push_back(*route.gateway);
    if (link.kind == "veth" && link.peer != 0)
      hints.push_back({{number, link.index}, link.peer, link.peer_netns, link.alias});
    space.devices.push_back(std::move(device));
  }
  std::ranges::sort(space.devices, {}, &Topology::Device::index);
  return space;
}

Topology::Device& device_of(Topology& topology, const Topology::End& end) {
  return *std::ranges::find(topology.spaces[end.space].devices, end.index,
                            &Topology::Device::index);
}

/// Plugs each veth of the namespace NUMBER in at its other end.
void join(Topology& topology, const std::vector<Place>& places, const std::vector<Hint>& hints,
          std::size_t number) {
  std::vector<const Hint*> open;
  for (const auto& hint : hints)
    if (hint.own.space == number && !device_of(topology, hint.own).peer) open.push_back(&hint);
  if (open.empty()) return;
  const auto here = open_again(places[number]);
  if (!here.valid()) return;
  std::optional<netlink::Socket> socket;
  visit_network(here.get(), [&] { socket.emplace(NETLINK_ROUTE); });
  std::map<std::size_t, std::optional<int>> ids;  // of other namespaces, in this one
  const auto id_of = [&](std::size_t other) {
    const auto [id, fresh] = ids.try_emplace(other);
    const auto fd = fresh ? open_again(places[other]) : base::UniqueFd();
    if (fd.valid()) id->second = rtnl::namespace_id(*socket, fd.get());
    return id->second;
  };
  std::multimap<std::pair<unsigned, unsigned>, const Hint*> by_indexes;
  for (const auto& hint : hints) by_indexes.emplace(std::pair(hint.own.index, hint.peer), &hint);
  for (const auto* mine : open) {
    auto& device = device_of(topology, mine->own);
    const auto [first, last] = by_indexes.equal_range({mine->peer, mine->own.index});
    const auto other = std::find_if(first, last, [&](const auto& each) {
      const auto& its = *each.second;
      if (!mine->netns) return its.own.space == number;
      return its.own.space != number && its.netns && id_of(its.own.space) == mine->netns;
    });
    device.peer_is_elsewhere = other == last;
    if (other == last) continue;
    device.peer = other->second->own;
    device_of(topology, other->second->own).peer = mine->own;
  }
}

/// Calls one that has no name what the alias of the other end of its cable says.
void name_by_alias(Topology& topology, const std::vector<Place>& places,
                   const std::vector<Hint>& hints) {
  for (const auto& hint : hints) {
    const auto peer = device_of(topology, hint.own).peer;
    if (peer && !hint.alias.empty() && peer->space != 0 && !places[peer->space].named)
      topology.spaces[peer->space].name = base::printable(hint.alias);
  }
}

/// Leaves out what neither has a name nor is joined to what is left in; the rest, by name.
Topology without_strangers(const Topology& topology, const std::vector<Place>& places) {
  std::set<std::size_t> stay;
  const auto add = [&](const auto& self, std::size_t number) -> void {
    if (!stay.insert(number).second) return;
    for (const auto& device : topology.spaces[number].devices)
      if (device.peer) self(self, device.peer->space);
  };
  for (std::size_t i = 0; i < places.size(); ++i)
    if (i == 0 || places[i].named) add(add, i);
  std::vector<std::size_t> order(stay.begin(), stay.end());
  std::sort(order.begin() + 1, order.end(), [&](std::size_t a, std::size_t b) {
    return topology.spaces[a].name < topology.spaces[b].name;
  });
  std::map<std::size_t, std::size_t> place;
  for (std::size_t i = 0; i < order.size(); ++i) place[order[i]] = i;
  Topology rest;
  for (const auto number : order) {
    rest.spaces.push_back(topology.spaces[number]);
    for (auto& device : rest.spaces.back().devices)
      if (device.peer) device.peer->space = place.at(device.peer->space);
  }
  return rest;
}

}  // namespace

const Topology::Device& Topology::device(const End& end) const {
  return *std::ranges::find(spaces[end.space].devices, end.index, &Device::index);
}

Topology look_around() {
  Topology topology;
  std::vector<Place> places;
  std::vector<Hint> hints;
  for (const auto& place : find_places()) {
    const auto fd = open_again(place);
    if (!fd.valid()) continue;  // it has gone
    visit_network(fd.get(), [&] {
      topology.spaces.push_back(read_space(place.name, topology.spaces.size(), hints));
    });
    places.push_back(place);
  }
  for (std::size_t i = 0; i < places.size(); ++i) join(topology, places, hints, i);
  name_by_alias(topology, places, hints);
  return without_strangers(topology, places);
}

}  // namespace netsetup
