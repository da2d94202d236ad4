// SPDX-License-Identifier: MIT
#include "netsetup/repair.h"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <exception>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "netsetup/foreign.h"
#include "netsetup/journal.h"
#include "netsetup/networks.h"
#include "netsetup/plan.h"
#include "netsetup/record.h"
#include "netsetup/rtnl.h"
#include "netsetup/scope.h"

namespace netsetup {

namespace {

// ----------------------------------------------------------------------------- the last look

constexpr auto LastLook = "repaired";  // in the host scope's directory: when it began

/// Nanoseconds of CLOCK_MONOTONIC, the same for all processes.
std::int64_t now() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

std::int64_t last_look(int directory) {
  std::int64_t begun = 0;
  const std::string text = base::read_file(LastLook, directory).value_or("");
  std::from_chars(text.data(), text.data() + text.size(), begun);
  return begun;
}

void note_look(int directory, std::int64_t begun) {
  const auto file =
      base::open_or_throw(LastLook, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, directory);
  base::write_all(file.get(), std::to_string(begun), "write to /run/mini-run");
}

// -------------------------------------------------------------------------------- the mending

/// The first failure of several things that do not depend on each other.
class Failures {
 public:
  template <class Function>
  void collect(const Function& function) {
    try {
      function();
    } catch (const std::exception&) {
      if (!first_) first_ = std::current_exception();
    }
  }
  void throw_first() const {
    if (first_) std::rethrow_exception(first_);
  }

 private:
  std::exception_ptr first_;
};

/// Does STEP as Transaction::apply() does, which refuses what is another's; what undoes it is in
/// the journal already.
void again(Kernel& kernel, const Step& step) {
  static_cast<void>(kernel.undo(step));
  kernel.execute(step);
}

Step on_host(Object object) { return {Verb::Create, Where::Host, std::move(object)}; }

/// The table, where it has gone or lacks something, and the elements of the host's own interfaces.
/// Whether it had to be loaded: then what containers have in it has gone, too.
bool mend_rules(Kernel& kernel, const Scope& host, const std::string& shape) {
  const auto undo_steps = host.mend_journal(kernel);  // while the kernel has the elements
  // None is never as it should be, though SHAPE says so: they went before it could be described.
  const auto found = kernel.nft().shape();
  const bool incomplete = found.empty() || found != shape;
  if (incomplete) {
    again(kernel, on_host(RuleSet{}));
    const auto now = kernel.nft().shape();
    if (shape.starts_with("table "))
      host.describe(now);
    else
      host.describe_anew(now);
  }
  for (const auto& step : undo_steps) {
    if (std::holds_alternative<NetnsDirectory>(step.object)) again(kernel, on_host(step.object));
    if (std::holds_alternative<OpenedInterface>(step.object)) again(kernel, on_host(step.object));
    // Whoever writes net.ipv4.ip_forward sets it for every interface, also to 0.
    if (const auto* sysctl = std::get_if<Sysctl>(&step.object); sysctl && !sysctl->ours.empty())
      kernel.execute(on_host(Sysctl{sysctl->key, sysctl->ours, {}, {}, {}}));
  }
  return incomplete;
}

/// Whether its bridge had to be made: then no container is joined to it.
bool mend_network(Kernel& kernel, const Network& network) {
  const bool gone = !rtnl::find_index(kernel.host_route(), network.bridge);
  const auto addresses = rtnl::addresses(kernel.host_route());
  const auto is_there = [&](const Address& address) {
    const auto index = rtnl::find_index(kernel.host_route(), address.link);
    return std::any_of(addresses.begin(), addresses.end(), [&](const auto& other) {
      return other.index == index && other.cidr == address.cidr;
    });
  };
  for (const auto& step : network_plan(network)) {
    const auto* address = std::get_if<Address>(&step.object);
    if (address == nullptr || !is_there(*address)) again(kernel, step);
  }
  return gone;
}

/// Whether CONTAINER, which has the journalled STEPS and DIRECTORY, runs: it has been described,
/// and its process 1 lives.
bool runs(int directory, const std::vector<Step>& steps) {
  return ::faccessat(directory, "container.json", F_OK, 0) == 0 &&
         std::ranges::any_of(steps, [](const Step& step) {
           const auto* space = std::get_if<Namespace>(&step.object);
           return space != nullptr && ::kill(space->pid, 0) == 0;
         });
}

/// The host's end of the cable of CONTAINER, if it is that: the name alone could be anybody's. One
/// that somebody made a port of another bridge stays there.
void mend_port(Kernel& kernel, const Network& network, const Veth& veth,
               const std::string& container) {
  const auto link = rtnl::find_link(kernel.host_route(), veth.name);
  if (!link || link->kind != "veth" || link->mac != veth.mac || link->alias != container) return;
  if (link->master == 0) again(kernel, on_host(Port{veth.name, veth.bridge}));
  if (!link->hairpin) again(kernel, on_host(Hairpin{veth.name}));
  if (network.isolated && !link->isolated) again(kernel, on_host(Isolated{veth.name}));
  if (!link->up) again(kernel, on_host(LinkUp{veth.name}));
}

/// NETWORKS: those that are as they should be. What cannot be mended is added to LOST.
void mend_container(Kernel& kernel, const std::vector<Network>& networks, int containers,
                    const std::string& name, std::vector<std::string>& lost) {
  const auto directory = open_directory(containers, name);
  if (!directory.valid()) return;          // its owner has just left
  if (!is_alive(directory.get())) return;  // whoever comes next undoes it
  const auto journal = Journal::peek(directory.get());
  if (!journal) return;
  const Turn turn(*journal);
  if (journal->removed()) return;
  const auto steps = journal->read();
  for (const auto& step : steps) {
    if (std::holds_alternative<PortGuard>(step.object) ||
        std::holds_alternative<Publish>(step.object) ||
        std::holds_alternative<HostPorts>(step.object))
      again(kernel, on_host(step.object));
    if (std::holds_alternative<Namespace>(step.object) && runs(directory.get(), steps))
      again(kernel, on_host(step.object));
    const auto* veth = std::get_if<Veth>(&step.object);
    if (veth != nullptr && runs(directory.get(), steps) &&
        !rtnl::find_index(kernel.host_route(), veth->name))
      lost.push_back(base::cat("the cable ", veth->name, " of the container ", name,
                               " was deleted, and eth0 inside with it: start the container again"));
    if (veth == nullptr) continue;
    const auto network = std::ranges::find(networks, veth->bridge, &Network::bridge);
    if (network != networks.end()) mend_port(kernel, *network, *veth, name);
  }
}

/// The containers' directory, so that nobody else looks meanwhile.
base::UniqueFd lock_containers(const State& state) {
  auto containers = make_directory(state.fd(), "containers");
  base::check(::flock(containers.get(), LOCK_EX), "lock the containers' directory");
  return containers;
}

/// What all share, after it was mended.
struct Shared {
  std::vector<Network> networks;  // that are as they should be
  bool made_anew = false;         // something that containers had a share in
};

Shared mend_shared(Kernel& kernel, const State& state, const Scope& host, const std::string& shape,
                   Failures& failures) {
  Shared shared;
  shared.made_anew = mend_rules(kernel, host, shape);
  for (const auto& name : entries(state.fd())) {
    if (!name.starts_with(NetworkScopePrefix)) continue;
    failures.collect([&] {
      Scope scope(state.fd(), name);
      const auto up = scope.enter();
      if (!up) return;
      const Network network = network_of(state.fd(), name, *up);
      if (!described_network(*up)) scope.describe_anew(description_of(network));
      static_cast<void>(scope.mend_journal(kernel));
      if (mend_network(kernel, network)) shared.made_anew = true;
      Journal journal(scope.directory());
      make_exceptions(kernel, journal, {}, network);
      shared.networks.push_back(network);
    });
  }
  return shared;
}

/// Mends what all share, and the containers NAMES; all of them where there were none to be named,
/// or something they had a share in was made anew. What is lost for good.
std::vector<std::string> mend(Kernel& kernel, const State& state, const Scope& host,
                              const std::string& shape, int containers,
                              const std::optional<std::vector<std::string>>& names) {
  std::vector<std::string> lost;
  Failures failures;
  const auto shared = mend_shared(kernel, state, host, shape, failures);
  for (const auto& name : names && !shared.made_anew ? *names : entries(containers))
    failures.collect([&] { mend_container(kernel, shared.networks, containers, name, lost); });
  failures.throw_first();
  return lost;
}

/// The network NAME as it is described, where it is up.
std::optional<Network> find_network(const State& state, const std::string& name) {
  const std::string scope = base::cat(NetworkScopePrefix, name);
  const auto up = Scope(state.fd(), scope).peek();
  if (!up) return std::nullopt;
  return network_of(state.fd(), scope, *up);
}

/// The container whose cable's end NAME is, if that is no port as it should be.
std::optional<std::string> unplugged(Kernel& kernel, const State& state, const std::string& name) {
  const auto port = rtnl::find_link(kernel.host_route(), name);
  if (!port || port->kind != "veth" || port->alias.empty()) return std::nullopt;  // gone, mostly
  const auto bridge = rtnl::find_name(kernel.host_route(), port->master);
  const auto network = bridge ? find_network(state, *bridge) : std::nullopt;
  if (network && port->up && port->hairpin && (port->isolated || !network->isolated))
    return std::nullopt;
  return port->alias;
}

}  // namespace

std::vector<std::string> repair(Kernel& kernel, const State& state) {
  const auto asked = now();
  const auto containers = lock_containers(state);
  // Joined while we look: otherwise the last to leave could undo at the same time.
  Scope host(state.fd(), "host");
  const auto shape = host.enter();
  if (!shape || last_look(host.directory()) > asked) return {};
  const auto begun = now();
  auto lost = mend(kernel, state, host, *shape, containers.get(), std::nullopt);
  note_look(host.directory(), begun);
  return lost;
}

void repair_of(Kernel& kernel, const State& state, const std::vector<std::string>& names) {
  const auto containers = lock_containers(state);
  Scope host(state.fd(), "host");
  if (const auto shape = host.enter()) mend(kernel, state, host, *shape, containers.get(), names);
}

void repair_after(Kernel& kernel, const State& state, const Heard& heard) {
  if (heard.everything) {
    repair(kernel, state);
    return;
  }
  bool shared = heard.shared;
  std::vector<std::string> names;
  for (const auto& link : std::set(heard.links.begin(), heard.links.end())) {
    if (find_network(state, link)) shared = true;
    if (auto name = unplugged(kernel, state, link)) names.push_back(*std::move(name));
  }
  if (shared || !names.empty()) repair_of(kernel, state, names);
}

void note_built(int directory) { note_look(directory, now()); }

}  // namespace netsetup
