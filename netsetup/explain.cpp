// SPDX-License-Identifier: MIT
// The plan in words. Every visit here is exhaustive: a noun without text does not compile.
#include "netsetup/explain.h"

#include <map>

#include "base/text.h"
#include "netsetup/netns_name.h"
#include "netsetup/nft.h"
#include "netsetup/plan.h"

namespace netsetup {

using base::cat;
using base::shell_quote;

namespace {

/// "ip" on the host, "ip -n NAME" for the container's namespace.
std::string ip(const Step& step, std::string_view container) {
  return step.where == Where::Host ? "ip" : cat("ip -n ", shell_quote(container));
}

std::string nft_statement(std::string_view verb, std::string_view set, std::string_view element,
                          std::string_view family = "inet") {
  return cat(verb, " element ", family, " ", nft::TableName, " ", set, " { ", element, " }");
}

/// `nft 'A; B'`: several statements of one command are one transaction.
std::string nft_command(const std::vector<std::string>& statements) {
  return cat("nft ", shell_quote(base::join(statements, "; ")));
}

std::string_view element_verb(const Step& step) {
  return step.verb == Verb::Create ? "add" : "delete";
}

std::string_view digit(Family family) { return family == Family::V4 ? "4" : "6"; }

std::string publish_command(const Step& step, const Publish& publish) {
  const std::string_view verb = step.verb == Verb::Create ? "create" : "delete";
  std::map<std::string, std::vector<std::string>> elements;  // by map
  for (const auto& port : publish.ports) {
    for (const auto& container : publish.container) {
      if (!port.serves(container.family)) continue;
      const bool any = !port.host_address || port.host_address->is_any();
      std::string element = any ? "" : cat(port.host_address->text(), " . ");
      element += cat(text(port.protocol), " . ", port.host_port);
      if (step.verb == Verb::Create)
        element += cat(" comment \"", publish.comment, "\" : ", container.text(), " . ",
                       port.container_port);
      elements[cat("pub", digit(container.family), any ? "_any" : "_addr")].push_back(element);
    }
  }
  std::vector<std::string> statements;
  for (const auto& [map, all] : elements)
    statements.push_back(nft_statement(verb, map, base::join(all, ", ")));
  return nft_command(statements);
}

std::string host_ports_command(const Step& step, const HostPorts& host) {
  std::vector<std::string> elements;
  for (const auto port : host.ports) {
    elements.push_back(cat(host.address.text(), " . tcp . ", port));
    if (step.verb == Verb::Create)
      elements.back() += cat(" comment \"", host.comment, "\" : 127.0.0.1 . ", port);
  }
  return nft_command({nft_statement(element_verb(step), "host_ports", base::join(elements, ", "))});
}

std::string rules_command(const Step& step, const NetworkRules& rules) {
  const auto& network = rules.network;
  const std::string bridge = cat("\"", network.bridge, "\"");
  const std::string_view verb = element_verb(step);
  std::vector<std::string> statements = {
      nft_statement(verb, "bridges", bridge),
      nft_statement(verb, "same_net", cat(bridge, " . ", bridge))};
  if (network.internal) statements.push_back(nft_statement(verb, "internal", bridge));
  for (const auto& gateway : network.gateways) {
    const auto family = digit(gateway.address.family);
    const std::string subnet = Cidr{gateway.first(), gateway.prefix}.text();
    statements.push_back(nft_statement(verb, cat("subnet", family), subnet));
    statements.push_back(nft_statement(verb, cat("own", family), cat(bridge, " . ", subnet)));
    statements.push_back(
        nft_statement(verb, cat("gateway", family), cat(bridge, " : ", gateway.address.text())));
    if (gateway.address.family == Family::V4)
      statements.push_back(
          nft_statement(verb, "gateways4", cat(bridge, " . ", gateway.address.text())));
  }
  return nft_command(statements);
}

/// ADDRESS as one number, without the 0x.
std::string hex(const Ip& address) {
  constexpr std::string_view Digits = "0123456789abcdef";
  std::string text;
  for (const unsigned byte : address.wire()) {
    text += Digits[byte >> 4U];
    text += Digits[byte & 0xfU];
  }
  return text;
}

std::string guard_command(const Step& step, const PortGuard& guard) {
  const std::string link = cat("\"", guard.link, "\"");
  const std::string own = cat(link, " . ", guard.mac.text(), " . ");
  std::vector<std::string> own6 = {cat(own, "::")};
  std::vector<std::string> own4, target6;
  for (const auto& address : guard.addresses) {
    (address.family == Family::V4 ? own4 : own6).push_back(cat(own, address.text()));
    if (address.family == Family::V6) target6.push_back(cat(link, " . 0x", hex(address)));
  }
  const auto statement = [&](std::string_view set, const std::vector<std::string>& elements) {
    return nft_statement(element_verb(step), set, base::join(elements, ", "), "bridge");
  };
  return nft_command({statement("ports", {link}), statement("own4", own4), statement("own6", own6),
                      statement("target6", target6)});
}

std::string exception_command(const Step& step, const FirewallException& exception) {
  const std::string where = cat(exception.family, " ", exception.table, " ", exception.chain);
  const std::string mark = cat("comment \"", nft::TableComment, "\"");
  if (step.verb == Verb::Delete)
    return cat("nft -a list chain ", where, " | sed -n 's/.*ifname \"", exception.interface, "\".*",
               mark, " # handle //p' | xargs -rn1 nft delete rule ", where, " handle");
  const std::string add = exception.before == 0
                              ? cat("add rule ", where)
                              : cat("insert rule ", where, " position ", exception.before);
  const std::string accept = cat(" \"", exception.interface, "\" counter accept ", mark);
  return nft_command({cat(add, " iifname", accept), cat(add, " oifname", accept)});
}

std::string opened_command(const Step& step, const OpenedInterface& opened) {
  const std::string name = cat("\"", opened.name, "\"");
  const std::string_view family = opened.family == Family::V4 ? "ipv4" : "ipv6";
  std::vector<std::string> statements = {
      nft_statement(element_verb(step), "opened", cat(name, " . ", family))};
  if (opened.bridge)
    statements.push_back(nft_statement(element_verb(step), "same_net", cat(name, " . ", name)));
  return nft_command(statements);
}

std::string sysctl_command(const Step& step, const Sysctl& sysctl, std::string_view container) {
  // -e: Linux before 6.17 has no force_forwarding.
  const std::string_view options =
      sysctl.key.ends_with("force_forwarding") ? "sysctl -qew " : "sysctl -qw ";
  const std::string set = cat(options, shell_quote(cat(sysctl.key, "=", sysctl.value)));
  return step.where == Where::Host ? set : cat("ip netns exec ", shell_quote(container), " ", set);
}

std::string flows_command(const Flows& flows) {
  // conntrack(8) exits with 1 where there was nothing to delete.
  if (flows.address)
    return cat("conntrack -D -s ", flows.address->text(), " || true; conntrack -D -r ",
               flows.address->text(), " || true");
  std::vector<std::string> commands;
  for (const auto port : flows.udp_ports)
    commands.push_back(cat("conntrack -D -p udp --orig-port-dst ", port, " || true"));
  return base::join(commands, "; ");
}

/// The translation of nft_names.cpp. The payload of a packet is written to: neither conntrack nor
/// NAT has to be there for it.
std::string name_server_command(std::string_view container) {
  const std::string table = cat(" ip ", nft::NamesTable);
  const auto chain = [&](std::string_view name, std::string_view priority) {
    return cat("add chain", table, " ", name, " { type filter hook output priority ", priority,
               "; policy accept; }");
  };
  const auto rule = [&](std::string_view name, std::string_view field, std::string_view port,
                        std::uint16_t from, std::uint16_t to) {
    return cat("add rule", table, " ", name, " ip ", field, " ", NameServer::address().text(), " ",
               port, " ", from, " ", port, " set ", to);
  };
  std::vector<std::string> statements = {
      cat("add table", table, " { comment \"", nft::NamesComment, "\"; }"),
      chain("question", "raw"), chain("answer", "mangle")};
  for (const std::string_view protocol : {"udp", "tcp"}) {
    statements.push_back(
        rule("question", "daddr", cat(protocol, " dport"), NameServer::Port, NameServer::OwnPort));
    statements.push_back(
        rule("answer", "saddr", cat(protocol, " sport"), NameServer::OwnPort, NameServer::Port));
  }
  return cat("ip netns exec ", shell_quote(container), " ", nft_command(statements));
}

std::string sysctl_reason(const Sysctl& sysctl) {
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

}  // namespace

std::string command(const Step& step, std::string_view container) {
  const bool create = step.verb == Verb::Create;
  return std::visit(
      Overloaded{
          [&](const RuleSet&) {
            return create ? std::string("nft -f configs/ruleset.nft")
                          : nft_command({cat("delete table inet ", nft::TableName),
                                         cat("delete table bridge ", nft::TableName)});
          },
          [&](const OpenedInterface& opened) { return opened_command(step, opened); },
          [&](const OpenedHost&) {
            return nft_command({nft_statement(element_verb(step), "opened_host", "ipv6")});
          },
          [&](const LoopbackGate&) {
            return nft_command({nft_statement(element_verb(step), "loopback6", "\"lo\"")});
          },
          [&](const Sysctl& sysctl) { return sysctl_command(step, sysctl, container); },
          [&](const Bridge& bridge) {
            return create ? cat("ip link add ", bridge.name, " address ", bridge.mac.text(),
                                " mtu ", bridge.mtu, " type bridge")
                          : cat("ip link delete ", bridge.name);
          },
          [&](const NetworkRules& rules) { return rules_command(step, rules); },
          [&](const FirewallException& exception) { return exception_command(step, exception); },
          [&](const NetnsDirectory&) {
            return cat(create ? "mkdir -p " : "rmdir ", netns_name::Directory);
          },
          [&](const Namespace& space) {
            return cat("ip netns ", create ? "add " : "delete ", shell_quote(space.name));
          },
          [&](const PortGuard& guard) { return guard_command(step, guard); },
          [&](const Veth& veth) {
            return create ? cat("ip link add ", veth.name, " address ", veth.mac.text(), " mtu ",
                                veth.mtu, " master ", veth.bridge, " up type veth peer name ",
                                veth.peer, " address ", veth.peer_mac.text(), " mtu ", veth.mtu,
                                " netns ", shell_quote(container))
                          : cat("ip link delete ", veth.name);
          },
          [&](const Port& port) {
            return create ? cat("ip link set ", port.link, " master ", port.bridge)
                          : cat("ip link set ", port.link, " nomaster");
          },
          [&](const Alias& alias) {
            return cat("ip link set ", alias.link, " alias ", shell_quote(alias.text));
          },
          [&](const Hairpin& hairpin) {
            return cat("bridge link set dev ", hairpin.link, " hairpin ", create ? "on" : "off");
          },
          [&](const Isolated& port) {
            return cat("bridge link set dev ", port.link, " isolated ", create ? "on" : "off");
          },
          [&](const LinkUp& link) {
            return cat(ip(step, container), " link set ", link.link, create ? " up" : " down");
          },
          [&](const Address& address) {
            const bool nodad = create && address.cidr.address.family == Family::V6;
            return cat(ip(step, container), " address ", create ? "add " : "delete ",
                       address.cidr.text(), " dev ", address.link, nodad ? " nodad" : "");
          },
          [&](const DefaultRoute& route) {
            return cat(ip(step, container), route.gateway.family == Family::V4 ? "" : " -6",
                       " route ", create ? "add" : "delete", " default via ", route.gateway.text(),
                       " dev ", route.link);
          },
          [&](const LoopbackRoute& route) {
            return cat("ip -6 route ", create ? "replace" : "delete", " local ::1/128 dev ",
                       route.link, " table local metric ", route.metric);
          },
          [&](const NameServer&) { return name_server_command(container); },
          [&](const Publish& publish) { return publish_command(step, publish); },
          [&](const HostPorts& ports) { return host_ports_command(step, ports); },
          [&](const Flows& flows) { return flows_command(flows); },
      },
      step.object);
}

std::string reason(const Step& step) {
  return std::visit(
      Overloaded{
          [](const RuleSet&) -> std::string {
            return "The rules, which never change: DNAT by a map, masquerade, and what may be "
                   "forwarded.";
          },
          [](const OpenedInterface& opened) {
            return cat("What comes in by ", opened.name,
                       " and is neither for nor from a container stays closed.");
          },
          [](const OpenedHost&) -> std::string {
            return "What of IPv6 is neither for nor from a container stays closed.";
          },
          [](const LoopbackGate&) -> std::string {
            return "Ports published on [::1] are served: no bridge hands its packets to iptables "
                   "(net.bridge.bridge-nf-call-ip6tables), which would lose the answers.";
          },
          [](const Sysctl& sysctl) { return sysctl_reason(sysctl); },
          [](const Bridge&) -> std::string {
            return "A bridge is a switch in the kernel. Its own MAC, since it would else take "
                   "its lowest port's.";
          },
          [](const NetworkRules&) -> std::string {
            return "Tells the rules which bridge is ours and which addresses live behind it.";
          },
          [](const FirewallException& e) {
            return cat("The chain ", e.chain, " is for exceptions: without one, ", e.table,
                       " would drop what is forwarded.");
          },
          [](const NetnsDirectory&) -> std::string {
            return "Where `ip netns` looks for names, so that it lists the containers.";
          },
          [](const Namespace&) -> std::string {
            return "The container's own interfaces, routes, ports (clone3 with CLONE_NEWNET).";
          },
          [](const PortGuard&) -> std::string {
            return "What comes in by its port bears the container's own addresses, or is dropped: "
                   "it cannot speak in the name of others.";
          },
          [](const Veth&) -> std::string {
            return "A cable: one end is a port of the bridge, the other is born inside as eth0.";
          },
          [](const Port&) -> std::string {
            return "The cable was pulled out of its bridge: it belongs in there.";
          },
          [](const Alias&) -> std::string { return "So that `ip link` tells whose cable it is."; },
          [](const Hairpin&) -> std::string {
            return "The container may reach itself by its published port: back out by the port "
                   "it came in.";
          },
          [](const Isolated&) -> std::string {
            return "Neighbours cannot talk to each other: isolated ports pass nothing to each "
                   "other.";
          },
          [](const LinkUp& link) -> std::string {
            if (link.link == "lo") return "127.0.0.1 inside: also loopback starts down.";
            return "An interface starts down; up, it moves packets.";
          },
          [&](const Address& address) -> std::string {
            if (step.where == Where::Host)
              return "The host joins the network: this is the containers' gateway.";
            return cat("The container's address, leased for as long as it lives, on ", address.link,
                       ".");
          },
          [](const DefaultRoute&) -> std::string {
            return "The way out: everything that is not on the bridge goes to the host.";
          },
          [](const LoopbackRoute&) -> std::string {
            return "What containers answer to the host's [::1] comes in by the bridge and is for "
                   "the "
                   "host.";
          },
          [](const NameServer&) -> std::string {
            return "Who asks 127.0.0.11 for a name asks mini-run; port 53 in here stays free.";
          },
          [](const Publish&) -> std::string {
            return "The way in: DNAT from the host's port to the container's, one map element "
                   "each; fails if taken.";
          },
          [](const HostPorts&) -> std::string {
            return "The container reaches these ports of the host's loopback at its gateway, which "
                   "is host.mini.internal.";
          },
          [](const Flows& flows) -> std::string {
            if (flows.address) return "Connections of a container that is gone get a reset.";
            return "A sender that was there before the port was published is translated too.";
          },
      },
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

std::string script(const std::vector<Step>& plan, std::string_view container,
                   std::string_view ruleset) {
  std::string out;
  for (const auto& step : plan) {
    out += cat("\n# ", reason(step), "\n");
    if (std::holds_alternative<RuleSet>(step.object))
      out += cat("nft -f - <<'END_OF_RULES'\n", ruleset, "END_OF_RULES\n");
    else
      out += cat(command(step, container), "\n");
  }
  return out;
}

}  // namespace netsetup
