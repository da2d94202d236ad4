// SPDX-License-Identifier: MIT
#include "netsetup/container_network.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/test_point.h"
#include "base/text.h"
#include "netsetup/networks.h"
#include "netsetup/port_owner.h"
#include "netsetup/repair.h"
#include "netsetup/rtnl.h"
#include "netsetup/sweep.h"
#include "netsetup/sysctl.h"

namespace netsetup {

using base::cat;
using base::Error;

namespace {

constexpr unsigned SubnetPrefix = 22;  // as many addresses as a Linux bridge has ports (1023)

/// Interfaces with an address that do not forward: outside traffic comes in by one of them.
std::vector<OpenedInterface> closed_interfaces(Kernel& kernel) {
  auto& socket = kernel.host_route();
  std::set<unsigned> indexes;  // not of all links: there is one for each container
  for (const auto& address : rtnl::addresses(socket)) indexes.insert(address.index);
  std::vector<OpenedInterface> closed;
  for (const unsigned index : indexes) {
    const auto name = rtnl::find_name(socket, index);
    if (!name || name == "lo" || read_sysctl(interface_sysctl("ipv4", *name, "forwarding")) != "0")
      continue;
    const auto link = rtnl::find_link(socket, *name);
    closed.push_back({*name, link && link->kind == "bridge"});
  }
  return closed;
}

Network choose_network(Kernel& kernel, const std::string& bridge) {
  auto taken = rtnl::route_destinations(kernel.host_route());
  for (const auto& address : rtnl::addresses(kernel.host_route())) taken.push_back(address.cidr);
  const auto subnet = choose_subnet(SubnetPrefix, taken);
  if (!subnet)
    throw Error(
        "no subnet is free for the bridge: addresses and routes of this host cover "
        "10.210.0.0/16, 172.30.0.0/16, 192.168.192.0/18 and 198.18.0.0/15 (see `ip route`)");
  return {bridge, *subnet};
}

/// bind(2) takes more than the host's own addresses: broadcast, multicast, any with
/// ip_nonlocal_bind.
void check_addresses(Kernel& kernel, const std::vector<PublishedPort>& ports) {
  for (const auto& port : ports) {
    if (!port.host_address || port.host_address->is_loopback()) continue;
    const auto own = rtnl::addresses(kernel.host_route());
    if (std::none_of(own.begin(), own.end(), [&](const auto& address) {
          return address.cidr.address == *port.host_address;
        }))
      throw Error(cat("publish port ", port.host_port, " of ", port.host_address->text(),
                      ": no interface of this host has that address (see `ip address`)"));
  }
}

void apply_all(Kernel& kernel, Journal& journal, const Observer& observer,
               const std::vector<Step>& plan) {
  Transaction transaction(kernel, journal, observer);
  for (const auto& step : plan) transaction.apply(step);
  transaction.commit();
}

void collect(std::vector<std::string>& all, const std::vector<std::string>& more) {
  all.insert(all.end(), more.begin(), more.end());
}

/// What is left of networks whose last container was killed, or is ours.
std::vector<std::string> leave_other_networks(const State& state, Kernel& kernel) {
  std::vector<std::string> failures;
  for (const auto& name : entries(state.fd())) {
    if (name.starts_with(NetworkScopePrefix))
      collect(failures, Scope(state.fd(), name).leave(kernel));
  }
  return failures;
}

/// One that the kernel might choose for PORT, whose host port is 0, when it is bound.
std::uint16_t free_port(PublishedPort port) {
  constexpr std::uint16_t First = 32768;  // of net.ipv4.ip_local_port_range
  for (port.host_port = First; port.host_port != 0; ++port.host_port)
    if (taken_ports({port}).empty()) return port.host_port;
  throw Error("no port is free for -p 0");
}

}  // namespace

ContainerNetwork::ContainerNetwork(NetworkRequest request, Observer observer)
    : request_(std::move(request)),
      observer_(std::move(observer)),
      kernel_(request_.ruleset),
      host_scope_(state_.fd(), "host"),
      network_scope_(state_.fd(), cat(NetworkScopePrefix, request_.bridge)) {
  try {
    check_addresses(kernel_, request_.ports);
    record_.emplace(state_, request_.name, request_.name_made_up, kernel_);
    request_.name = record_->name();
    reservation_.emplace(request_.ports, publisher());
  } catch (...) {
    record_.reset();
    state_.remove_if_unused();
    throw;
  }
}

Reservation::Publisher ContainerNetwork::publisher() const {
  return [this](const PublishedPort& port) { return publisher_of(state_, port); };
}

ContainerNetwork::~ContainerNetwork() {
  disconnect();
  release();
  leave();
}

void ContainerNetwork::join() {
  const auto mend = [this] { repair(kernel_, state_); };
  host_scope_.join(
      kernel_,
      [this](Journal& journal) {
        apply_all(kernel_, journal, observer_, host_plan(closed_interfaces(kernel_)));
        note_built(host_scope_.directory());
        return kernel_.nft().shape();
      },
      [this](const std::string&) {
        const auto table = kernel_.nft().find_table();
        return table && table->comment == nft::TableComment;
      },
      mend);
  const std::string& bridge = request_.bridge;
  const std::string scope = cat(NetworkScopePrefix, bridge);
  const std::string subnet = network_scope_.join(
      kernel_,
      [&](Journal& journal) {
        const Network network = choose_network(kernel_, bridge);
        apply_all(kernel_, journal, observer_, network_plan(network));
        return network.subnet.text();
      },
      [&](const std::string& up) {
        const auto mac = rtnl::find_mac(kernel_.host_route(), bridge);
        return mac && *mac == mac_of(network_of(state_.fd(), scope, up).gateway());
      },
      mend);
  if (!described_network(scope, subnet)) mend();
  network_ = network_of(state_.fd(), scope, subnet);
  lease_ = Lease::take(network_scope_.directory(), network_.subnet);
}

void ContainerNetwork::connect(pid_t pid) {
  kernel_.enter_container(pid);
  pid_ = pid;
  const Endpoint endpoint{request_.name, pid, veth(), address(), request_.ports};
  Journal& journal = record_->journal();
  journal.append({Verb::Delete, Where::Host, Flows{address(), 0}});
  apply_all(kernel_, journal, observer_, container_plan(network_, endpoint));
  kernel_.await_carrier(Where::Container, "eth0");
  kernel_.await_carrier(Where::Host, veth());
  kernel_.await_carrier(Where::Host, network_.bridge);
}

std::vector<PublishedPort> ContainerNetwork::publish(std::vector<PublishedPort> ports) {
  check_addresses(kernel_, ports);
  reservation_->add(ports, publisher());
  try {
    apply_all(kernel_, record_->journal(), observer_,
              publish_plan({request_.name, pid_, veth(), address(), ports}));
  } catch (const Error&) {
    for (const auto& port : ports) reservation_->release(port);
    throw;
  }
  request_.ports.insert(request_.ports.end(), ports.begin(), ports.end());
  return ports;
}

void ContainerNetwork::unpublish(const PublishedPort& port) {
  const Turn turn(record_->journal());
  kernel_.execute({Verb::Delete, Where::Host, Publish{request_.name, address(), {port}}});
  std::vector<PublishedPort> rest = request_.ports;
  std::erase(rest, port);
  std::optional<Step> remaining;
  if (!rest.empty())
    remaining = Step{Verb::Delete, Where::Host, Publish{request_.name, address(), rest}};
  record_->journal().replace(
      [](const Step& step) { return std::holds_alternative<Publish>(step.object); }, remaining);
  if (port.protocol == Protocol::Udp)
    kernel_.execute({Verb::Delete, Where::Host, Flows{std::nullopt, port.host_port}});
  reservation_->release(port);
  request_.ports = std::move(rest);
}

Watch ContainerNetwork::watch() {
  const auto index = [&](const std::string& link) {
    return rtnl::find_index(kernel_.host_route(), link).value_or(0);
  };
  return {index(request_.bridge), index(veth())};
}

void ContainerNetwork::mend() {
  repair(kernel_, state_);
  open_late_interfaces();
}

pid_t ContainerNetwork::hold_flows() {
  const auto holder = static_cast<pid_t>(kernel_.nft().hold_flows());
  holds_flows_ = holder == ::getpid();
  return holder;
}

void ContainerNetwork::inside(const std::function<void()>& function) { kernel_.inside(function); }

void ContainerNetwork::disconnect() noexcept {
  if (!record_) return;
  try {
    const Turn turn(record_->journal());
    if (lease_) {
      kernel_.execute({Verb::Delete, Where::Host, Namespace{request_.name, pid_}});
      base::test_point("unnamed");
      kernel_.execute(
          {Verb::Delete, Where::Host, Publish{request_.name, address(), request_.ports}});
    }
    base::test_point("unpublished");
    record_->remove();
    base::test_point("record removed");
  } catch (const std::exception&) {
    return;  // the journal stays: whoever comes next undoes it
  }
  record_.reset();
  reservation_.reset();
}

void ContainerNetwork::release() noexcept {
  // In the journal too, until the record went: an error here has nobody to be told.
  if (lease_) undo_all(kernel_, {{Verb::Delete, Where::Host, Flows{address(), 0}}});
  try {
    if (holds_flows_) kernel_.nft().release_flows();
  } catch (const std::exception&) {
    // Then our end does it.
  }
  kernel_.leave_container();
  lease_.reset();
}

std::vector<std::string> ContainerNetwork::leave() noexcept {
  std::vector<std::string> failures;
  try {
    // One that was killed the moment before we came may have looked alive then: its process 1 has
    // its locks, too, until it begins.
    sweep_containers(state_, kernel_);
  } catch (const Error& error) {
    failures.emplace_back(error.what());
  }
  collect(failures, network_scope_.leave(kernel_));
  collect(failures, leave_other_networks(state_, kernel_));
  collect(failures, host_scope_.leave(kernel_));
  state_.remove_if_unused();
  return failures;
}

std::vector<std::string> sweep(std::string_view ruleset) {
  if (!State::peek().valid()) return {};
  const State state;
  Kernel kernel(ruleset);
  sweep_containers(state, kernel);
  auto failures = leave_other_networks(state, kernel);
  collect(failures, Scope(state.fd(), "host").leave(kernel));
  state.remove_if_unused();
  return failures;
}

void ContainerNetwork::open_late_interfaces() {
  const auto late = closed_interfaces(kernel_);
  if (late.empty()) return;
  Journal journal(host_scope_.directory());
  auto plan = host_plan(late);
  // The rest of the host's share is there.
  std::erase_if(plan, [](const Step& step) {
    return std::holds_alternative<RuleSet>(step.object) ||
           std::holds_alternative<NetnsDirectory>(step.object);
  });
  apply_all(kernel_, journal, observer_, plan);
}

std::vector<std::string> ContainerNetwork::foreign_drops() {
  std::vector<std::string> lines;
  const std::string& bridge = request_.bridge;
  for (const auto& chain : kernel_.nft().dropping_forward_chains(bridge)) {
    if (chain.names_interface) continue;  // there is an exception for us already
    std::string remedy = cat("nft insert rule ", chain.family, " ", chain.table, " ", chain.chain,
                             " iifname ", bridge, " accept; nft insert rule ", chain.family, " ",
                             chain.table, " ", chain.chain, " oifname ", bridge, " accept");
    if (chain.docker_user)
      remedy = cat("iptables -I DOCKER-USER -i ", bridge, " -j ACCEPT; iptables -I DOCKER-USER -o ",
                   bridge, " -j ACCEPT");
    else if (chain.ufw)
      remedy = cat("ufw route allow in on ", bridge, "; ufw route allow out on ", bridge);
    lines.push_back(
        cat("the chain ", chain.family, " ", chain.table, " ", chain.chain,
            " drops what is forwarded, also to and from this container; mend it with: ", remedy));
  }
  return lines;
}

Network network_of(int state, const std::string& name, const std::string& up) {
  if (auto described = described_network(name, up)) return *std::move(described);
  const auto directory = base::open_or_throw(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, state);
  for (const auto& step : Journal(directory.get()).read())
    if (const auto* rules = std::get_if<NetworkRules>(&step.object))
      return {rules->bridge, rules->subnet};
  throw Error(cat("neither up nor journal of ", name,
                  " in /run/mini-run tells the network's subnet; end its containers first"));
}

std::vector<Network> networks() {
  std::vector<Network> found;
  const auto state = State::peek();
  if (!state.valid()) return found;
  for (const auto& name : entries(state.get())) {
    if (!name.starts_with(NetworkScopePrefix)) continue;
    if (const auto up = Scope(state.get(), name).peek())
      found.push_back(network_of(state.get(), name, *up));
  }
  std::ranges::sort(found, {}, &Network::bridge);
  return found;
}

std::vector<Step> preview(NetworkRequest request) {
  Kernel kernel(request.ruleset);
  for (auto& port : request.ports)
    if (port.host_port == 0) port.host_port = free_port(port);
  check_addresses(kernel, request.ports);
  if (const auto taken = taken_ports(request.ports); !taken.empty())
    throw Error(cat("port ", taken.front().host_port, "/", text(taken.front().protocol),
                    " is taken: ", port_owner(taken.front()).value_or("somebody"), " has it"));
  const auto state = State::peek();
  std::vector<Step> plan;
  const auto append = [&](const std::vector<Step>& steps) {
    plan.insert(plan.end(), steps.begin(), steps.end());
  };
  if (!state.valid() || !Scope(state.get(), "host").peek())
    append(host_plan(closed_interfaces(kernel)));
  std::optional<std::string> up;
  const std::string scope = cat(NetworkScopePrefix, request.bridge);
  if (state.valid()) up = Scope(state.get(), scope).peek();
  Network network;
  if (up) {
    network = network_of(state.get(), scope, *up);
  } else {
    network = choose_network(kernel, request.bridge);
    append(network_plan(network));
  }
  // What would be refused is refused here too: undo() looks, and changes nothing.
  for (const auto& step : plan) static_cast<void>(kernel.undo(step));
  const base::UniqueFd directory(
      state.valid()
          ? ::openat(state.get(), scope.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
          : -1);
  append(container_plan(network, {request.name, 0, veth_name(request.run),
                                  Lease::preview(directory.get(), network.subnet), request.ports}));
  return plan;
}

}  // namespace netsetup
