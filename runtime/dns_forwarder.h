// SPDX-License-Identifier: MIT
// Questions that are passed on to a name server, and its answers back.
#pragma once

#include <sys/types.h>

#include <functional>
#include <list>
#include <vector>

#include "base/event_loop.h"
#include "base/unique_fd.h"
#include "runtime/dns_message.h"
#include "runtime/name_servers.h"

namespace runtime {

enum class Transport : bool { Udp, Tcp };

/// Asks in the network namespace that it is used in. Each question has a socket of its own, which
/// is connected: so the kernel passes on what comes from that server alone, to a port that nobody
/// can guess; and an identifier of its own, which nobody can guess either.
class DnsForwarder {
 public:
  using Servers = std::function<std::vector<ServerAddress>()>;
  /// Called once, later or at once: a response, with the identifier of the question.
  using Answer = std::function<void(dns::View)>;

  /// SERVERS: asked for anew for each question; may throw Error. LOOP must outlive it.
  DnsForwarder(base::EventLoop& loop, Servers servers)
      : loop_(loop), servers_(std::move(servers)) {}
  DnsForwarder(const DnsForwarder&) = delete;
  DnsForwarder& operator=(const DnsForwarder&) = delete;
  ~DnsForwarder();

  /// Asks one server after the other, until one answers to QUERY, which asks QUESTION. A failure
  /// (SERVFAIL) answers it at last, within five seconds, which is how long most askers wait.
  void ask(dns::View query, dns::Question question, Transport transport, Answer answer);

  /// How many are on their way. Whoever asks keeps it small: each has a descriptor.
  [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }
  /// Gives up servers that have not answered in time. To be called several times a second.
  void expire();

 private:
  using Clock = base::EventLoop::Clock;
  struct Waiting {
    dns::Bytes query;
    dns::Question question;
    Transport transport;
    Answer answer;
    std::uint16_t id;  // the asker's
    std::vector<ServerAddress> servers;
    std::size_t next = 0;  // of them
    base::UniqueFd socket{};
    base::EventLoop::Source* source = nullptr;
    Clock::time_point deadline{};
    dns::Bytes sending{};  // TCP: what is left of it
    dns::Bytes received{};
  };
  using Place = std::list<Waiting>::iterator;

  void try_next(Place place);
  bool send(Place place, const ServerAddress& server);
  void handle_udp(Place place);
  void handle_tcp(Place place, short events);
  [[nodiscard]] bool take(Place place, std::span<std::uint8_t> message);
  void fail(Place place, dns::Code code);
  void finish(Place place, dns::View message);
  static void hang_up(Waiting& waiting);

  base::EventLoop& loop_;
  Servers servers_;
  std::list<Waiting> waiting_;
};

}  // namespace runtime
