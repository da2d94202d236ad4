// SPDX-License-Identifier: MIT
// The name server that each container has: its mini-run.
//
// Theory of operation. The container's resolv.conf names 127.0.0.11, and what is sent there comes
// to two sockets that were opened in the container's network namespace (netsetup/step.h,
// NameServer) and that mini-run holds, which is in the host's. So a question crosses from the one
// network to the other as bytes in this process, and no packet does:
//   - the name of a container of the same network, or the address of one, is answered from the
//     records (names.h), whatever is asked of it;
//   - all else is passed on to the servers of the host (dns_forwarder.h), as the host's own
//   programs
//     would ask them, and what they answer is passed back as it is.
// The container is a stranger: what it sends is bounded in number and size, and may cost mini-run
// time, but never its life.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>

#include "base/event_loop.h"
#include "base/unique_fd.h"
#include "runtime/dns_forwarder.h"
#include "runtime/dns_message.h"
#include "runtime/names.h"

namespace runtime {

/// Where questions come in.
struct DnsSockets {
  base::UniqueFd udp;
  base::UniqueFd tcp;
  /// In the caller's network namespace, whose lo is up. Throws Error.
  static DnsSockets open();
};

class DnsServer {
 public:
  /// AT_REST is called when nobody has asked anything for some seconds. LOOP must outlive it.
  DnsServer(base::EventLoop& loop, DnsSockets sockets, Names names, DnsForwarder::Servers servers,
            std::function<void()> at_rest);
  DnsServer(const DnsServer&) = delete;
  DnsServer& operator=(const DnsServer&) = delete;
  ~DnsServer();

 private:
  using Clock = base::EventLoop::Clock;
  struct Connection {
    base::UniqueFd socket;
    base::EventLoop::Source* source = nullptr;
    dns::Bytes received{};
    dns::Bytes sending{};
    Clock::time_point deadline{};
  };
  using Serial = std::uint64_t;

  void take_datagrams();
  void accept();
  void handle(Serial serial);
  bool receive(Serial serial, Connection& connection);
  void reply(Serial serial, dns::View message);
  static bool flush(Connection& connection);
  void hang_up(Serial serial);
  void serve(dns::View query, Transport transport, const DnsForwarder::Answer& answer);
  std::optional<dns::Bytes> own_answer(dns::View query, const dns::Question& question,
                                       std::size_t limit);
  void keep_time();
  void tick();

  base::EventLoop& loop_;
  DnsSockets sockets_;
  Names names_;
  DnsForwarder forwarder_;
  std::function<void()> at_rest_;
  base::EventLoop::Source* datagrams_;
  base::EventLoop::Source* connecting_;
  std::map<Serial, Connection> connections_;
  Serial last_ = 0;
  bool ticking_ = false;
  Clock::time_point asked_{};
};

}  // namespace runtime
