// SPDX-License-Identifier: MIT
// Each noun of step.h, done and undone. Which kernel call a step is can be read off create().
#include "netsetup/kernel.h"

#include <fcntl.h>
#include <linux/netlink.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "base/say.h"
#include "base/text.h"
#include "netsetup/conntrack.h"
#include "netsetup/elements.h"
#include "netsetup/explain.h"
#include "netsetup/netns_name.h"
#include "netsetup/plan.h"
#include "netsetup/publish.h"
#include "netsetup/rtnl.h"
#include "netsetup/sysctl.h"
#include "netsetup/visit.h"

namespace netsetup {

using base::cat;
using base::check;
using base::Error;

namespace {

constexpr const char* MissingNft =
    "; does this kernel have CONFIG_NF_TABLES, CONFIG_NF_TABLES_INET, CONFIG_NFT_NAT, "
    "CONFIG_NFT_MASQ, CONFIG_NFT_FIB_INET (modprobe nf_tables)?";

/// What to look for where the kernel does not know a thing at all.
std::string_view missing_option(const Step& step, int error) {
  if (error != EOPNOTSUPP && error != EPROTONOSUPPORT && error != EAFNOSUPPORT) return {};
  return std::visit(
      Overloaded{
          [](const Bridge&) { return "; does this kernel have CONFIG_BRIDGE (modprobe bridge)?"; },
          [](const Veth&) { return "; does this kernel have CONFIG_VETH (modprobe veth)?"; },
          [](const RuleSet&) { return MissingNft; }, [](const auto&) { return ""; }},
      step.object);
}

}  // namespace

netlink::Socket& Kernel::host_route() {
  if (!host_route_) host_route_.emplace(NETLINK_ROUTE);
  return *host_route_;
}

nft::Socket& Kernel::nft() {
  if (nft_) return *nft_;
  try {
    return nft_.emplace();
  } catch (const Error& error) {
    if (error.code().value() != EPROTONOSUPPORT) throw;
    throw error.within("nf_tables", MissingNft);
  }
}

netlink::Socket& Kernel::route(Where where) {
  return where == Where::Host ? host_route() : container_route_.value();
}

void Kernel::enter_container(pid_t pid) {
  host_netns_ = base::open_or_throw("/proc/self/ns/net", O_RDONLY);
  container_netns_ = base::open_or_throw(cat("/proc/", pid, "/ns/net"), O_RDONLY);
  inside([this] { container_route_.emplace(NETLINK_ROUTE); });
}

void Kernel::leave_container() {
  container_route_.reset();
  container_netns_.reset();
}

void Kernel::inside(const std::function<void()>& function) {
  visit_network(container_netns_.get(), host_netns_.get(), lost_, function);
}

void Kernel::await_carrier(Where where, const std::string& link) {
  using namespace std::chrono_literals;
  const auto deadline = std::chrono::steady_clock::now() + 1s;
  while (std::chrono::steady_clock::now() < deadline) {
    const auto found = rtnl::find_link(route(where), link);
    if (!found || !found->up || found->operational) return;
    std::this_thread::sleep_for(1ms);
  }
}

unsigned Kernel::index_of(Where where, const std::string& link) {
  const auto index = rtnl::find_index(route(where), link);
  if (!index) throw Error(ENODEV, cat("interface ", link));
  return *index;
}

void Kernel::refuse_foreign_tables() {
  for (const auto family : nft::Families) {
    const auto table = nft().find_table(nft::TableName, family);
    if (table && table->comment != nft::TableComment)
      throw Error(cat("table ", family, " ", nft::TableName,
                      " exists and was not made by mini-run; rename it, or remove it with `nft "
                      "delete table ",
                      family, " ", nft::TableName, "`"));
  }
}

void Kernel::refuse_foreign(const Bridge& bridge) {
  const auto link = rtnl::find_link(host_route(), bridge.name);
  if (link && (link->kind != "bridge" || link->mac != bridge.mac))
    throw Error(cat("an interface ", bridge.name,
                    " exists and was not made by mini-run; choose another name with --network, or "
                    "remove it with `ip link delete ",
                    bridge.name, "`"));
}

std::optional<Step> Kernel::undo(const Step& step) {
  if (step.verb == Verb::Delete || step.where == Where::Container) return std::nullopt;
  const auto remove = [&](const auto& noun) -> std::optional<Step> {
    return Step{Verb::Delete, step.where, noun};
  };
  return std::visit(
      Overloaded{
          [&](const RuleSet& rules) {
            refuse_foreign_tables();
            return remove(rules);
          },
          [&](const Sysctl& sysctl) -> std::optional<Step> {
            const auto now = read_sysctl(sysctl.key);
            if (!now || *now == sysctl.value) return std::nullopt;
            const auto guard = sysctl.guard.empty() ? std::nullopt : read_sysctl(sysctl.guard);
            return Step{Verb::Create, step.where,
                        Sysctl{sysctl.key, *now, sysctl.value, sysctl.guard, guard.value_or("")}};
          },
          [&](const Bridge& bridge) {
            refuse_foreign(bridge);
            return remove(bridge);
          },
          [&](const NetnsDirectory& directory) {
            return netns_name::has_directory() ? std::nullopt : remove(directory);
          },
          [&](const Namespace& space) { return remove(space); },
          [&](const OpenedInterface& opened) { return remove(opened); },
          [&](const OpenedHost& opened) { return remove(opened); },
          [&](const LoopbackGate& gate) { return remove(gate); },
          [&](const NetworkRules& rules) { return remove(rules); },
          [&](const FirewallException& exception) { return remove(exception); },
          [&](const Publish& publish) { return remove(publish); },
          [&](const HostPorts& ports) { return remove(ports); },
          [&](const PortGuard& guard) { return remove(guard); },
          // Dies with its namespace, unless somebody holds that: then it is not left on the bridge.
          [&](const Veth& veth) { return remove(veth); },
          // The bridge's death takes its address along, the veth's death all that it has.
          [](const Port&) -> std::optional<Step> { return std::nullopt; },
          [](const Alias&) -> std::optional<Step> { return std::nullopt; },
          [](const Hairpin&) -> std::optional<Step> { return std::nullopt; },
          [](const Isolated&) -> std::optional<Step> { return std::nullopt; },
          [](const LoopbackRoute&) -> std::optional<Step> { return std::nullopt; },
          [](const LinkUp&) -> std::optional<Step> { return std::nullopt; },
          [](const Address&) -> std::optional<Step> { return std::nullopt; },
          [](const DefaultRoute&) -> std::optional<Step> { return std::nullopt; },
          [](const NameServer&) -> std::optional<Step> { return std::nullopt; },
          [](const Flows&) -> std::optional<Step> { return std::nullopt; },
      },
      step.object);
}

std::vector<OpenedInterface> Kernel::opened_interfaces() {
  std::vector<OpenedInterface> opened;
  for (const auto& element : nft().list("opened")) {
    const auto& key = element.key;
    const auto name = nft::interface_name(key);
    const auto link = rtnl::find_link(host_route(), name);
    // The second field of the key, behind the name's 16 bytes.
    const bool v4 = key.size() > 16 && key[16] == nft::field(Family::V4).room.front();
    opened.push_back({name, v4 ? Family::V4 : Family::V6, link && link->kind == "bridge"});
  }
  return opened;
}

void Kernel::execute(const Step& step) {
  // What is journalled is undone by the next mini-run, in the right place.
  if (lost_) throw Error("in the wrong network namespace: nothing is changed here");
  try {
    if (step.verb == Verb::Create)
      create(step);
    else
      remove(step);
  } catch (const Error& error) {
    const auto hint = missing_option(step, error.code().value());
    throw error.within(title(step), cat(" [", command(step, "NAME"), "]", hint));
  }
}

void Kernel::create(const Step& step) {
  auto& socket = route(step.where);
  const auto index = [&](const std::string& link) { return index_of(step.where, link); };
  std::visit(
      Overloaded{
          [&](const RuleSet&) {
            // Tables of our own that are left over, or damaged, go in the same transaction, so that
            // no packet passes between: undo() refuses another's.
            std::string text(ruleset_);
            for (const auto family : nft::Families)
              if (nft().find_table(nft::TableName, family))
                text.insert(0, cat("delete table ", family, " ", nft::TableName, "\n"));
            if (!nft::load_rules(text))
              base::say(
                  "this kernel has no CONFIG_NF_TABLES_BRIDGE: a container with --cap-add "
                  "NET_RAW is not kept from speaking in the name of its neighbours");
          },
          [&](const OpenedInterface& opened) { nft().add(elements(opened)); },
          [&](const OpenedHost& opened) { nft().add(elements(opened)); },
          [&](const LoopbackGate& gate) { nft().add(elements(gate)); },
          [&](const Sysctl& sysctl) {
            if (step.where == Where::Host)
              write_sysctl(sysctl);
            else
              inside([&] { write_sysctl(sysctl); });
          },
          [&](const Bridge& bridge) {
            if (!rtnl::find_link(socket, bridge.name))
              rtnl::create_bridge(socket, bridge.name, bridge.mac, bridge.mtu);
          },
          [&](const NetworkRules& rules) { nft().add(elements(rules)); },
          [&](const FirewallException& exception) { nft().add(exception); },
          [&](const NetnsDirectory&) { netns_name::make_directory(); },
          [&](const Namespace& space) { netns_name::add(space.name, space.pid); },
          [&](const Veth& veth) {
            rtnl::create_veth(socket, {veth.name, veth.mac}, {veth.peer, veth.peer_mac}, veth.mtu,
                              index(veth.bridge), container_netns_.get());
          },
          [&](const Port& port) { rtnl::set_master(socket, index(port.link), index(port.bridge)); },
          [&](const Alias& alias) { rtnl::set_alias(socket, index(alias.link), alias.text); },
          [&](const Hairpin& hairpin) { rtnl::set_hairpin(socket, index(hairpin.link)); },
          [&](const Isolated& port) { rtnl::set_isolated(socket, index(port.link)); },
          [&](const LinkUp& link) { rtnl::set_up(socket, index(link.link)); },
          [&](const Address& address) {
            rtnl::add_address(socket, index(address.link), address.cidr);
          },
          [&](const DefaultRoute& route) {
            rtnl::add_default_route(socket, index(route.link), route.gateway);
          },
          [&](const LoopbackRoute& route) {
            rtnl::add_loopback_route(socket, index(route.link), route.metric);
          },
          [&](const NameServer&) { inside([] { nft::Socket().add_name_server(); }); },
          [&](const PortGuard& port) { guard(port); },
          [&](const Publish& publish) { netsetup::publish(nft(), publish); },
          [&](const HostPorts& ports) { nft().add(elements(ports)); },
          [&](const Flows&) {},  // only ever deleted
      },
      step.object);
}

void Kernel::remove(const Step& step) {
  std::visit(Overloaded{
                 [&](const RuleSet&) {
                   for (const auto family : nft::Families) {
                     const auto table = nft().find_table(nft::TableName, family);
                     if (table && table->comment == nft::TableComment)
                       nft().delete_table(nft::TableName, family);
                   }
                 },
                 [&](const NetnsDirectory&) { netns_name::remove_directory(); },
                 [&](const Namespace& space) { netns_name::remove(space.name, space.pid); },
                 [&](const OpenedInterface& opened) { nft().remove(elements(opened)); },
                 [&](const OpenedHost& opened) { nft().remove(elements(opened)); },
                 [&](const LoopbackGate& gate) { nft().remove(elements(gate)); },
                 [&](const Bridge& bridge) {
                   const auto link = rtnl::find_link(host_route(), bridge.name);
                   if (link && link->kind == "bridge" && link->mac == bridge.mac)
                     rtnl::delete_link(host_route(), link->index);
                 },
                 [&](const NetworkRules& rules) { nft().remove(elements(rules)); },
                 [&](const FirewallException& exception) { nft().remove(exception); },
                 [&](const PortGuard& guard) { nft().remove(elements(guard)); },
                 [&](const Publish& publish) { unpublish(nft(), publish); },
                 [&](const HostPorts& ports) { nft().remove(elements(ports)); },
                 [&](const Veth& veth) { remove_veth(veth); },
                 [&](const Flows& flows) {
                   if (flows.address)
                     conntrack::forget_address(*flows.address);
                   else
                     conntrack::forget_udp_ports(flows.udp_ports);
                 },
                 // Never undone by themselves: see undo().
                 [](const auto&) {},
             },
             step.object);
}

void Kernel::remove_veth(const Veth& veth) {
  const auto link = rtnl::find_link(host_route(), veth.name);
  if (!link || link->kind != "veth" || link->mac != veth.mac) return;
  try {
    rtnl::delete_link(host_route(), link->index);
  } catch (const Error& error) {
    // The death of its namespace, on its way in the background, was quicker.
    if (error.code().value() != ENODEV) throw;
  }
}

void Kernel::write_sysctl(const Sysctl& sysctl) {
  if (!sysctl.ours.empty()) {  // an undo: only while what we wrote, and the guard, still stand
    if (read_sysctl(sysctl.key) != sysctl.ours) return;
    if (!sysctl.guard.empty() && read_sysctl(sysctl.guard) != sysctl.guard_value) return;
  }
  // A kernel without the key (IPv6 switched off, or too old) needs no switch, nor does one that is
  // set.
  const auto now = read_sysctl(sysctl.key);
  if (now && *now != sysctl.value) netsetup::write_sysctl(sysctl.key, sysctl.value);
}

void Kernel::guard(const PortGuard& guard) {
  try {
    nft().add(elements(guard));
  } catch (const Error& error) {
    // No such table: this kernel can have none, or somebody removed it, and repair.h puts it back.
    if (error.code().value() != ENOENT || nft().find_table(nft::TableName, "bridge")) throw;
  }
}

}  // namespace netsetup
