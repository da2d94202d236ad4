// SPDX-License-Identifier: MIT
// The plan as commands. Every visit here is exhaustive: a noun without one does not compile.
#include "netsetup/explain.h"

#include <map>

#include "base/text.h"
#include "netsetup/elements.h"
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

std::string publish_command(const Step& step, const Publish& publish) {
  const bool create = step.verb == Verb::Create;
  const std::string mark = create ? cat(" comment \"", publish.comment, "\"") : "";
  std::map<std::string, std::vector<std::string>> elements;  // by set
  for (const auto& port : publish.ports) {
    for (const auto& container : publish.container) {
      const Family family = container.family;
      if (!port.serves(family)) continue;
      const std::string ports = cat(text(port.protocol), " . ", port.host_ports().text());
      const std::string address =
          port.on_any_address() ? Cidr{{family, {}}, 0}.text() : port.host_address->text();
      const std::string interval = cat(address, " . ", ports);
      const bool range = port.count > 1;
      std::string way_in = cat(range || !port.on_any_address() ? interval : ports, mark);
      if (create)
        way_in += cat(" : ", container.text(), range ? "" : cat(" . ", port.container_port));
      elements[publish_map(port, family)].push_back(way_in);
      if (!port.from.empty()) elements[cat("limited", digit(family))].push_back(interval + mark);
      for (const auto& cidr : port.from)
        if (cidr.address.family == family)
          elements[cat("from", digit(family))].push_back(cat(interval, " . ", cidr.text(), mark));
    }
  }
  std::vector<std::string> statements;
  for (const auto& [set, all] : elements)
    statements.push_back(nft_statement(create ? "create" : "delete", set, base::join(all, ", ")));
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
  for (const auto& ports : flows.udp_ports) {
    const bool one = ports.size() == 1;
    const std::string command =
        cat("conntrack -D -p udp --orig-port-dst ", one ? cat(ports.first) : "$port", " || true");
    commands.push_back(
        one ? command
            : cat("for port in $(seq ", ports.first, " ", ports.last, "); do ", command, "; done"));
  }
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

std::string bridge_command(const Step& step, const Bridge& bridge) {
  const bool create = step.verb == Verb::Create;
  return create ? cat("ip link add ", bridge.name, " address ", bridge.mac.text(), " mtu ",
                      bridge.mtu, " type bridge")
                : cat("ip link delete ", bridge.name);
}

std::string veth_command(const Step& step, const Veth& veth, std::string_view container) {
  const bool create = step.verb == Verb::Create;
  return create ? cat("ip link add ", veth.name, " address ", veth.mac.text(), " mtu ", veth.mtu,
                      " master ", veth.bridge, " up type veth peer name ", veth.peer, " address ",
                      veth.peer_mac.text(), " mtu ", veth.mtu, " netns ", shell_quote(container))
                : cat("ip link delete ", veth.name);
}

std::string address_command(const Step& step, const Address& address, std::string_view container) {
  const bool create = step.verb == Verb::Create;
  const bool nodad = create && address.cidr.address.family == Family::V6;
  return cat(ip(step, container), " address ", create ? "add " : "delete ", address.cidr.text(),
             " dev ", address.link, nodad ? " nodad" : "");
}

std::string route_command(const Step& step, const DefaultRoute& route, std::string_view container) {
  const bool create = step.verb == Verb::Create;
  return cat(ip(step, container), route.gateway.family == Family::V4 ? "" : " -6", " route ",
             create ? "add" : "delete", " default via ", route.gateway.text(), " dev ", route.link);
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
          [&](const Bridge& bridge) { return bridge_command(step, bridge); },
          [&](const NetworkRules& rules) { return rules_command(step, rules); },
          [&](const FirewallException& exception) { return exception_command(step, exception); },
          [&](const NetnsDirectory&) {
            return cat(create ? "mkdir -p " : "rmdir ", netns_name::Directory);
          },
          [&](const Namespace& space) {
            return cat("ip netns ", create ? "add " : "delete ", shell_quote(space.name));
          },
          [&](const PortGuard& guard) { return guard_command(step, guard); },
          [&](const Veth& veth) { return veth_command(step, veth, container); },
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
          [&](const Address& address) { return address_command(step, address, container); },
          [&](const DefaultRoute& route) { return route_command(step, route, container); },
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
