// SPDX-License-Identifier: MIT
// The plan is data.
//
// Theory of operation. Every change that mini-run makes to a network is a Step: a verb, the place
// where it happens, and a noun with its names and numbers. From that one value come
//   - what is done                   kernel.h        execute(step)
//   - what undoes it                 kernel.h        undo(step), read before it is done
//   - the command you could type     explain.h       command(step)
//   - why one would                  explain.h       reason(step)
//   - what is remembered on disk     journal.h       one line of JSON per undo
// so that they cannot drift apart. A noun for which one of them is missing does not compile.
// Steps speak names; interface indexes are resolved at the moment of execution.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "netsetup/address.h"

namespace netsetup {

enum class Verb : std::uint8_t { Create, Delete };
enum class Where : std::uint8_t { Host, Container };  // whose network namespace

/// The constant rule set, the tables `mini_run` of inet and of bridge (configs/ruleset.nft).
struct RuleSet {};

/// An interface of the host that traffic comes in by, on which we switched forwarding of FAMILY on:
/// the rule set drops transit through it that is not ours. Where it is itself a BRIDGE, what its
/// ports say to each other is no transit (it is seen by the rules where br_netfilter is loaded).
struct OpenedInterface {
  std::string name;
  Family family = Family::V4;
  bool bridge = false;
};

/// Forwarding of IPv6 was switched on for the whole host, as Linux before 6.17 has no other switch:
/// the rule set drops all transit that is not ours.
struct OpenedHost {};

/// The host's [::1] reaches published ports: what comes back finds its way (LoopbackRoute).
struct LoopbackGate {};

/// A sysctl, by its dotted name. GUARD, where there is one, is another sysctl and the value it
/// had when we wrote: the old value is put back only while ours and the guard's still stand.
struct Sysctl {
  std::string key;
  std::string value;
  std::string ours;  // in an undo step only: what must still be there for VALUE to be put back
  std::string guard;
  std::string guard_value;
};

/// A network as its containers see it. GATEWAYS: the bridge's own addresses with the prefixes of
/// the subnets, IPv4 first, IPv6 where the network has it.
struct Network {
  std::string bridge;
  std::vector<Cidr> gateways;
  bool internal = false;  // no way out, no services of the host
  bool isolated = false;  // neighbours cannot talk to each other
  unsigned mtu = 1500;    // bytes
  bool operator==(const Network&) const = default;
};

/// The bridge. Its own MAC marks it as ours: a bridge of that name with another is not touched.
struct Bridge {
  std::string name;
  Mac mac;
  unsigned mtu = 1500;
};

/// The network's entries in the sets of the rule set.
struct NetworkRules {
  Network network;
};

/// The way back of what the host's [::1] sends to a container: a route to ::1 on the bridge. METRIC
/// tells the bridges' routes apart.
struct LoopbackRoute {
  std::string link;
  std::uint32_t metric = 0;
};

/// Two rules in CHAIN of somebody else's TABLE (FAMILY "ip", "ip6" or "inet"), which would drop
/// what is forwarded: whatever comes from INTERFACE is accepted there, and whatever goes to it.
/// Counted, and tagged with our comment. They go in front of the rule with the handle BEFORE; 0: to
/// the end.
struct FirewallException {
  std::string family, table, chain;
  std::string interface;
  std::uint64_t before = 0;
};

/// /run/netns, where ip-netns(8) looks for names.
struct NetnsDirectory {};

/// The container's network namespace. Made by clone3(2) with the container itself; the step gives
/// it its name for ip-netns(8), by its process 1, PID.
struct Namespace {
  std::string name;
  pid_t pid = 0;
};

/// What comes in by the bridge port LINK is of MAC and of one of ADDRESSES, or is dropped: a
/// container cannot speak in the name of others. Nothing where the kernel has no bridge rules.
struct PortGuard {
  std::string link;
  Mac mac;
  std::vector<Ip> addresses;  // its link-local one, too
};

/// A veth pair: the host's end is a port of BRIDGE from the start, the peer is born in the
/// container's namespace.
struct Veth {
  std::string name;
  Mac mac;
  std::string bridge;
  std::string peer;
  Mac peer_mac;
  unsigned mtu = 1500;
};

/// A port of BRIDGE: a veth is born as one; this plugs it in again where somebody pulled it out.
struct Port {
  std::string link;
  std::string bridge;
};

/// What `ip link` shows beside the interface: the container's name.
struct Alias {
  std::string link;
  std::string text;
};

/// Hairpin mode of a bridge port: frames may leave by the port they came in by.
struct Hairpin {
  std::string link;
};

/// A bridge port that passes nothing on to other isolated ports.
struct Isolated {
  std::string link;
};

struct LinkUp {
  std::string link;
};

struct Address {
  std::string link;
  Cidr cidr;
};

struct DefaultRoute {
  Ip gateway;
  std::string link;
};

/// The container's name server: who asks address() at PORT, in the container's namespace, reaches
/// its supervisor, which has OWN_PORT of that address (runtime/dns_server.h). Port 53 itself stays
/// free there, for a name server of the container's own; OWN_PORT is one that IANA gives to nobody.
struct NameServer {
  static Ip address() { return Ip::v4(0x7f00000b); }  // 127.0.0.11, as docker has it
  static constexpr std::uint16_t Port = 53;
  static constexpr std::uint16_t OwnPort = 1023;
};

/// The container's published ports, all in one transaction: either all of them are free or none
/// is taken. Map elements, each with the container's name as its comment.
struct Publish {
  std::string comment;
  std::vector<Ip> container;  // its addresses, at most one of a family
  std::vector<PublishedPort> ports;
};

/// TCP ports of the host's loopback, opened to the container at ADDRESS: it reaches them at its
/// gateway. Map elements, each with the container's name as its comment.
struct HostPorts {
  std::string comment;
  Ip address;  // IPv4
  std::vector<std::uint16_t> ports;
};

/// Connections that conntrack remembers: those of a container's ADDRESS (either direction), or
/// those to UDP PORTS of the host. Only ever deleted.
struct Flows {
  std::optional<Ip> address;
  std::vector<PortRange> udp_ports;
};

using Object = std::variant<RuleSet, NetnsDirectory, OpenedInterface, OpenedHost, LoopbackGate,
                            Sysctl, Bridge, NetworkRules, FirewallException, LoopbackRoute,
                            Namespace, PortGuard, Veth, Port, Alias, Hairpin, Isolated, LinkUp,
                            Address, DefaultRoute, NameServer, Publish, HostPorts, Flows>;

struct Step {
  Verb verb = Verb::Create;
  Where where = Where::Host;
  Object object;
};

/// Helper for exhaustive std::visit.
template <class... Functions>
struct Overloaded : Functions... {
  using Functions::operator()...;
};
template <class... Functions>
Overloaded(Functions...) -> Overloaded<Functions...>;

}  // namespace netsetup
