// SPDX-License-Identifier: MIT
// The places of a packet in their order, and a line or two for each.
//
// The trace has no times, and comes late; but a packet passes the host in one order only, so that
// each place has a rank:
//      0 out of the container   10 in by an interface   20 bridge: prerouting
//     25 in by the bridge       30 prerouting, output   50 input, forward
//     60 postrouting            70 out by the bridge    72 bridge: output, postrouting
//     80 out by an interface    90 into the container
// and among the chains of one hook their priorities decide. Between them are what no rule tells:
// conntrack (priority -200 of prerouting and output), the routing decision (after these hooks), and
// NAT, seen where a place has other addresses than the one before. (Where bridge-nf-call-iptables
// is 1, a bridge calls the rules of prerouting itself, before the packet goes up to the host.)
#include "netsetup/tell.h"

#include <arpa/inet.h>  // first: linux/netfilter.h then leaves to it what both have
#include <linux/netfilter.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/text.h"
#include "netsetup/nft.h"

namespace netsetup::trace {

using base::cat;
using conntrack::Tuple;
using nft::Decision;
using Verdict = Decision::Verdict;
using Role = Scene::Link::Role;

namespace {

constexpr int ConntrackPriority = -200;  // NF_IP_PRI_CONNTRACK

enum Rank : int {
  FromContainer = 0,
  In = 10,
  Ingress = 15,
  BridgeFirst = 20,
  UpFromBridge = 25,
  First = 30,
  UpLater = 35,
  Middle = 50,
  BridgeForward = 52,
  Post = 60,
  DownToBridge = 70,
  BridgeOut = 72,
  BridgeLast = 74,
  Egress = 78,
  Out = 80,
  IntoContainer = 90
};

bool is_bridge(const Decision& first) { return first.family == "bridge"; }
bool is_device(const Decision& first) { return first.family == "netdev"; }

/// Of the hooks that a packet passes as one of IP, not as a frame.
bool at_hook(const Decision& first, unsigned hook) {
  return !is_bridge(first) && !is_device(first) && first.hook == hook;
}

int rank(const Decision& first) {
  if (is_device(first)) return first.hook == 0 ? Ingress : Egress;
  const bool bridge = is_bridge(first);
  switch (first.hook) {
    case NF_INET_PRE_ROUTING:
      return bridge ? BridgeFirst : First;
    case NF_INET_LOCAL_IN:
      return bridge ? BridgeFirst : Middle;
    case NF_INET_FORWARD:
      return bridge ? BridgeForward : Middle;
    case NF_INET_LOCAL_OUT:
      return bridge ? BridgeOut : First;
    case NF_INET_POST_ROUTING:
      return bridge ? BridgeLast : Post;
    default:
      return Ingress;
  }
}

std::string_view hook_name(const Decision& first) {
  constexpr std::string_view Names[] = {"prerouting", "input", "forward", "output", "postrouting"};
  if (is_bridge(first)) return "bridge";
  if (is_device(first)) return first.hook == 0 ? "ingress" : "egress";
  if (first.hook >= std::size(Names)) return "ingress";
  const bool early = first.hook == NF_INET_PRE_ROUTING || first.hook == NF_INET_LOCAL_OUT;
  return early && first.priority < ConntrackPriority ? "raw" : Names[first.hook];
}

Scene::Link link_of(const Scene& scene, unsigned index) {
  const auto found = scene.host.find(index);
  return found == scene.host.end() ? Scene::Link{cat("if", index)} : found->second;
}

int rank(const Seen& seen, const Scene& scene) {
  if (seen.inside) return seen.out ? FromContainer : IntoContainer;
  if (link_of(scene, seen.link).role != Role::Bridge) return seen.out ? Out : In;
  if (seen.out) return DownToBridge;
  return scene.bridge_nf ? UpLater : UpFromBridge;
}

/// The stops of WAY in the order of the way.
struct Placed {
  int rank;
  int priority;
  const Seen* seen;
  const Judged* judged;
  const Packet* packet;
};

std::vector<Placed> in_order(const Way& way, const Scene& scene) {
  std::vector<Placed> places;
  for (const Stop& stop : way.stops) {
    if (const auto* seen = std::get_if<Seen>(&stop.what)) {
      places.push_back({rank(*seen, scene), 0, seen, nullptr, &stop.packet()});
      continue;
    }
    const Judged& judged = *std::get<std::shared_ptr<Judged>>(stop.what);
    places.push_back({rank(judged.first), judged.first.priority, nullptr, &judged, &stop.packet()});
  }
  std::ranges::stable_sort(places, [](const Placed& a, const Placed& b) {
    return std::pair(a.rank, a.priority) < std::pair(b.rank, b.priority);
  });
  return places;
}

/// Tells one packet's way, place after place.
class Teller {
 public:
  Teller(const Way& way, const Scene& scene) : way_(way), scene_(scene) {}

  std::vector<Line> tell() {
    for (const Placed& place : in_order(way_, scene_)) {
      tell_between(place);
      if (place.seen != nullptr)
        tell_seen(*place.seen);
      else
        tell_judged(*place.judged);
      last_ = place;
    }
    tell_end();
    return std::move(lines_);
  }

 private:
  void say(std::string step, std::string where, std::string what, std::string why) {
    lines_.push_back({std::move(step), std::move(where), std::move(what), std::move(why)});
  }

  // ------------------------------------------------------------------ what no rule tells

  void tell_between(const Placed& place) {
    if (place.judged != nullptr && at_hook(place.judged->first, NF_INET_LOCAL_OUT) && !hooked_)
      say("local", "", "", "sent by a program of this host");
    const bool later = place.rank > First ||
                       (place.judged != nullptr && hooked_ && place.priority > ConntrackPriority);
    if (hooked_ && later && !tracked_) tell_conntrack();
    if (last_) tell_translation(last_->packet->tuple, place.packet->tuple);
    if (hooked_ && place.rank >= Middle && !routed_) tell_route();
    if (place.judged == nullptr || place.rank != First) return;
    if (!hooked_ && scene_.bridge_nf && !port_.empty())
      say("bridge", "", "", "asks the rules of IP itself: bridge-nf-call-iptables is 1");
    hooked_ = true;
  }

  void tell_conntrack() {
    tracked_ = true;
    if (way_.answer) return say("conntrack", "", "answer", "of a connection that is known");
    if (way_.number > 1) return say("conntrack", "", "known", "");
    if (!scene_.connection)
      return say("conntrack", "", "new",
                 way_.dropped() == nullptr ? "" : "remembered only when it has passed all rules");
    const Tuple& reply = scene_.connection->reply;
    say("conntrack", "", "new",
        cat("its answers will be ", source_text(reply), " -> ", destination_text(reply)));
  }

  void tell_translation(const Tuple& before, const Tuple& after) {
    const auto change = [&](const char* step, const std::string& from, const std::string& to) {
      if (from != to) say(step, "", "", cat(from, " => ", to, way_.number == 1 ? "" : remembered_));
    };
    change(way_.answer ? "un-SNAT" : "DNAT", destination_text(before), destination_text(after));
    change(way_.answer ? "un-DNAT" : "SNAT", source_text(before), source_text(after));
  }

  void tell_route() {
    routed_ = true;
    if (!way_.route) return;
    const auto& route = *way_.route;
    const std::string device = link_of(scene_, route.link).name;
    if (route.error != 0) return say("routing", "", "no way", std::strerror(route.error));
    if (route.local) return say("routing", "", "local", "to an address of this host itself");
    const std::string net =
        route.destination.prefix == 0 ? "the default route" : route.destination.text();
    say("routing", device, "",
        route.gateway ? cat(net, ", by the gateway ", route.gateway->text())
                      : cat(net, ", on the link itself"));
  }

  // ------------------------------------------------------------------------- interfaces

  void say_at(std::int64_t time, std::string step, std::string where, std::string what,
              std::string why) {
    say(std::move(step), std::move(where), std::move(what), std::move(why));
    lines_.back().time = time;
  }

  void tell_seen(const Seen& seen) {
    if (seen.inside) {
      const auto name = scene_.inside.find(seen.link);
      return say_at(seen.time, "container",
                    cat(name == scene_.inside.end() ? "an interface" : name->second, " of ",
                        scene_.container),
                    seen.out ? "out" : "in", headers(seen.packet));
    }
    const auto link = link_of(scene_, seen.link);
    switch (link.role) {
      case Role::Wire:
        return say_at(seen.time, "wire", link.name, seen.out ? "out" : "in", headers(seen.packet));
      case Role::Bridge:
        if (seen.out)
          bridge_ = link.name;
        else
          say_at(seen.time, "bridge", cat(port_, " => ", link.name), "", "up to the host");
        return;
      case Role::Cable:
        break;
    }
    const std::string end =
        link.inside.empty() ? link.container : cat(link.inside, " of ", link.container);
    if (!seen.out) {
      port_ = link.name;
      return say_at(seen.time, "veth", cat(end, " => ", link.name), "", "");
    }
    if (link.bridge != 0)
      say_at(seen.time, "bridge", cat(bridge_.empty() ? port_ : bridge_, " => ", link.name), "",
             bridge_.empty() ? "from port to port" : "");
    say("veth", cat(link.name, " => ", end), "", "");
    if (link.bridge == 0) lines_.back().time = seen.time;
  }

  static std::string headers(const Packet& packet) {
    return cat(source_text(packet.tuple), " -> ", destination_text(packet.tuple), ", ttl ",
               packet.ttl);
  }

  // ----------------------------------------------------------------------------- rules

  void tell_judged(const Judged& judged) {
    std::string step(hook_name(judged.first));
    for (const Decision& decision : judged.decisions) {
      if (decision.ours() || decision.table == nft::FlowsTable) return;
      // Some kernels tell of a chain's end before its policy.
      if (decision.handle == 0 && !decision.policy && decision.chain == judged.first.chain)
        continue;
      const bool own = decision.family == "inet" && decision.table == nft::TableName;
      say(std::exchange(step, ""), own ? decision.chain : chain_text(decision), verdict(decision),
          reason(decision));
      lines_.back().decision = decision;
    }
  }

  static std::string verdict(const Decision& decision) {
    switch (decision.verdict) {
      case Verdict::Accept:
        return "accept";
      case Verdict::Drop:
        return "DROP";
      case Verdict::Jump:
        return cat("-> ", decision.target);
      case Verdict::Return:
        return "return";
      case Verdict::Continue:
        return decision.handle == 0 ? "return" : "continue";
      case Verdict::Other:
        return "queue";
    }
    return "";
  }

  static std::string reason(const Decision& decision) {
    if (decision.handle != 0) return decision.says;
    if (!decision.policy) return "no rule of it decides";
    return decision.verdict == Verdict::Drop ? "its policy: no rule has accepted it"
                                             : "its policy: no rule decides";
  }

  // --------------------------------------------------------------------------- the end

  void tell_end() {
    if (const Decision* dropped = way_.dropped()) return tell_drop(*dropped);
    if (!last_) return;
    const bool local = last_->judged != nullptr && at_hook(last_->judged->first, NF_INET_LOCAL_IN);
    if (local) return say("local", "", "", "received by this host");
    if (last_->rank >= DownToBridge) return;
    if (last_->rank >= Post) {
      // Of a connection that is known, the taps may not have been looking for all packets yet.
      if (way_.number == 1)
        say("LOST", "", "", "no interface sent it: nobody answers for its next hop (see ip neigh)");
      return;
    }
    say("LOST", "", "", "here it was seen for the last time, and no rule of nf_tables dropped it");
  }

  void tell_drop(const Decision& decision) {
    std::string what = decision.policy ? cat("by the policy of the chain ", decision.chain)
                                       : cat("by a rule of the chain ", decision.chain);
    what += cat(", table ", decision.family, ' ', decision.table);
    const auto owner = scene_.owners.find(chain_text(decision));
    if (owner != scene_.owners.end() && !owner->second.empty())
      what += cat(": ", owner->second, "'s");
    say("DROPPED", "", "", what);
    if (!decision.policy) say("", "", "the rule:", decision.says);
    say("", "", "to see it:", cat("nft -a list chain ", chain_text(decision)));
  }

  const Way& way_;
  const Scene& scene_;
  const std::string remembered_ = ", as conntrack remembers: no rule is asked";
  std::vector<Line> lines_;
  std::optional<Placed> last_;
  std::string bridge_, port_;  // that it came by
  bool hooked_ = false;        // it came to the hooks of IP
  bool tracked_ = false;       // conntrack has been told
  bool routed_ = false;
};

}  // namespace

std::vector<Line> tell(const Way& way, const Scene& scene) { return Teller(way, scene).tell(); }

Tuple first_tuple(const Way& way, const Scene& scene) {
  const auto places = in_order(way, scene);
  return places.empty() ? way.packet.tuple : places.front().packet->tuple;
}

std::string headline(const Way& way, const Scene& scene) {
  const Tuple tuple = first_tuple(way, scene);
  return cat(kind_text(way.packet), "  ", source_text(tuple), " -> ", destination_text(tuple));
}

std::optional<RouteQuestion> route_question(const Way& way) {
  const Judged* asked = nullptr;  // the last before the decision
  const Judged* after = nullptr;  // the first after it
  const auto later = [](const Judged* a, const Judged& b) {
    return a == nullptr || a->first.priority < b.first.priority;
  };
  for (const Stop& stop : way.stops) {
    const auto* judged = std::get_if<std::shared_ptr<Judged>>(&stop.what);
    if (judged == nullptr || is_bridge((*judged)->first) || is_device((*judged)->first)) continue;
    const Judged& one = **judged;
    if (rank(one.first) == First && later(asked, one)) asked = &one;
    if (rank(one.first) > First && !(after != nullptr && later(after, one))) after = &one;
  }
  if (asked == nullptr) return std::nullopt;
  // After NAT the addresses are those of the next hook.
  const Tuple& tuple = (after != nullptr ? after : asked)->first.packet->tuple;
  const Tuple& before = asked->first.packet->tuple;
  const bool sent = asked->first.hook == NF_INET_LOCAL_OUT;
  return RouteQuestion{tuple.destination, before.source, sent ? 0 : asked->first.in};
}

std::string chain_text(const Decision& decision) {
  return cat(decision.family, ' ', decision.table, ' ', decision.chain);
}

}  // namespace netsetup::trace
