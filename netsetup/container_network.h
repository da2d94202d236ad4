// SPDX-License-Identifier: MIT
// The network of one container, from before its birth until after its death.
//
//   ContainerNetwork     name and ports are taken: nothing of the host's network has changed yet
//   join()               the host's share and the bridge are there, an address is leased
//   (the runtime clones the container)
//   connect(pid)         veth, address, route, published ports
//   (it lives)
//   disconnect()         unpublished; name and ports are free
//   release()            its connections are forgotten, its namespace and address are free
//   leave()              what the last container leaves is undone
// From release() on it is slow, for nobody to wait for.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "netsetup/attachment.h"
#include "netsetup/foreign.h"
#include "netsetup/plan.h"
#include "netsetup/record.h"
#include "netsetup/reservation.h"
#include "netsetup/scope.h"
#include "netsetup/transaction.h"
#include "netsetup/watch.h"

namespace netsetup {

/// What is asked for.
struct NetworkRequest {
  std::string_view ruleset;                 // the text of configs/ruleset.nft
  std::string name;                         // the container's
  bool name_made_up = false;                // it may get a number where it is taken
  std::vector<AttachmentRequest> networks;  // the first is eth0 and the way out
  std::vector<PublishedPort> ports;         // host_port 0: any
  std::vector<std::uint16_t> host_ports;    // of the host's loopback, opened to the container
  std::uint32_t run = 0;                    // random
};

class ContainerNetwork {
 public:
  ContainerNetwork(NetworkRequest request, Observer observer);
  ContainerNetwork(const ContainerNetwork&) = delete;
  ContainerNetwork& operator=(const ContainerNetwork&) = delete;
  /// Undoes, and waits for it, whatever disconnect() and leave() have not.
  ~ContainerNetwork();

  void join();
  void connect(pid_t pid);
  /// Joins one more network while the container runs: its link is eth1, ... Throws Error.
  void connect(const AttachmentRequest& request);
  /// Leaves one. Throws Error where ports are published by it.
  void disconnect(const std::string& network);
  /// Publishes PORTS as well, while the container runs; returns them with what the kernel chose.
  std::vector<PublishedPort> publish(std::vector<PublishedPort> ports);
  /// Ends that, for one of ports(). TCP connections that are there live on.
  void unpublish(const PublishedPort& port);
  void disconnect() noexcept;
  void release() noexcept;
  /// Returns what failed, a line each.
  std::vector<std::string> leave() noexcept;

  /// Puts back what somebody has removed by hand, and was HEARD of (repair.h); opens interfaces
  /// that came. Throws Error.
  void mend(const Heard& heard);
  /// What of this container was removed before anybody could hear of it. Throws Error.
  void mend();
  /// Known connections outlive a reload of the firewall as long as we live, unless another mini-run
  /// sees to it already. Returns the pid of who does, 0 where the kernel cannot. Throws Error.
  pid_t hold_flows();
  /// Runs FUNCTION in the container's network namespace: Kernel::inside().
  void inside(const std::function<void()>& function);

  [[nodiscard]] const std::vector<PublishedPort>& ports() const { return request_.ports; }
  /// How many of them were checked only: programs of the host may bind them yet (reservation.h).
  [[nodiscard]] std::size_t unheld_ports() const;
  [[nodiscard]] const std::vector<Attachment>& attachments() const { return attachments_; }
  [[nodiscard]] const std::string& name() const { return request_.name; }
  /// The container's directory in the state, and whether it outlives the container: record.h.
  [[nodiscard]] int directory() const { return record_->directory(); }
  void keep_record() { record_->keep(); }
  /// Interfaces that have come, or got their address, since the host's share was set up: traffic
  /// may come in by them too.
  void open_late_interfaces();
  /// Makes the exceptions that are missing in others' firewalls; returns what would drop all the
  /// same. Throws Error.
  std::vector<Trouble> foreign_drops();
  /// netsetup::passed_by()
  std::optional<std::string> passed_by();

 private:
  [[nodiscard]] Reservation::Publisher publisher() const;
  void need_network() const;
  std::vector<Attachment>::iterator find(const std::string& network);
  void plug_in(const Attachment& attachment);
  void await_carrier(const Attachment& attachment);
  void journal_flows(const Attachment& attachment);
  /// Those that its ports lead to: in its first network, none where it is in none.
  [[nodiscard]] std::vector<Ip> addresses() const;
  void close_host_ports();
  [[nodiscard]] Step unpublish_step(const std::vector<PublishedPort>& ports) const;

  NetworkRequest request_;
  Observer observer_;
  Kernel kernel_;
  State state_;
  std::optional<Record> record_;
  std::optional<Reservation> reservation_;
  Scope host_scope_;
  std::vector<Attachment> attachments_;
  pid_t pid_ = 0;  // the container's process 1
  bool holds_flows_ = false;
};

/// The steps that a start with REQUEST would do now, found out without changing anything.
/// For a host port 0 it names one that is free now. Throws Error where the start would fail for
/// what can be seen now.
std::vector<Step> preview(NetworkRequest request);

}  // namespace netsetup
