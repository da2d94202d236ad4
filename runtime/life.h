// SPDX-License-Identifier: MIT
// A container's life, from the word that its program may start until its last process is dead: what
// mini-run does meanwhile besides waiting.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "netsetup/container_network.h"
#include "netsetup/listeners.h"
#include "runtime/config.h"
#include "runtime/control.h"
#include "runtime/description.h"
#include "runtime/detach.h"
#include "runtime/dns_server.h"
#include "runtime/options.h"
#include "runtime/streams.h"
#include "runtime/supervise.h"

namespace runtime {

class Life {
 public:
  /// All of them must outlive it, but SOCKETS, those of its name server. HERALD: with -d. Needs:
  /// the container is ready, see channel.h.
  Life(const Options& options, const Config& config, netsetup::ContainerNetwork& network,
       DnsSockets sockets, Child& child, const Channel& channel, const SignalQueue& signals,
       Streams& streams, Herald* herald);

  base::EventLoop& loop() { return supervisor_.loop(); }
  /// Until the container has ended; returns its exit status. Throws Error as Supervisor::run().
  int run();
  /// Tells those who asked for the end (minictl stop, wait). After the name and the ports are free.
  void announce_end(int status);

 private:
  Supervisor::Settings settings();
  void describe();
  void look_around();
  std::string passed_by();
  void answer_names(DnsSockets sockets);
  [[nodiscard]] std::vector<ServerAddress> servers() const;
  void started();
  void announce(int status);
  void wait_for_ports(std::chrono::steady_clock::time_point deadline);
  [[nodiscard]] std::string unready_port();
  void keep_watch();
  void watch();
  void mend();
  std::optional<std::string> answer(const Words& request);
  std::string change_networks(const Words& request);
  std::string change_ports(const Words& request);

  const Options& options_;
  const Config& config_;
  netsetup::ContainerNetwork& network_;
  Streams& streams_;
  Herald* herald_;
  Supervisor supervisor_;
  Description description_;
  std::optional<Control> control_;
  std::optional<DnsServer> names_;
  base::UniqueFd watchman_;  // another mini-run: pidfd_open(2)
  std::optional<netsetup::Watch> watch_;
  netsetup::Heard heard_;
  bool mending_ = false;
  int failed_mends_ = 0;
  std::optional<netsetup::Listeners> listeners_;
  std::optional<std::chrono::steady_clock::time_point> only_loopback_since_;
  std::chrono::steady_clock::time_point since_ = std::chrono::steady_clock::now();
};

}  // namespace runtime
