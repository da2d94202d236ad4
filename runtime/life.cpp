// SPDX-License-Identifier: MIT
#include "runtime/life.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/say.h"
#include "base/test_point.h"
#include "base/text.h"
#include "runtime/network_file.h"
#include "runtime/options_values.h"
#include "runtime/tidy.h"

namespace runtime {

using base::cat;
using netsetup::ContainerNetwork;

namespace {

/// A program that fails so soon after its start has probably missed something.
constexpr std::chrono::seconds AtOnce{5};
/// From so long on somebody hears of what others remove, and what they have removed before is
/// mended: it would cost more than there is to win by it in a container that has ended.
constexpr std::chrono::milliseconds Alert{300};

std::int64_t now() { return ::time(nullptr); }

std::string seccomp_kind(const ChildConfig& child) {
  if (child.seccomp.empty()) return "unconfined";
  return child.seccomp.data() == default_seccomp().data() ? "default" : "file";
}

std::vector<Attached> attached(const ContainerNetwork& network) {
  std::vector<Attached> all;
  for (const auto& attachment : network.attachments()) {
    const auto& endpoint = attachment.endpoint();
    Attached one{attachment.name(), endpoint.link, endpoint.veth, {}, {}, endpoint.mac};
    for (std::size_t i = 0; i < endpoint.addresses.size(); ++i) {
      const auto& gateway = attachment.network().gateways[i];
      one.addresses.push_back({endpoint.addresses[i], gateway.prefix});
      one.gateways.push_back(gateway.address);
    }
    all.push_back(std::move(one));
  }
  return all;
}

Description description_of(const Options& options, const Config& config,
                           const ContainerNetwork& network, pid_t init) {
  Description made;
  made.name = network.name();
  made.command = options.command;
  made.created = now();
  made.supervisor = ::getpid();
  made.init = init;
  made.detached = options.detach;
  made.networks = attached(network);
  made.ports = network.ports();
  made.aliases = options.aliases;
  made.hostname = config.child.hostname;
  made.user = options.user;
  made.workdir = options.workdir;
  made.environment = options.environment;
  made.capabilities = config.child.capabilities;
  made.seccomp = seccomp_kind(config.child);
  made.rootfs = options.rootfs;
  made.read_only = options.read_only;
  made.scratch_bytes = config.child.root.scratch_bytes;
  made.log_bytes = options.detach ? options.log_size : 0;
  made.stop_signal = options.stop_signal;
  made.stop_timeout = options.stop_timeout;
  return made;
}

}  // namespace

Life::Life(const Options& options, const Config& config, ContainerNetwork& network,
           DnsSockets sockets, Child& child, const Channel& channel, const SignalQueue& signals,
           Streams& streams, Herald* herald)
    : options_(options),
      config_(config),
      network_(network),
      streams_(streams),
      herald_(herald),
      supervisor_(child, channel, signals, settings()),
      description_(description_of(options, config, network, child.pid())) {
  describe();
  base::test_point("described");
  control_.emplace(loop(), network.directory(),
                   [this](const Words& words) { return answer(words); });
  base::test_point("control made");
  if (sockets.udp.valid()) answer_names(std::move(sockets));
  if (options.networks.empty()) return;  // no network that somebody could take away
  look_around();
  base::test_point("looked around");
  loop().at(since_ + Alert, [this] {
    keep_watch();
    if (!watch_) mend();
  });
}

Supervisor::Settings Life::settings() {
  return {options_.stop_signal, options_.stop_timeout,
          [this](const std::string& text) { streams_.note(text); }, [this] { started(); },
          [this] {
            streams_.adapt();
            return streams_.has_terminal();
          }};
}

/// Writes what minictl(1) needs to know.
void Life::describe() {
  if (description_.seccomp == "file") {
    const auto& program = config_.child.seccomp;
    replace_file(network_.directory(), "seccomp",
                 {reinterpret_cast<const char*>(program.data()), program.size_bytes()});
  }
  write_description(network_.directory(), description_);
}

/// The name servers to be asked. None where the container has no way out: a question is one, too.
std::vector<ServerAddress> Life::servers() const {
  if (std::ranges::all_of(network_.attachments(),
                          [](const auto& each) { return each.network().internal; }))
    return {};
  return name_servers(network_.name(), options_.dns);
}

void Life::answer_names(DnsSockets sockets) {
  names_.emplace(
      loop(), std::move(sockets), Names(network_.directory(), network_.name()),
      [this] { return servers(); }, let_go_of_memory);
}

/// What of the host's network does not concern the start, but the container.
void Life::look_around() {
  const auto note = [this](const std::string& line) {
    streams_.note(line);
    if (options_.detach) base::say(line);  // who typed it still listens
  };
  try {
    network_.open_late_interfaces();
    for (const auto& trouble : network_.foreign_drops())
      note(cat(trouble.what, "; mend it with: ", trouble.command));
    if (const auto line = passed_by(); !line.empty()) note(line);
  } catch (const base::Error& error) {
    note(error.what());  // the container runs; what this would have mended does not stop it
  }
}

/// "" or the line for who publishes to all networks where a firewall seems to guard the host.
std::string Life::passed_by() {
  const auto for_all = [](const netsetup::PublishedPort& port) {
    return port.on_any_address() && port.from.empty();
  };
  std::vector<std::string> open;
  for (const auto& port : description_.ports)
    if (for_all(port))
      open.push_back(cat(port.host_ports().text(), "/", netsetup::text(port.protocol)));
  if (open.empty()) return "";
  const auto firewall = network_.passed_by();
  if (!firewall) return "";
  const auto& first = *std::ranges::find_if(description_.ports, for_all);
  const std::string place = cat(first.host_ports().text(), ":", first.container_ports().text());
  constexpr std::size_t Shown = 3;
  const std::string_view noun = open.size() == 1 ? "port " : "ports ";
  const std::string_view verb = open.size() == 1 ? " is" : " are";
  return cat(noun, base::join_first(std::move(open), Shown), verb, " open to every network, past ",
             *firewall, ", which does not see published ports; for some networks only: -p ", place,
             ",from=CIDR, for this host alone: -p 127.0.0.1:", place);
}

void Life::started() {
  if (herald_ == nullptr) return;
  if (!options_.remove) {
    network_.keep_record();
    reserve_end(network_.directory());
  }
  base::test_point("record kept");
  if (!options_.wait) return announce(0);
  network_.inside([this] { listeners_.emplace(); });
  wait_for_ports(std::chrono::steady_clock::now() + std::chrono::seconds(*options_.wait));
}

void Life::announce(int status) {
  herald_->announce(description_.name + "\n", status);
  let_go_of_memory();
  base::test_point("announced");
}

/// --wait: announces when every published port is listened to inside.
void Life::wait_for_ports(std::chrono::steady_clock::time_point deadline) {
  constexpr std::chrono::milliseconds Moment{5};
  const auto now = std::chrono::steady_clock::now();
  const std::string trouble = unready_port();
  if (trouble.empty()) return announce(0);
  // A server that has its socket there will not open another.
  constexpr std::chrono::seconds Certain{2};
  if (now < deadline && !(only_loopback_since_ && now - *only_loopback_since_ > Certain))
    return loop().at(now + Moment, [this, deadline] { wait_for_ports(deadline); });
  base::say(cat(trouble, "; the container runs on, see `minictl logs ", description_.name, "`"));
  announce(base::ExitFailure);
}

/// What is wrong with the first port that is not served yet, or range of which none is; "": all
/// are.
std::string Life::unready_port() {
  for (const auto& port : description_.ports) {
    const std::string which =
        cat(port.container_ports().text(), "/", netsetup::text(port.protocol));
    const bool ipv6 = !port.serves(netsetup::Family::V4);
    switch (listeners_->listening(port.protocol, port.container_ports(),
                                  ipv6 ? netsetup::Family::V6 : netsetup::Family::V4)) {
      case netsetup::Listening::Yes:
        break;
      case netsetup::Listening::LoopbackOnly:
        if (!only_loopback_since_) only_loopback_since_ = std::chrono::steady_clock::now();
        return cat("port ", which,
                   " is listened to on the container's loopback only, where nobody "
                   "from outside is heard; let ",
                   options_.command.front(), " listen on ", ipv6 ? "[::]" : "0.0.0.0");
      case netsetup::Listening::OtherFamily:
        if (!only_loopback_since_) only_loopback_since_ = std::chrono::steady_clock::now();
        return cat("port ", which, " is listened to by ", ipv6 ? "IPv4" : "IPv6",
                   " only, and is published for ", ipv6 ? "IPv6" : "IPv4", "; let ",
                   options_.command.front(), " listen on ", ipv6 ? "[::]" : "0.0.0.0");
      case netsetup::Listening::No:
        only_loopback_since_.reset();
        return cat("port ", which, " is not listened to after ", *options_.wait, " s");
    }
  }
  return "";
}

/// One mini-run of a host watches for all, and holds the connections that all know; when it ends,
/// another has to.
void Life::keep_watch() {
  constexpr std::chrono::seconds Moment{1};
  pid_t holder = 0;
  try {
    holder = network_.hold_flows();
  } catch (const base::Error& error) {
    return streams_.note(error.what());
  }
  if (holder == 0 || holder == ::getpid()) return watch();  // 0: there is no such thing, see there
  watchman_ = base::open_process(holder);
  if (!watchman_.valid())  // it has just ended, or its pid is not one of ours
    return loop().at(base::EventLoop::Clock::now() + Moment, [this] { keep_watch(); });
  auto& source = loop().add(watchman_.get(), POLLIN, nullptr);
  source.handle = [this, &source](short) {
    source.close();
    keep_watch();
  };
}

/// Hears of what others remove from the network, and puts it back.
void Life::watch() {
  watch_.emplace();
  for (const int fd : watch_->fds())
    loop().add(fd, POLLIN, [this](short) {
      if (!watch_->drain(heard_) || mending_) return;
      // What removes one thing mostly removes another in the same breath.
      constexpr std::chrono::milliseconds Breath{20};
      mending_ = true;
      loop().at(std::chrono::steady_clock::now() + Breath, [this] { mend(); });
    });
  heard_.everything = true;  // of what happened before, we know nothing
  if (!mending_) mend();
}

void Life::mend() {
  constexpr int Tries = 5;
  constexpr std::chrono::milliseconds Patience{200};
  constexpr std::chrono::seconds MorePatience{1};
  mending_ = false;
  try {
    if (watch_)
      network_.mend(std::exchange(heard_, {}));
    else
      network_.mend();
    failed_mends_ = 0;
  } catch (const base::Error& error) {
    // Whoever removes things may still be at it.
    if (++failed_mends_ == Tries) streams_.note(error.what());
    heard_.everything = true;
    mending_ = true;
    loop().at(std::chrono::steady_clock::now() + (failed_mends_ < Tries ? Patience : MorePatience),
              [this] { mend(); });
  }
  let_go_of_memory();
}

std::optional<std::string> Life::answer(const Words& request) {
  const std::string& verb = request.front();
  if (verb == "wait") return std::nullopt;
  if (verb == "describe") {
    write_description(network_.directory(), description_);
    return "";
  }
  if (verb == "stop") {
    supervisor_.stop(options_.stop_signal, request.size() > 1
                                               ? values::seconds("--time", request[1])
                                               : options_.stop_timeout);
    return std::nullopt;
  }
  if (verb == "kill") {
    supervisor_.kill(values::signal("--signal", request.at(1)));
    return "";
  }
  loop().at(std::chrono::steady_clock::now(), let_go_of_memory);  // once the answer is sent
  if (verb == "connect" || verb == "disconnect") return change_networks(request);
  return change_ports(request);
}

/// "connect", a network, a MAC or "", addresses; or "disconnect", a network.
std::string Life::change_networks(const Words& request) {
  write_description(network_.directory(), description_);  // throws where there is no room for it
  const std::string& name = request.at(1);
  if (request.front() == "connect") {
    netsetup::AttachmentRequest wanted{read_network(name), {}, {}};
    if (!request.at(2).empty()) wanted.mac = values::mac(request[2]);
    for (std::size_t i = 3; i < request.size(); ++i)
      wanted.addresses.push_back(values::address("--ip", request[i]));
    network_.connect(wanted);
  } else {
    network_.disconnect(name);
  }
  description_.networks = attached(network_);
  write_description(network_.directory(), description_);
  if (!watch_ && !watchman_.valid()) keep_watch();  // the first one
  return "";
}

/// "publish" or "unpublish", then ports as -p has them. The answer: the ports, one a line.
std::string Life::change_ports(const Words& request) {
  std::vector<netsetup::PublishedPort> ports;
  const bool publish = request.front() == "publish";
  for (std::size_t i = 1; i < request.size(); ++i) {
    const auto more = publish ? values::published_ports(request[i])
                              : values::find_published(network_.ports(), request[i]);
    ports.insert(ports.end(), more.begin(), more.end());
  }
  values::check_distinct(ports);
  write_description(network_.directory(), description_);  // throws where there is no room for it
  if (publish) {
    ports = network_.publish(std::move(ports));
  } else {
    for (const auto& port : ports) network_.unpublish(port);
  }
  description_.ports = network_.ports();
  write_description(network_.directory(), description_);
  std::string answer;
  for (const auto& port : ports) answer += port.text() + "\n";
  return answer;
}

int Life::run() {
  const int status = supervisor_.run();
  streams_.finish();
  names_.reset();  // its sockets hold the container's network namespace
  if (status != 0 && std::chrono::steady_clock::now() - since_ < AtOnce)
    for (const auto& line : rootfs::hidden_needs(config_.child.root, options_.command))
      streams_.note(line);
  if (options_.detach) write_end(network_.directory(), {status, now()});
  if (herald_ != nullptr && !herald_->has_announced()) {
    base::say(cat(options_.command.front(), " ended with status ", status,
                  " before every published port was listened to; see `minictl logs ",
                  description_.name, "`"));
    announce(status != 0 ? status : base::ExitFailure);
  }
  base::test_point("end written");
  return status;
}

void Life::announce_end(int status) { control_->finish(std::to_string(status)); }

}  // namespace runtime
