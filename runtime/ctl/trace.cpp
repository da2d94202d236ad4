// SPDX-License-Identifier: MIT
// The next connection of a container, followed through the kernel: which sources there are and how
// they are put together, netsetup/follow.h tells; here they are opened, and read until the
// connection ends.
//
// Nothing of it can remain: all that makes the kernel tell are sockets of this process, and the one
// change of the host, a table, belongs to one of them (netsetup/nft_trace.h).
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <ctime>

#include "base/error.h"
#include "base/say.h"
#include "base/text.h"
#include "netsetup/follow.h"
#include "netsetup/visit.h"
#include "runtime/ctl/commands.h"
#include "runtime/ctl/containers.h"
#include "runtime/ctl/trace_report.h"
#include "runtime/options_values.h"

namespace runtime::ctl {

using base::cat;
using base::Error;
using netsetup::PacketFilter;
using netsetup::PublishedPort;

namespace {

constexpr std::int64_t Millisecond = 1'000'000;
constexpr std::int64_t Settled = 100 * Millisecond;   // nothing more comes of a packet
constexpr std::int64_t Silence = 1000 * Millisecond;  // it was all, where nobody says goodbye

std::int64_t now() {
  constexpr std::int64_t Second = 1'000'000'000;
  timespec time{};
  ::clock_gettime(CLOCK_REALTIME, &time);
  return time.tv_sec * Second + time.tv_nsec;
}

/// "8080", "5353/udp"; nothing where TEXT is no number of a port.
struct Port {
  std::uint16_t number = 0;
  std::optional<netsetup::Protocol> protocol;
};
std::optional<Port> parse_port(std::string_view text) {
  Port port;
  const auto slash = text.find('/');
  const auto number = base::parse_number<std::uint16_t>(text.substr(0, slash));
  if (!number || *number == 0) return std::nullopt;
  port.number = *number;
  if (slash == std::string_view::npos) return port;
  port.protocol = netsetup::parse_protocol(text.substr(slash + 1));
  if (!port.protocol) return std::nullopt;
  return port;
}

/// Those of the container's PORTS that are meant by PORT; of a range the one.
std::vector<PublishedPort> meant(const std::vector<PublishedPort>& ports, const Port& port) {
  std::vector<PublishedPort> found;
  for (const PublishedPort& each : ports) {
    if (!each.host_ports().contains(port.number) ||
        (port.protocol && port.protocol != each.protocol))
      continue;
    found.push_back(each);
    if (each.count == 1) continue;
    found.back().host_port = found.back().container_port = port.number;
    found.back().count = 1;
  }
  return found;
}

/// What is followed, and where it is.
struct Target {
  Container container;
  netsetup::trace::Subject subject;
};

Target find_target(const std::string& what) {
  Target target;
  const auto port = parse_port(what);
  if (!port) {
    target.container = find_running(what);
    target.subject.ports = target.container.description.ports;
  } else {
    std::string name;
    for (const auto& container : all_containers(false))
      if (name.empty() && !meant(container.description.ports, *port).empty()) name = container.name;
    if (name.empty())
      throw Error(cat("trace: no container publishes the port ", what, "; `minictl ps` lists all"));
    target.container = find_running(name);
    target.subject.ports = meant(target.container.description.ports, *port);
    target.subject.ports_only = true;
  }
  for (const auto& network : target.container.description.networks)
    for (const auto& address : network.addresses)
      target.subject.addresses.push_back(address.address);
  if (target.subject.addresses.empty())
    throw Error(cat("trace: ", target.container.name, " has no network of its own"));
  netsetup::netlink::Socket route(NETLINK_ROUTE);
  for (const auto& own : netsetup::rtnl::addresses(route))
    target.subject.own.push_back(own.cidr.address);
  return target;
}

PacketFilter filter_of(const netsetup::trace::Subject& subject) {
  constexpr std::size_t Most = 64;  // a rule each
  if (subject.ports.size() > Most)
    throw Error(cat("trace: it publishes ", subject.ports.size(),
                    " ports, more than can be watched at once; choose one: minictl trace PORT"));
  PacketFilter filter{subject.addresses, {}};
  for (const auto& port : subject.ports) filter.ports.push_back({port.protocol, port.host_ports()});
  return filter;
}

/// All that tells of packets, open as long as this lives.
struct Sources {
  PacketFilter seen;  // on the interfaces
  // First those that hear, then what makes the kernel tell.
  netsetup::netlink::Listener rules{NETLINK_NETFILTER, {NFNLGRP_NFTRACE}};
  netsetup::netlink::Listener connections{NETLINK_NETFILTER, {NFNLGRP_CONNTRACK_NEW}};
  netsetup::Tap host;
  std::optional<netsetup::Tap> inside;
  netsetup::nft::Tracer tracer;

  /// ALL packets from the first on; else, until the connection is known, those that begin one.
  Sources(const PacketFilter& filter, bool all)
      : seen(all ? filter : PacketFilter{}), host(seen), tracer(filter) {}
};

class Trace {
 public:
  Trace(Target target, const TraceOptions& options)
      : target_(std::move(target)),
        init_(open_init(target_.container)),
        sources_(filter_of(target_.subject), options.packets),
        follower_(target_.subject, netsetup::conntrack::connections()),
        report_(target_.container, options.what, options.packets, options.json) {
    if (options.timeout)
      end_ =
          now() + std::int64_t{values::seconds("--timeout", *options.timeout)} * 1000 * Millisecond;
    netsetup::visit_network(init_.get(), [this] {
      sources_.inside.emplace(sources_.seen);
      report_.look_inside();
    });
  }

  /// The exit status: 1 where no connection came.
  int run() {
    sigset_t ends;
    sigemptyset(&ends);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&ends, signal);
    base::check(::sigprocmask(SIG_BLOCK, &ends, nullptr), "block signals");
    const base::UniqueFd signals(base::check(::signalfd(-1, &ends, SFD_CLOEXEC), "signalfd"));
    base::say("waiting for the next connection; Ctrl-C ends it");
    std::array<pollfd, 6> waits = {{{sources_.host.fd(), POLLIN, 0},
                                    {sources_.inside->fd(), POLLIN, 0},
                                    {sources_.rules.fd(), POLLIN, 0},
                                    {sources_.connections.fd(), POLLIN, 0},
                                    {init_.get(), POLLIN, 0},
                                    {signals.get(), POLLIN, 0}}};
    for (bool last = false; !last;) {
      if (::poll(waits.data(), waits.size(), patience()) < 0 && errno != EINTR)
        throw Error(errno, "poll");
      read_all();
      last = waits[4].revents != 0 || waits[5].revents != 0 || over();
      tell(last ? now() + 1 : now() - Settled);
    }
    report_.end(follower_, lost_);
    return follower_.begun() ? 0 : 1;
  }

 private:
  /// Milliseconds until something is to be done, although nothing was heard.
  [[nodiscard]] int patience() const {
    constexpr int Tick = 20;
    if (follower_.begun()) return Tick;
    if (!end_) return -1;
    return static_cast<int>(std::max<std::int64_t>(*end_ - now(), 0) / Millisecond) + 1;
  }

  [[nodiscard]] bool over() const {
    if (end_ && now() >= *end_) return true;
    if (!follower_.begun()) return false;
    const std::int64_t quiet = now() - follower_.heard();
    if (follower_.closed() || report_.dropped()) return quiet > 2 * Settled;
    return (!follower_.answered() || !report_.is_tcp()) && quiet > Silence;
  }

  void read_all() {
    const auto see = [this](netsetup::Tap& tap, bool inside) {
      tap.drain([&](const netsetup::Sighting& sighting) {
        follower_.add(netsetup::trace::Seen{sighting, inside}, now());
      });
    };
    see(sources_.host, false);
    see(*sources_.inside, true);
    const bool complete = sources_.rules.drain([this](const nlmsghdr* message) {
      auto decision = netsetup::nft::parse_trace(message);
      if (!decision) return;
      if (decision->packet) sources_.tracer.locate(*decision);
      follower_.add(*decision, now());
    });
    sources_.connections.drain([this](const nlmsghdr* message) {
      follower_.add(netsetup::conntrack::parse_connection(message));
    });
    lost_ = lost_ || !complete || sources_.host.lost() + sources_.inside->lost() > 0;
    look_for_it();
  }

  /// What belongs to the connection, also beyond a masquerade, where it has another port that
  /// nobody knew before.
  void look_for_it() {
    if (follower_.tuples().size() == tuples_) return;
    tuples_ = follower_.tuples().size();
    PacketFilter filter = sources_.seen;
    for (const auto& tuple : follower_.tuples())
      filter.ports.push_back({netsetup::Protocol::Tcp, {tuple.source_port, tuple.source_port}});
    sources_.host.look_for(filter);
    sources_.inside->look_for(filter);
  }

  void tell(std::int64_t before) {
    for (auto& way : follower_.take(before))
      report_.add(way, sources_.tracer, follower_.connection());
  }

  Target target_;
  base::UniqueFd init_;
  Sources sources_;
  netsetup::trace::Follower follower_;
  TraceReport report_;
  std::optional<std::int64_t> end_;
  std::size_t tuples_ = 0;
  bool lost_ = false;
};

}  // namespace

int trace(const TraceOptions& options) {
  if (::geteuid() != 0) throw Error(cat("trace needs root: sudo minictl trace ", options.what));
  return Trace(find_target(options.what), options).run();
}

}  // namespace runtime::ctl
