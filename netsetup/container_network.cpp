// SPDX-License-Identifier: MIT
#include "netsetup/container_network.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/test_point.h"
#include "base/text.h"
#include "netsetup/networks.h"
#include "netsetup/port_owner.h"
#include "netsetup/publish.h"
#include "netsetup/published.h"
#include "netsetup/repair.h"
#include "netsetup/rtnl.h"
#include "netsetup/sweep.h"
#include "netsetup/sysctl.h"

namespace netsetup {

using base::cat;
using base::Error;

namespace {

/// What is left of networks whose last container was killed, or is ours.
std::vector<std::string> leave_other_networks(const State& state, Kernel& kernel) {
  std::vector<std::string> failures;
  for (const auto& name : entries(state.fd())) {
    if (name.starts_with(NetworkScopePrefix))
      collect(failures, Scope(state.fd(), name).leave(kernel));
  }
  return failures;
}

}  // namespace

ContainerNetwork::ContainerNetwork(NetworkRequest request, Observer observer)
    : request_(std::move(request)),
      observer_(std::move(observer)),
      kernel_(request_.ruleset),
      host_scope_(state_.fd(), "host") {
  for (const auto& network : request_.networks)
    attachments_.emplace_back(state_.fd(), network, request_.run, attachments_.size());
  try {
    if (!request_.networks.empty()) complete(request_.ports, request_.networks.front().network);
    check_addresses(kernel_, request_.ports);
    record_.emplace(state_, request_.name, request_.name_made_up, kernel_);
    request_.name = record_->name();
    check_free(kernel_, request_.ports);
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
        apply_all(kernel_, journal, observer_, host_plan(closed_host(kernel_)));
        note_built(host_scope_.directory());
        return kernel_.nft().shape();
      },
      [this](const std::string&) {
        const auto table = kernel_.nft().find_table();
        return table && table->comment == nft::TableComment;
      },
      mend);
  for (auto& attachment : attachments_) attachment.join(kernel_, observer_, mend);
}

void ContainerNetwork::connect(pid_t pid) {
  kernel_.enter_container(pid);
  pid_ = pid;
  Journal& journal = record_->journal();
  // In no network there is no share of the host's, where the directory of the names belongs.
  std::vector<Step> plan;
  if (!request_.networks.empty()) plan = name_plan(request_.name, pid);
  collect(plan, namespace_plan());
  for (const auto& attachment : attachments_) {
    journal_flows(attachment);
    collect(plan, attachment.plan(request_.name));
  }
  collect(plan, publish_plan(request_.name, addresses(), request_.ports));
  collect(plan, host_ports_plan(request_.name, addresses(), request_.host_ports));
  apply_all(kernel_, journal, observer_, plan);
  for (const auto& attachment : attachments_) await_carrier(attachment);
}

void ContainerNetwork::journal_flows(const Attachment& attachment) {
  for (const auto& address : attachment.endpoint().addresses)
    record_->journal().append({Verb::Delete, Where::Host, Flows{address, {}}});
}

std::vector<Ip> ContainerNetwork::addresses() const {
  return attachments_.empty() ? std::vector<Ip>() : attachments_.front().endpoint().addresses;
}

void ContainerNetwork::close_host_ports() {
  for (const auto& step : host_ports_plan(request_.name, addresses(), request_.host_ports))
    kernel_.execute({Verb::Delete, Where::Host, step.object});
}

Step ContainerNetwork::unpublish_step(const std::vector<PublishedPort>& ports) const {
  return {Verb::Delete, Where::Host, Publish{request_.name, addresses(), ports}};
}

std::vector<PublishedPort> ContainerNetwork::publish(std::vector<PublishedPort> ports) {
  need_network();
  complete(ports, attachments_.front().spec());
  check_addresses(kernel_, ports);
  check_free(kernel_, ports);
  reservation_->add(ports, publisher());
  try {
    apply_all(kernel_, record_->journal(), observer_,
              publish_plan(request_.name, addresses(), ports));
  } catch (const Error&) {
    for (const auto& port : ports) reservation_->release(port);
    throw;
  }
  request_.ports.insert(request_.ports.end(), ports.begin(), ports.end());
  return ports;
}

std::size_t ContainerNetwork::unheld_ports() const {
  std::size_t unheld = 0;
  for (const auto& port : request_.ports)
    if (!reservation_->holds(port)) unheld += port.count;
  return unheld;
}

void ContainerNetwork::need_network() const {
  if (attachments_.empty())
    throw Error(cat("the container ", request_.name, " is in no network; start it with --network"));
}

void ContainerNetwork::connect(const AttachmentRequest& request) {
  need_network();
  const std::string& name = request.network.bridge;
  if (find(name) != attachments_.end())
    throw Error(cat("the container ", request_.name, " is in the network ", name, " already"));
  std::size_t number = 0;
  for (const auto& attachment : attachments_) number = std::max(number, attachment.number() + 1);
  Attachment attachment(state_.fd(), request, request_.run, number);
  attachment.join(kernel_, observer_, [this] { repair(kernel_, state_); });
  try {
    plug_in(attachment);
  } catch (const Error&) {
    attachment.leave(kernel_);
    throw;
  }
  attachments_.push_back(std::move(attachment));
}

void ContainerNetwork::plug_in(const Attachment& attachment) {
  journal_flows(attachment);
  apply_all(kernel_, record_->journal(), observer_, attachment.plan(request_.name));
  await_carrier(attachment);
}

void ContainerNetwork::await_carrier(const Attachment& attachment) {
  kernel_.await_carrier(Where::Container, attachment.endpoint().link);
  kernel_.await_carrier(Where::Host, attachment.endpoint().veth);
  kernel_.await_carrier(Where::Host, attachment.network().bridge);
}

std::vector<Attachment>::iterator ContainerNetwork::find(const std::string& network) {
  return std::ranges::find(attachments_, network, &Attachment::name);
}

void ContainerNetwork::disconnect(const std::string& network) {
  const auto attachment = find(network);
  if (attachment == attachments_.end())
    throw Error(cat("the container ", request_.name, " is not in the network ", network));
  if (attachment == attachments_.begin() && !request_.ports.empty())
    throw Error(cat("the container ", request_.name, " is published by the network ", network,
                    "; `minictl port rm` its ports first"));
  if (attachment == attachments_.begin() && !request_.host_ports.empty())
    throw Error(
        cat("the container ", request_.name, " has its --host-port by the network ", network));
  const Turn turn(record_->journal());
  const auto& endpoint = attachment->endpoint();
  const auto is_its_own = [&](const Step& step) {
    const auto* veth = std::get_if<Veth>(&step.object);
    if (veth != nullptr) return veth->name == endpoint.veth;
    const auto* guard = std::get_if<PortGuard>(&step.object);
    if (guard != nullptr) return guard->link == endpoint.veth;
    const auto* flows = std::get_if<Flows>(&step.object);
    return flows != nullptr && flows->address &&
           std::ranges::find(endpoint.addresses, *flows->address) != endpoint.addresses.end();
  };
  // Newest first, as when it ends.
  const auto steps = record_->journal().read();
  std::for_each(steps.rbegin(), steps.rend(), [&](const Step& step) {
    if (is_its_own(step)) kernel_.execute(step);
  });
  record_->journal().replace(is_its_own, std::nullopt);
  attachment->release();
  attachment->leave(kernel_);
  attachments_.erase(attachment);
}

void ContainerNetwork::unpublish(const PublishedPort& port) {
  const Turn turn(record_->journal());
  kernel_.execute(unpublish_step({port}));
  std::vector<PublishedPort> rest = request_.ports;
  std::erase(rest, port);
  std::optional<Step> remaining;
  if (!rest.empty()) remaining = unpublish_step(rest);
  record_->journal().replace(
      [](const Step& step) { return std::holds_alternative<Publish>(step.object); }, remaining);
  if (port.protocol == Protocol::Udp)
    kernel_.execute({Verb::Delete, Where::Host, Flows{std::nullopt, {port.host_ports()}}});
  reservation_->release(port);
  request_.ports = std::move(rest);
}

void ContainerNetwork::mend(const Heard& heard) {
  repair_after(kernel_, state_, heard);
  if (heard.everything || heard.shared) open_late_interfaces();
}

void ContainerNetwork::mend() { repair_of(kernel_, state_, {request_.name}); }

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
    if (pid_ != 0 && !request_.networks.empty()) {
      kernel_.execute({Verb::Delete, Where::Host, Namespace{request_.name, pid_}});
      base::test_point("unnamed");
      if (!attachments_.empty()) {
        kernel_.execute(unpublish_step(request_.ports));
        close_host_ports();
      }
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
  for (const auto& attachment : attachments_) {
    if (attachment.endpoint().addresses.empty()) continue;  // not joined
    for (const auto& address : attachment.endpoint().addresses)
      undo_all(kernel_, {{Verb::Delete, Where::Host, Flows{address, {}}}});
    undo_all(kernel_, {{Verb::Delete, Where::Host, port_guard(attachment.endpoint())}});
  }
  try {
    if (holds_flows_) kernel_.nft().release_flows();
  } catch (const std::exception&) {
    // Then our end does it.
  }
  kernel_.leave_container();
  for (auto& attachment : attachments_) attachment.release();
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
  for (auto& attachment : attachments_) collect(failures, attachment.leave(kernel_));
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
  const auto plan = opening_plan(closed_host(kernel_));
  if (plan.empty()) return;
  Journal journal(host_scope_.directory());
  apply_all(kernel_, journal, observer_, plan);
}

std::vector<Trouble> ContainerNetwork::foreign_drops() {
  std::vector<Trouble> troubles;
  for (auto& attachment : attachments_) {
    attachment.make_exceptions(kernel_, observer_);
    collect(troubles, netsetup::foreign_drops(kernel_, attachment.network()));
  }
  return troubles;
}

std::optional<std::string> ContainerNetwork::passed_by() { return netsetup::passed_by(kernel_); }

std::vector<Step> preview(NetworkRequest request) {
  Kernel kernel(request.ruleset);
  if (!request.networks.empty()) complete(request.ports, request.networks.front().network);
  for (auto& port : request.ports)
    if (port.host_port == 0) port.host_port = free_port(port);
  check_addresses(kernel, request.ports);
  check_free(kernel, request.ports);
  if (const auto taken = taken_ports(request.ports); !taken.empty())
    throw Error(cat("port ", taken.front().host_port, "/", text(taken.front().protocol),
                    " is taken: ", port_owner(taken.front()).value_or("somebody"), " has it"));
  const auto state = State::peek();
  std::vector<Step> plan;
  std::vector<Step> inside = namespace_plan();
  if (!request.networks.empty()) {
    if (!state.valid() || !Scope(state.get(), "host").peek())
      collect(plan, host_plan(closed_host(kernel)));
    const auto names = name_plan(request.name, 0);
    inside.insert(inside.begin(), names.begin(), names.end());
  }
  std::vector<Attachment> attachments;
  for (const auto& network : request.networks) {
    auto& attachment =
        attachments.emplace_back(state.get(), network, request.run, attachments.size());
    attachment.preview(kernel, request.name, plan, inside);
  }
  // What would be refused is refused here too: undo() looks, and changes nothing.
  for (const auto& step : plan) static_cast<void>(kernel.undo(step));
  collect(plan, inside);
  if (attachments.empty()) return plan;
  const auto& addresses = attachments.front().endpoint().addresses;
  collect(plan, publish_plan(request.name, addresses, request.ports));
  collect(plan, host_ports_plan(request.name, addresses, request.host_ports));
  return plan;
}

}  // namespace netsetup
