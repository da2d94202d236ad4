// SPDX-License-Identifier: MIT
// Events put together to packets: see follow.h.
#include "netsetup/follow.h"

#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <utility>

namespace netsetup::trace {

using conntrack::Connection;
using conntrack::Tuple;

namespace {

constexpr std::size_t MostWaiting = 512;  // events of which it is not known yet whose they are

template <class Item>
void push_bounded(std::deque<Item>& items, Item item) {
  items.push_back(std::move(item));
  if (items.size() > MostWaiting) items.pop_front();
}

bool contains(const std::vector<Ip>& addresses, const Ip& address) {
  return std::ranges::find(addresses, address) != addresses.end();
}

}  // namespace

const Packet& Stop::packet() const {
  if (const auto* seen = std::get_if<Seen>(&what)) return seen->packet;
  return *std::get<std::shared_ptr<Judged>>(what)->first.packet;
}

bool Stop::same_place(const Stop& other) const {
  if (what.index() != other.what.index()) return false;
  if (const auto* seen = std::get_if<Seen>(&what)) {
    const auto& second = std::get<Seen>(other.what);
    return seen->inside == second.inside && seen->link == second.link && seen->out == second.out;
  }
  const auto& first = std::get<std::shared_ptr<Judged>>(what)->first;
  const auto& second = std::get<std::shared_ptr<Judged>>(other.what)->first;
  return first.family == second.family && first.table == second.table &&
         first.chain == second.chain;
}

bool Way::timed() const {
  return std::ranges::any_of(
      stops, [](const Stop& stop) { return std::holds_alternative<Seen>(stop.what); });
}

const nft::Decision* Way::dropped() const {
  for (const Stop& stop : stops) {
    const auto* judged = std::get_if<std::shared_ptr<Judged>>(&stop.what);
    if (judged == nullptr || (*judged)->decisions.empty()) continue;
    const auto& last = (*judged)->decisions.back();
    if (last.verdict == nft::Decision::Verdict::Drop) return &last;
  }
  return nullptr;
}

bool Subject::concerns(const Packet& packet) const {
  const Tuple& tuple = packet.tuple;
  const bool to_it = contains(addresses, tuple.destination);
  if (!ports_only && (to_it || contains(addresses, tuple.source))) return true;
  if (to_it || !(contains(own, tuple.destination) || tuple.destination.is_loopback())) return false;
  return std::ranges::any_of(ports, [&](const PublishedPort& port) {
    return static_cast<std::uint8_t>(port.protocol) == tuple.protocol &&
           port.host_ports().contains(tuple.destination_port) &&
           port.serves(tuple.destination.family) &&
           (port.on_any_address() || *port.host_address == tuple.destination);
  });
}

Follower::Follower(Subject subject, const std::vector<Connection>& known)
    : subject_(std::move(subject)) {
  for (const auto& connection : known)
    for (const Tuple& tuple : {connection.original, connection.reply}) {
      known_.insert(tuple);
      known_.insert(tuple.reversed());
    }
}

bool Follower::is_first(const Packet& packet) const {
  switch (packet.tuple.protocol) {
    case IPPROTO_TCP:
      return packet.is_syn();
    case IPPROTO_UDP:
      return !known_.contains(packet.tuple);
    default:
      return packet.flags == ICMP_ECHO || packet.flags == ICMP6_ECHO_REQUEST;
  }
}

void Follower::add(const Seen& seen, std::int64_t now) { add_stop({seen}, now); }

void Follower::add(const nft::Decision& decision, std::int64_t now) {
  if (decision.packet) {
    if (open_.size() > MostWaiting) open_.clear();
    auto judged = std::make_shared<Judged>(Judged{decision, {decision}});
    open_[decision.id] = judged;
    add_stop({std::move(judged)}, now);
    return;
  }
  // The kernel tells the headers once in a base chain: this is what followed there.
  const auto open = open_.find(decision.id);
  if (open != open_.end() && open->second) open->second->decisions.push_back(decision);
}

void Follower::add(const Connection& connection) { push_bounded(connections_, connection); }

std::optional<Connection> Follower::connection() const {
  const auto found = std::ranges::find_if(
      connections_, [&](const Connection& each) { return forward_.contains(each.original); });
  if (found == connections_.end()) return std::nullopt;
  return *found;
}

void Follower::add_stop(Stop stop, std::int64_t now) {
  const Packet& packet = stop.packet();
  if (!begun() && is_first(packet) && subject_.concerns(packet)) forward_.insert(packet.tuple);
  if (!begun() || !place(stop, now)) return push_bounded(waiting_, std::move(stop));
  // What was heard too early may be known for the connection's now.
  while (std::exchange(news_, false))
    std::erase_if(waiting_, [&](const Stop& early) { return place(early, now); });
}

/// The oldest packet that it may be and that was not there yet; else it is a new one, where the
/// addresses are the connection's. False: it is none of this connection, as far as is known.
bool Follower::place(const Stop& stop, std::int64_t now) {
  const Packet& packet = stop.packet();
  const bool forward = forward_.contains(packet.tuple);
  const bool answer = !forward && forward_.contains(packet.tuple.reversed());
  for (Way& way : ways_) {
    if ((way.answer ? forward : answer) || !way.packet.same_as(packet)) continue;
    if (std::ranges::any_of(way.stops, [&](const Stop& s) { return s.same_place(stop); })) continue;
    join(way, stop, now);
    return true;
  }
  if (!forward && !answer) return false;
  Way way;
  way.answer = answer;
  way.packet = packet;
  ways_.push_back(std::move(way));
  join(ways_.back(), stop, now);
  return true;
}

void Follower::join(Way& way, const Stop& stop, std::int64_t now) {
  const Packet& packet = stop.packet();
  const bool first = way.stops.empty();
  const Tuple tuple = way.answer ? packet.tuple.reversed() : packet.tuple;
  news_ = forward_.insert(tuple).second || first || news_;
  way.stops.push_back(stop);
  way.heard = heard_ = now;
  if (const auto* seen = std::get_if<Seen>(&stop.what))
    way.time = way.time == 0 ? seen->time : std::min(way.time, seen->time);
  answered_ = answered_ || way.answer;
  if (packet.tuple.protocol != IPPROTO_TCP) return;
  broken_off_ = broken_off_ || (packet.flags & TH_RST) != 0;
  if ((packet.flags & TH_FIN) != 0) done_[way.answer ? 1 : 0] = true;
}

std::vector<Way> Follower::take(std::int64_t before) {
  for (Way& way : ways_)
    if (!way.timed()) way.time = way.heard;
  std::ranges::stable_sort(ways_, {}, &Way::time);
  std::vector<Way> ready;
  while (!ways_.empty() && ways_.front().heard < before) {
    ways_.front().number = ++numbers_;
    ready.push_back(std::move(ways_.front()));
    ways_.pop_front();
  }
  return ready;
}

}  // namespace netsetup::trace
