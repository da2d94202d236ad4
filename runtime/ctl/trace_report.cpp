// SPDX-License-Identifier: MIT
#include "runtime/ctl/trace_report.h"

#include <linux/netlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/say.h"
#include "base/text.h"
#include "netsetup/nft.h"
#include "netsetup/rtnl.h"
#include "netsetup/sysctl.h"
#include "runtime/ctl/table.h"

namespace runtime::ctl {

using base::cat;
using netsetup::nft::Decision;
using netsetup::trace::Judged;
using netsetup::trace::Line;
using netsetup::trace::Scene;
using netsetup::trace::Way;
using nlohmann::json;

namespace {

/// "+44 us"; from ten milliseconds on "+12.3 ms".
std::string duration_text(std::int64_t nanoseconds) {
  const std::int64_t us = nanoseconds / 1000;
  if (us < 10'000) return cat(us, " us");
  return cat(us / 1000, '.', us / 100 % 10, " ms");
}

/// What the names of chains and tables betray.
std::string owner_of(const std::string& name) {
  constexpr std::pair<std::string_view, const char*> Marks[] = {
      {"mini_run", "mini-run"}, {"DOCKER", "Docker"},       {"docker", "Docker"},
      {"ufw", "ufw"},           {"firewalld", "firewalld"}, {"filter_FORWARD", "firewalld"},
      {"KUBE-", "Kubernetes"},  {"LIBVIRT", "libvirt"},     {"libvirt", "libvirt"},
      {"NETAVARK", "Podman"},   {"netavark", "Podman"},     {"CNI-", "CNI"}};
  for (const auto& [mark, owner] : Marks)
    if (name.starts_with(mark)) return owner;
  return "";
}

std::string owner_of(const Decision& decision, netsetup::nft::Tracer& tracer) {
  for (const auto& name : {decision.chain, decision.table})
    if (std::string owner = owner_of(name); !owner.empty()) return owner;
  std::vector<std::string> owners;
  for (const auto& chain : tracer.chains(decision.family, decision.table)) {
    const std::string owner = owner_of(chain);
    if (!owner.empty() && std::ranges::find(owners, owner) == owners.end()) owners.push_back(owner);
  }
  return base::join(owners, " and ");
}

template <class Function>
void for_each_decision(Way& way, const Function& function) {
  for (auto& stop : way.stops)
    if (const auto* judged = std::get_if<std::shared_ptr<Judged>>(&stop.what))
      for (Decision& decision : (*judged)->decisions) function(decision);
}

json to_json(const Line& line, std::int64_t first) {
  json j = {{"step", line.step}, {"where", line.where}, {"what", line.what}, {"why", line.why}};
  if (line.time) j["nanoseconds"] = *line.time - first;
  if (!line.decision) return j;
  j["family"] = line.decision->family;
  j["table"] = line.decision->table;
  j["chain"] = line.decision->chain;
  if (line.decision->handle != 0) j["handle"] = line.decision->handle;
  return j;
}

json to_json(const netsetup::conntrack::Tuple& tuple) {
  return {{"from", netsetup::source_text(tuple)}, {"to", netsetup::destination_text(tuple)}};
}

}  // namespace

TraceReport::TraceReport(const Container& container, std::string what, bool all, bool as_json)
    : what_(std::move(what)), all_(all), as_json_(as_json) {
  scene_.container = container.name;
  for (const auto& network : container.description.networks) cables_[network.veth] = network.link;
}

void TraceReport::look_inside() {
  netsetup::netlink::Socket route(NETLINK_ROUTE);
  for (const auto& link : netsetup::rtnl::links(route)) scene_.inside[link.index] = link.name;
}

/// The host's interfaces. What has gone meanwhile, as a neighbour's cable, stays known.
void TraceReport::look_around() {
  using Role = Scene::Link::Role;
  netsetup::netlink::Socket route(NETLINK_ROUTE);
  for (const auto& link : netsetup::rtnl::links(route)) {
    Scene::Link known{link.name, link.kind == "bridge" ? Role::Bridge : Role::Wire, "", "",
                      link.master};
    const auto cable = cables_.find(link.name);
    if (cable != cables_.end()) {
      known.role = Role::Cable;
      known.container = scene_.container;
      known.inside = cable->second;
    } else if (link.kind == "veth" && !link.alias.empty() && link.name.starts_with("mr-")) {
      known.role = Role::Cable;
      known.container = link.alias;
    }
    scene_.host[link.index] = std::move(known);
  }
}

void TraceReport::explain(Way& way, netsetup::nft::Tracer& tracer) {
  for_each_decision(way, [&](Decision& decision) {
    if (!decision.ours() && decision.table != netsetup::nft::FlowsTable) tracer.explain(decision);
  });
  if (const Decision* dropped = way.dropped())
    scene_.owners[netsetup::trace::chain_text(*dropped)] = owner_of(*dropped, tracer);
  if (const auto question = route_question(way)) {
    netsetup::netlink::Socket route(NETLINK_ROUTE);
    way.route = netsetup::rtnl::look_up(route, question->to, question->from, question->in);
  }
}

void TraceReport::add(Way& way, netsetup::nft::Tracer& tracer,
                      const std::optional<netsetup::conntrack::Connection>& connection) {
  if (first_ == 0) {
    first_ = way.time;
    tcp_ = way.packet.tuple.protocol == IPPROTO_TCP;
  }
  if (way.timed()) last_ = std::max(last_, way.time);
  if (way.answer && !told_[1]) refused_ = tcp_ && (way.packet.flags & TH_RST) != 0;
  const bool dropped = way.dropped() != nullptr;
  if (!all_ && !dropped && std::exchange(told_[way.answer ? 1 : 0], true)) {
    ++untold_;
    return;
  }
  dropped_ = dropped_ || dropped;
  look_around();
  const bool v4 = way.packet.tuple.source.family == netsetup::Family::V4;
  scene_.bridge_nf = netsetup::read_sysctl(v4 ? "net.bridge.bridge-nf-call-iptables"
                                              : "net.bridge.bridge-nf-call-ip6tables") == "1";
  scene_.connection = connection;
  explain(way, tracer);
  show(way);
}

void TraceReport::show(const Way& way) {
  const auto lines = netsetup::trace::tell(way, scene_);
  if (as_json_) {
    json told = json::array();
    for (const Line& line : lines) told.push_back(to_json(line, first_));
    json_.push_back({{"number", way.number},
                     {"answer", way.answer},
                     {"packet", kind_text(way.packet)},
                     {"dropped", way.dropped() != nullptr},
                     {"nanoseconds", way.time - first_},
                     {"way", told}});
    json_.back().update(to_json(netsetup::trace::first_tuple(way, scene_)));
    return;
  }
  std::vector<std::vector<std::string>> rows;
  std::size_t places = 0;
  for (const Line& line : lines) {
    const bool goes_on = line.step.empty() && !line.decision;  // of the line above
    const std::string number = goes_on ? "" : std::to_string(++places);
    const std::string time =
        line.time ? cat('+', duration_text(*line.time - first_)) : std::string();
    rows.push_back({cat("  ", number.size() < 2 ? " " : "", number), line.step, line.where,
                    line.what, time, line.why});
  }
  print(cat("#", way.number, "  ", headline(way, scene_), "\n", table(rows, terminal_width())));
}

void TraceReport::end(const netsetup::trace::Follower& follower, bool lost) {
  if (lost) base::say("the kernel told more than could be heard: some of it is missing here");
  if (!follower.begun() && !as_json_) {
    base::say("no connection came");
    return;
  }
  std::string state = dropped_               ? "dropped"
                      : refused_             ? "refused"
                      : !follower.answered() ? "no answer"
                      : follower.closed()    ? "closed"
                                             : "open";
  if (as_json_) {
    json j = {{"trace", what_},
              {"container", scene_.container},
              {"packets", json_},
              {"more_packets", untold_},
              {"end", follower.begun() ? state : "no connection"},
              {"complete", !lost}};
    if (const auto connection = follower.connection())
      j["connection"] = {{"original", to_json(connection->original)},
                         {"reply", to_json(connection->reply)}};
    return print_json(j);
  }
  const std::string time = duration_text(last_ - first_);
  const std::string more = untold_ == 0 ? "" : cat(untold_, " more packets; ");
  if (state == "closed") state = cat("closed after ", time);
  if (state == "open") state = tcp_ ? cat("still open after ", time) : cat("all within ", time);
  if (state == "refused") state = cat("refused: nobody in ", scene_.container, " listens there");
  if (state == "no answer") state = "no answer came";
  print(cat(more, state, "\n"));
}

}  // namespace runtime::ctl
