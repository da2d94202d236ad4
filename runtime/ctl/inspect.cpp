// SPDX-License-Identifier: MIT
// All that is known of a container: its record, and what the kernel says of it now.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "netsetup/json.h"
#include "netsetup/view.h"
#include "netsetup/visit.h"
#include "runtime/ctl/commands.h"
#include "runtime/ctl/containers.h"
#include "runtime/ctl/table.h"

namespace runtime::ctl {

using base::cat;
using nlohmann::json;

namespace {

json interfaces(const netsetup::NamespaceView& view) {
  json all = json::array();
  for (const auto& link : view.links) {
    json addresses = json::array();
    for (const auto& address : view.addresses)
      if (address.device == link.name) addresses.push_back(address.text);
    all.push_back({{"name", link.name},
                   {"mac", link.mac},
                   {"mtu", link.mtu},
                   {"up", link.up},
                   {"addresses", addresses}});
  }
  return all;
}

json routes(const netsetup::NamespaceView& view) {
  json all = json::array();
  for (const auto& route : view.routes) {
    json one = {{"to", route.destination}, {"ipv6", route.ipv6}};
    if (route.gateway) one["via"] = *route.gateway;
    if (route.device) one["dev"] = *route.device;
    if (route.source) one["src"] = *route.source;
    all.push_back(std::move(one));
  }
  return all;
}

json neighbours(const netsetup::NamespaceView& view) {
  json all = json::array();
  for (const auto& each : view.neighbours)
    all.push_back({{"address", each.address},
                   {"mac", each.mac ? json(*each.mac) : json()},
                   {"dev", each.device},
                   {"state", each.state}});
  return all;
}

json namespaces(pid_t pid) {
  json all = json::object();
  for (const char* kind : {"net", "mnt", "pid", "uts", "ipc", "cgroup"}) {
    struct stat space {};
    if (::stat(cat("/proc/", pid, "/ns/", kind).c_str(), &space) == 0) all[kind] = space.st_ino;
  }
  return all;
}

/// Lines "TARGET TYPE OPTIONS", as the container's process 1 has them: proc_pid_mountinfo(5).
json mounts(pid_t pid) {
  json all = json::array();
  const auto file = base::open_or_throw(cat("/proc/", pid, "/mountinfo"), O_RDONLY);
  const std::string text = base::read_all(file.get(), std::size_t{16} << 20U);
  for (const auto line : base::split(text, '\n')) {
    const auto fields = base::split(line, ' ');
    for (std::size_t i = 6; i + 1 < fields.size(); ++i) {
      if (fields[i] != "-") continue;
      all.push_back({{"target", fields[4]}, {"type", fields[i + 1]}, {"options", fields[5]}});
      break;
    }
  }
  return all;
}

json networks(const Description& known) {
  json all = json::array();
  for (const auto& network : known.networks)
    all.push_back({{"network", network.network},
                   {"link", network.link},
                   {"addresses", network.addresses},
                   {"gateways", network.gateways},
                   {"mac", network.mac},
                   {"veth", network.veth}});
  return all;
}

/// Who is seen with which address by a server in the container: what the rules do
/// (configs/ruleset.nft, chain postrouting), for the addresses that its ports are published on.
json clients(const Description& known) {
  bool loopback = false;  // a port is reached at the host's loopback
  bool outside = false;   // at another address
  for (const auto& port : known.ports) {
    const bool any = port.on_any_address();
    const bool local = !any && port.host_address->is_loopback();
    loopback = loopback || any || local;
    outside = outside || !local;
  }
  if (known.networks.empty()) return json::array();
  const auto& first = known.networks.front();
  std::vector<std::string> gateways;
  for (const auto& address : first.gateways) gateways.push_back(address.text());
  const std::string gateway = base::join(gateways, " or ");
  json all = json::array();
  const auto add = [&all](const char* client, const std::string& seen_as) {
    all.push_back({{"client", client}, {"seen_as", seen_as}});
  };
  if (outside) {
    add("a client beyond the host", "its own address");
    add("the host, by an address of its own", "that address");
  }
  if (loopback) add("the host, by 127.0.0.1, [::1] or localhost", gateway);
  if (outside) {
    add("a neighbour on the network, by the host's port", gateway);
    add("the container itself, by the host's port", gateway);
  }
  add("the host, by the container's address", gateway);
  add("a neighbour, by the container's address", "its own address");
  return all;
}

json describe(const Container& container) {
  const Description& known = container.description;
  if (!container.described) {
    json j = {{"name", container.name}, {"running", container.running}};
    if (container.end) j["exit_status"] = container.end->status;
    return j;
  }
  json j = {{"name", container.name},
            {"running", container.running},
            {"command", known.command},
            {"created", known.created},
            {"detached", known.detached},
            {"hostname", known.hostname},
            {"aliases", known.aliases},
            {"user", known.user.empty() ? "root" : known.user},
            {"workdir", known.workdir.empty() ? "/" : known.workdir},
            {"root", known.rootfs.empty() ? "the host's, copy-on-write" : known.rootfs},
            {"networks", networks(known)},
            {"limits", {{"scratch_bytes", known.scratch_bytes}, {"log_bytes", known.log_bytes}}},
            {"seccomp", known.seccomp}};
  if (container.end) j["exit_status"] = container.end->status;
  if (!container.running) return j;
  const auto init = open_init(container);
  netsetup::NamespaceView view;
  netsetup::visit_network(init.get(), [&] { view = netsetup::view_namespace(); });
  j["pid"] = known.init;
  j["supervisor"] = known.supervisor;
  j["ports"] = known.ports;
  j["interfaces"] = interfaces(view);
  j["routes"] = routes(view);
  j["neighbours"] = neighbours(view);
  j["namespaces"] = namespaces(known.init);
  j["mounts"] = mounts(known.init);
  j["clients"] = clients(known);
  return j;
}

/// VALUE for a reader: a text without quotes, a list by its elements, an object by its parts.
std::string plain(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_array() && !value.empty() && value.front().is_string())
    return base::join(value.get<std::vector<std::string>>(), " ");
  if (!value.is_object()) return value.dump(-1, ' ', false, json::error_handler_t::replace);
  std::vector<std::string> parts;
  for (const auto& [name, part] : value.items()) parts.push_back(cat(name, " ", plain(part)));
  return base::join(parts, ", ");
}

/// TEXT in pieces of at most WIDTH characters, cut where a blank is, if one is (0: one piece).
std::vector<std::string> folded(std::string text, std::size_t width) {
  std::vector<std::string> lines;
  while (width != 0 && text.size() > width) {
    const auto blank = text.rfind(' ', width);
    const auto cut = blank == std::string::npos || blank == 0 ? width : blank;
    lines.push_back(text.substr(0, cut));
    text.erase(0, text.find_first_not_of(' ', cut));
  }
  lines.push_back(std::move(text));
  return lines;
}

/// One line a key; of lists of objects one line an object, its values side by side. What is longer
/// than WIDTH, the terminal's, goes on below.
std::string text_of(const json& description, std::size_t width) {
  constexpr std::size_t KeyWidth = 14;  // of the longest key and the gap
  constexpr std::size_t Least = 20;
  const std::size_t room = width == 0 ? 0 : std::max(width, KeyWidth + Least) - KeyWidth;
  std::vector<std::vector<std::string>> rows;
  const auto add = [&](std::string key, const std::string& value) {
    for (auto& line : folded(base::printable(value), room)) {
      rows.push_back({std::move(key), std::move(line)});
      key.clear();
    }
  };
  for (const auto& [key, value] : description.items()) {
    if (!value.is_array() || value.empty() || !value.front().is_object()) {
      add(key, plain(value));
      continue;
    }
    std::string head = key;
    for (const auto& element : value) {
      add(head, plain(element));
      head.clear();
    }
  }
  return table(rows, 0);
}

}  // namespace

int inspect(const Names& names, bool as_json) {
  json all = json::array();
  std::string text;
  const int status = for_each(names, [&](const Container& container) {
    const json description = describe(container);
    text += (text.empty() ? "" : "\n") + text_of(description, terminal_width());
    all.push_back(description);
  });
  if (as_json)
    print_json(all);
  else
    print(text);
  return status;
}

}  // namespace runtime::ctl
