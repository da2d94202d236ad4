// SPDX-License-Identifier: MIT
// The packets of one connection, each with all places where it was seen.
//
// Theory of operation. Three sources tell of packets, none of them all: taps on the interfaces see
// headers and times (tap.h), the trace tells what the rules decide, without times and late
// (nft_trace.h), and conntrack tells a new connection with both its directions. Of what all of them
// tell, here the next connection of a subject is picked out, and put together:
//   * The first packet of a new connection that is about the subject begins it.
//   * Two sightings are the same packet where what NAT leaves alone is the same (Packet::same_as())
//     and the packet was not at that place yet: a repeated one is another.
//   * The addresses that a packet of the connection had anywhere are the connection's: so NAT needs
//     no rule here, and is seen where one place has other addresses than the place before.
// No time is taken and nothing is asked here: the same events give the same packets.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "netsetup/nft_trace.h"
#include "netsetup/rtnl.h"
#include "netsetup/tap.h"

namespace netsetup::trace {

/// A packet on an interface of the host, or inside the container.
struct Seen : Sighting {
  bool inside = false;
};

/// A packet in a chain with a hook, and in the chains that its rules lead to.
struct Judged {
  nft::Decision first;  // the chain, its hook and interfaces; packet: as it came in there
  std::vector<nft::Decision> decisions;
};

struct Stop {
  std::variant<Seen, std::shared_ptr<Judged>> what;

  [[nodiscard]] const Packet& packet() const;
  [[nodiscard]] bool same_place(const Stop& other) const;
};

/// One packet and the places where it was, in no order.
struct Way {
  unsigned number = 0;  // 1: the connection's first
  bool answer = false;  // it goes the other way
  std::int64_t time = 0;
  std::int64_t heard = 0;  // when something was last heard of it
  Packet packet;           // as it was first heard of
  std::vector<Stop> stops;
  std::optional<rtnl::Lookup> route;  // the host's, where one was asked for

  /// Whether an interface saw it, so that its time is the kernel's; else it is ours.
  [[nodiscard]] bool timed() const;
  /// The decision that dropped it, nullptr where none did.
  [[nodiscard]] const nft::Decision* dropped() const;
};

/// What connections are waited for.
struct Subject {
  std::vector<Ip> addresses;         // of the container
  std::vector<PublishedPort> ports;  // of it
  std::vector<Ip> own;               // of the host
  bool ports_only = false;           // not those to or from its addresses themselves

  [[nodiscard]] bool concerns(const Packet& packet) const;
};

class Follower {
 public:
  /// KNOWN: connections that are there already.
  Follower(Subject subject, const std::vector<conntrack::Connection>& known);

  /// NOW: nanoseconds since 1970, as all times.
  void add(const Seen& seen, std::int64_t now);
  /// The first of a base chain has been located. (nft::Tracer)
  void add(const nft::Decision& decision, std::int64_t now);
  void add(const conntrack::Connection& connection);

  /// Those of which nothing was heard since BEFORE, oldest first, up to the first that is younger.
  std::vector<Way> take(std::int64_t before);

  [[nodiscard]] bool begun() const { return !forward_.empty(); }
  [[nodiscard]] bool answered() const { return answered_; }
  /// TCP: both sides have said that they are done, or one broke it off.
  [[nodiscard]] bool closed() const { return broken_off_ || (done_[0] && done_[1]); }
  [[nodiscard]] std::int64_t heard() const { return heard_; }
  /// Of its packets on the way there, the addresses and ports that they have had.
  [[nodiscard]] const std::set<conntrack::Tuple>& tuples() const { return forward_; }
  /// As conntrack has it; nothing where it was told of none, as while the first packet has not
  /// passed all rules.
  [[nodiscard]] std::optional<conntrack::Connection> connection() const;

 private:
  void add_stop(Stop stop, std::int64_t now);
  bool place(const Stop& stop, std::int64_t now);
  void join(Way& way, const Stop& stop, std::int64_t now);
  [[nodiscard]] bool is_first(const Packet& packet) const;

  Subject subject_;
  std::set<conntrack::Tuple> known_;
  std::deque<Stop> waiting_;                               // whose they are is not known yet
  std::map<std::uint32_t, std::shared_ptr<Judged>> open_;  // by the trace's id
  std::deque<conntrack::Connection> connections_;
  std::set<conntrack::Tuple> forward_;
  std::deque<Way> ways_;
  bool news_ = false;  // another packet, or other addresses, since waiting_ was looked through
  unsigned numbers_ = 0;
  std::int64_t heard_ = 0;
  bool answered_ = false;
  bool broken_off_ = false;
  bool done_[2] = {false, false};
};

}  // namespace netsetup::trace
