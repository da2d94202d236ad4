// SPDX-License-Identifier: MIT
// The plan in words: why each step is taken, and what it is called in an error. Every visit here is
// exhaustive: a noun without text does not compile.
#include "base/text.h"
#include "netsetup/explain.h"
#include "netsetup/netns_name.h"
#include "netsetup/nft.h"
#include "netsetup/plan.h"

namespace netsetup {

using base::cat;

namespace {

std::string why(const Sysctl& sysctl) {
  const std::string_view key = sysctl.key;
  if (key.ends_with("route_localnet"))
    return "Answers to 127.0.0.1 may come back over the bridge: so the host's loopback can reach "
           "the port.";
  if (key.ends_with("disable_ipv6"))
    return sysctl.value == "0"
               ? "The network has IPv6 too."
               : "The network has IPv4 only: no address of the host's that is reached unseen.";
  if (key.ends_with("accept_ra"))
    return sysctl.value == "0"
               ? "No neighbour can give it a route by an IPv6 router advertisement."
               : "A host that forwards takes router advertisements only where this is 2: it keeps "
                 "its own way out.";
  if (key == "net.ipv6.conf.all.forwarding")
    return "IPv6 is forwarded by the whole host or not at all, before Linux 6.17.";
  if (key.ends_with("force_forwarding"))
    return "IPv6 packets that come in here may be routed on; the host stays no router.";
  if (key.ends_with("ping_group_range"))
    return "Everybody in the container may ping, without the right to forge packets.";
  if (key.ends_with("ip_unprivileged_port_start"))
    return "Port 80 needs no privilege in here: the ports are the container's own.";
  return "Packets that come in here may be routed on; the global ip_forward stays as it is.";
}

std::string why(const RuleSet& /*noun*/) {
  return "The rules, which never change: DNAT by a map, masquerade, and what may be "
         "forwarded.";
}

std::string why(const OpenedInterface& opened) {
  return cat("What comes in by ", opened.name,
             " and is neither for nor from a container stays closed.");
}

std::string why(const OpenedHost& /*noun*/) {
  return "What of IPv6 is neither for nor from a container stays closed.";
}

std::string why(const LoopbackGate& /*noun*/) {
  return "Ports published on [::1] are served: no bridge hands its packets to iptables "
         "(net.bridge.bridge-nf-call-ip6tables), which would lose the answers.";
}

std::string why(const Bridge& /*noun*/) {
  return "A bridge is a switch in the kernel. Its own MAC, since it would else take its lowest "
         "port's.";
}

std::string why(const NetworkRules& /*noun*/) {
  return "Tells the rules which bridge is ours and which addresses live behind it.";
}

std::string why(const FirewallException& e) {
  return cat("The chain ", e.chain, " is for exceptions: without one, ", e.table,
             " would drop what is forwarded.");
}

std::string why(const NetnsDirectory& /*noun*/) {
  return "Where `ip netns` looks for names, so that it lists the containers.";
}

std::string why(const Namespace& /*noun*/) {
  return "The container's own interfaces, routes, ports (clone3 with CLONE_NEWNET).";
}

std::string why(const PortGuard& /*noun*/) {
  return "What comes in by its port bears the container's own addresses, or is dropped: "
         "it cannot speak in the name of others.";
}

std::string why(const Veth& /*noun*/) {
  return "A cable: one end is a port of the bridge, the other is born inside as eth0.";
}

std::string why(const Port& /*noun*/) {
  return "The cable was pulled out of its bridge: it belongs in there.";
}

std::string why(const Alias& /*noun*/) { return "So that `ip link` tells whose cable it is."; }

std::string why(const Hairpin& /*noun*/) {
  return "The container may reach itself by its published port: back out by the port it came in.";
}

std::string why(const Isolated& /*noun*/) {
  return "Neighbours cannot talk to each other: isolated ports pass nothing to each "
         "other.";
}

std::string why(const LinkUp& link) {
  if (link.link == "lo") return "127.0.0.1 inside: also loopback starts down.";
  return "An interface starts down; up, it moves packets.";
}

std::string why(const Address& address, Where where) {
  if (where == Where::Host) return "The host joins the network: this is the containers' gateway.";
  return cat("The container's address, leased for as long as it lives, on ", address.link, ".");
}

std::string why(const DefaultRoute& /*noun*/) {
  return "The way out: everything that is not on the bridge goes to the host.";
}

std::string why(const LoopbackRoute& /*noun*/) {
  return "What containers answer to the host's [::1] comes in by the bridge and is for "
         "the "
         "host.";
}

std::string why(const NameServer& /*noun*/) {
  return "Who asks 127.0.0.11 for a name asks mini-run; port 53 in here stays free.";
}

std::string why(const Publish& /*noun*/) {
  return "The way in: DNAT from the host's port to the container's, one map element "
         "for each port or range; fails if taken.";
}

std::string why(const HostPorts& /*noun*/) {
  return "The container reaches these ports of the host's loopback at its gateway, which "
         "is host.mini.internal.";
}

std::string why(const Flows& flows) {
  if (flows.address) return "Connections of a container that is gone get a reset.";
  return "A sender that was there before the port was published is translated too.";
}

}  // namespace

std::string reason(const Step& step) {
  return std::visit(Overloaded{[&](const Address& address) { return why(address, step.where); },
                               [](const auto& noun) { return why(noun); }},
                    step.object);
}

std::string title(const Step& step) {
  const std::string verb = step.verb == Verb::Create ? "set up " : "remove ";
  return verb +
         std::visit(
             Overloaded{
                 [](const RuleSet&) -> std::string { return "the rule set"; },
                 [](const OpenedInterface& o) { return cat("the guard of ", o.name); },
                 [](const OpenedHost&) -> std::string { return "the guard of IPv6"; },
                 [](const LoopbackGate&) -> std::string { return "the gate of [::1]"; },
                 [](const Sysctl& s) { return cat(s.key, "=", s.value); },
                 [](const Bridge& b) { return cat("the bridge ", b.name); },
                 [](const NetworkRules& r) { return cat("the rules of ", r.network.bridge); },
                 [](const FirewallException& e) {
                   return cat("the exception in the chain ", e.chain);
                 },
                 [](const NetnsDirectory&) -> std::string { return netns_name::Directory; },
                 [](const Namespace& n) { return cat("the namespace of ", n.name); },
                 [](const PortGuard& g) { return cat("the guard of ", g.link); },
                 [](const Veth& v) { return cat("the veth pair ", v.name); },
                 [](const Port& p) { return cat("the port ", p.link, " of ", p.bridge); },
                 [](const Alias& a) { return cat("the alias of ", a.link); },
                 [](const Hairpin& h) { return cat("hairpin on ", h.link); },
                 [](const Isolated& i) { return cat("isolation of ", i.link); },
                 [](const LinkUp& l) { return cat("the link ", l.link); },
                 [](const Address& a) { return cat("the address ", a.cidr.text()); },
                 [](const DefaultRoute& r) { return cat("the route by ", r.gateway.text()); },
                 [](const LoopbackRoute& r) { return cat("the route to ::1 by ", r.link); },
                 [](const NameServer&) -> std::string { return "the name server"; },
                 [](const Publish& p) {
                   std::vector<std::string> ports;
                   for (const auto& port : p.ports) ports.push_back(port.text());
                   return cat("the published ", base::join(ports, ", "));
                 },
                 [](const HostPorts& h) { return cat("the host's ports for ", h.comment); },
                 [](const Flows&) -> std::string { return "remembered connections"; },
             },
             step.object);
}

}  // namespace netsetup
