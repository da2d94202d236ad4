// SPDX-License-Identifier: MIT
#include "netsetup/journal.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/say.h"
#include "base/test_point.h"
#include "base/text.h"
#include "netsetup/explain.h"
#include "netsetup/json.h"

namespace netsetup {

using nlohmann::json;

namespace {

/// Values that print and parse: kept as their text.
template <class Value>
Value parsed(const json& j) {
  auto value = Value::parse(j.get<std::string>());
  if (!value) throw std::invalid_argument(j.get<std::string>());
  return *value;
}

}  // namespace

void to_json(json& j, const Ip& value) { j = value.text(); }
void from_json(const json& j, Ip& value) { value = parsed<Ip>(j); }
void to_json(json& j, const Cidr& value) { j = value.text(); }
void from_json(const json& j, Cidr& value) { value = parsed<Cidr>(j); }
void to_json(json& j, const Mac& value) { j = value.text(); }
void from_json(const json& j, Mac& value) { value = parsed<Mac>(j); }

void to_json(json& j, const PublishedPort& port) {
  j = {{"host_port", port.host_port},
       {"container_port", port.container_port},
       {"protocol", text(port.protocol)}};
  if (port.host_address) j["host_address"] = *port.host_address;
  if (port.count != 1) j["count"] = port.count;
  if (!port.from.empty()) j["from"] = port.from;
}

void from_json(const json& j, PublishedPort& port) {
  j.at("host_port").get_to(port.host_port);
  j.at("container_port").get_to(port.container_port);
  const auto protocol = parse_protocol(j.at("protocol").get<std::string>());
  if (!protocol) throw std::invalid_argument("protocol");
  port.protocol = *protocol;
  if (j.contains("host_address")) port.host_address = j["host_address"].get<Ip>();
  port.count = j.value("count", port.count);
  if (j.contains("from")) j["from"].get_to(port.from);
}

void to_json(json& j, const PortRange& ports) { j = {ports.first, ports.last}; }
void from_json(const json& j, PortRange& ports) {
  j.at(0).get_to(ports.first);
  j.at(1).get_to(ports.last);
}

void to_json(json& j, const Network& network) {
  j = {{"bridge", network.bridge},
       {"gateways", network.gateways},
       {"internal", network.internal},
       {"isolated", network.isolated},
       {"mtu", network.mtu}};
}

void from_json(const json& j, Network& network) {
  j.at("bridge").get_to(network.bridge);
  j.at("gateways").get_to(network.gateways);
  j.at("internal").get_to(network.internal);
  j.at("isolated").get_to(network.isolated);
  j.at("mtu").get_to(network.mtu);
}

void to_json(json& j, const RuleSet& /*rules*/) { j = json::object(); }
void from_json(const json& /*j*/, RuleSet& /*rules*/) {}

void to_json(json& j, const NetnsDirectory& /*directory*/) { j = json::object(); }
void from_json(const json& /*j*/, NetnsDirectory& /*directory*/) {}

void to_json(json& j, const NameServer& /*server*/) { j = json::object(); }
void from_json(const json& /*j*/, NameServer& /*server*/) {}

void to_json(json& j, const Flows& flows) {
  j = {{"udp_ports", flows.udp_ports}};
  if (flows.address) j["address"] = *flows.address;
}

void from_json(const json& j, Flows& flows) {
  j.at("udp_ports").get_to(flows.udp_ports);
  if (j.contains("address")) flows.address = j["address"].get<Ip>();
}

void to_json(json& j, const OpenedHost& /*opened*/) { j = json::object(); }
void from_json(const json& /*j*/, OpenedHost& /*opened*/) {}

void to_json(json& j, const LoopbackGate& /*gate*/) { j = json::object(); }
void from_json(const json& /*j*/, LoopbackGate& /*gate*/) {}

NLOHMANN_JSON_SERIALIZE_ENUM(Family, {{Family::V4, 4}, {Family::V6, 6}})
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(OpenedInterface, name, family, bridge)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Sysctl, key, value, ours, guard, guard_value)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Bridge, name, mac, mtu)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(NetworkRules, network)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(FirewallException, family, table, chain, interface, before)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(LoopbackRoute, link, metric)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Isolated, link)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Namespace, name, pid)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(PortGuard, link, mac, addresses)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Veth, name, mac, bridge, peer, peer_mac, mtu)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Port, link, bridge)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Alias, link, text)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Hairpin, link)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(LinkUp, link)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Address, link, cidr)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(DefaultRoute, gateway, link)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Publish, comment, container, ports)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(HostPorts, comment, address, ports)

namespace {

template <class Noun>
constexpr std::string_view Name = {};
template <>
constexpr std::string_view Name<RuleSet> = "rule-set";
template <>
constexpr std::string_view Name<NetnsDirectory> = "netns-directory";
template <>
constexpr std::string_view Name<OpenedInterface> = "opened-interface";
template <>
constexpr std::string_view Name<OpenedHost> = "opened-host";
template <>
constexpr std::string_view Name<LoopbackGate> = "loopback-gate";
template <>
constexpr std::string_view Name<LoopbackRoute> = "loopback-route";
template <>
constexpr std::string_view Name<Isolated> = "isolated";
template <>
constexpr std::string_view Name<Sysctl> = "sysctl";
template <>
constexpr std::string_view Name<Bridge> = "bridge";
template <>
constexpr std::string_view Name<NetworkRules> = "network-rules";
template <>
constexpr std::string_view Name<FirewallException> = "firewall-exception";
template <>
constexpr std::string_view Name<Namespace> = "namespace";
template <>
constexpr std::string_view Name<PortGuard> = "port-guard";
template <>
constexpr std::string_view Name<Veth> = "veth";
template <>
constexpr std::string_view Name<Port> = "port";
template <>
constexpr std::string_view Name<Alias> = "alias";
template <>
constexpr std::string_view Name<Hairpin> = "hairpin";
template <>
constexpr std::string_view Name<LinkUp> = "link-up";
template <>
constexpr std::string_view Name<Address> = "address";
template <>
constexpr std::string_view Name<DefaultRoute> = "default-route";
template <>
constexpr std::string_view Name<NameServer> = "name-server";
template <>
constexpr std::string_view Name<Publish> = "publish";
template <>
constexpr std::string_view Name<HostPorts> = "host-ports";
template <>
constexpr std::string_view Name<Flows> = "flows";

std::string to_line(const Step& step) {
  return std::visit(
      [&](const auto& noun) {
        using Noun = std::decay_t<decltype(noun)>;
        static_assert(!Name<Noun>.empty(), "a noun needs a name in the journal");
        const json line = {{"verb", step.verb == Verb::Create ? "create" : "delete"},
                           {"where", step.where == Where::Host ? "host" : "container"},
                           {"noun", Name<Noun>},
                           {"object", noun}};
        // The first newline ends a line that a full disk has cut off.
        return "\n" + line.dump() + "\n";
      },
      step.object);
}

/// Reads the object of a line as the noun of that name, the first of Nouns that has it.
template <std::size_t Index = 0>
Object object_named(const std::string& name, const json& object) {
  if constexpr (Index < std::variant_size_v<Object>) {
    using Noun = std::variant_alternative_t<Index, Object>;
    if (name == Name<Noun>) return object.get<Noun>();
    return object_named<Index + 1>(name, object);
  }
  throw std::invalid_argument(name);
}

/// Nothing where LINE makes no sense.
std::optional<Step> from_line(std::string_view line) {
  // Nothing else is parsed: five million brackets would take seconds to be found wrong.
  if (!line.starts_with('{')) return std::nullopt;
  try {
    const json j = json::parse(line);
    const auto verb = j.at("verb").get<std::string>();
    const auto where = j.at("where").get<std::string>();
    return Step{verb == "create" ? Verb::Create : Verb::Delete,
                where == "host" ? Where::Host : Where::Container,
                object_named(j.at("noun").get<std::string>(), j.at("object"))};
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

bool is_crossed_out(std::string_view line) {
  return line.find_first_not_of(' ') == std::string_view::npos;
}

constexpr const char* Damaged = "journal.damaged";

}  // namespace

Journal::Journal(int dir) : dir_(dir) {
  constexpr const char* Name = "journal";
  constexpr int Flags = O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  file_ = base::UniqueFd(::openat(dir, Name, Flags, 0600));
  struct stat status {};
  // What lies there and is no file is somebody's mistake, and must not be in the way for ever.
  const bool in_the_way = file_.valid() ? ::fstat(fd(), &status) == 0 && !S_ISREG(status.st_mode)
                                        : errno == ELOOP || errno == EISDIR || errno == ENXIO;
  if (in_the_way) {
    ::renameat(dir, Name, dir, Damaged);
    base::say(base::cat(base::path_of(dir), "/journal is no file; it is set aside as ", Damaged));
  }
  if (in_the_way || !file_.valid()) file_ = base::open_or_throw(Name, Flags, dir);
}

std::optional<Journal> Journal::peek(int dir) {
  try {
    return Journal(dir);
  } catch (const base::Error& error) {
    if (error.code().value() == ENOENT) return std::nullopt;
    throw;
  }
}

void Journal::append(const Step& undo) const {
  base::write_all(fd(), to_line(undo), "write the journal in /run/mini-run");
}

/// Writes blanks over those of CONTENT's lines that LINE holds for.
void Journal::cross_out(const std::string& content,
                        const std::function<bool(std::string_view)>& line) const {
  // A descriptor without O_APPEND: pwrite(2) would append all the same.
  const auto file = base::open_or_throw(base::cat("/proc/self/fd/", fd()), O_WRONLY);
  for (const auto each : base::split(content, '\n')) {
    if (is_crossed_out(each) || !line(each)) continue;
    const std::string blanks(each.size(), ' ');
    const auto at = static_cast<off_t>(each.data() - content.data());
    base::check(static_cast<int>(::pwrite(file.get(), blanks.data(), blanks.size(), at)),
                "write the journal in /run/mini-run");
  }
}

void Journal::replace(const std::function<bool(const Step&)>& old,
                      const std::optional<Step>& by) const {
  const std::string before = content();
  if (by) append(*by);
  cross_out(before, [&](std::string_view line) {
    const auto step = from_line(line);
    return step && old(*step);
  });
}

std::string Journal::content() const {
  ::lseek(fd(), 0, SEEK_SET);
  return base::read_all(fd(), std::size_t{16} << 20U);
}

std::vector<Step> Journal::read(bool* damaged) const {
  std::vector<Step> steps;
  std::string senseless;
  const std::string lines = content();
  for (const auto line : base::split(lines, '\n')) {
    if (is_crossed_out(line)) continue;
    if (auto step = from_line(line))
      steps.push_back(*std::move(step));
    else
      senseless += base::cat(line, '\n');
  }
  if (damaged != nullptr) *damaged = !senseless.empty();
  if (!senseless.empty()) set_aside(lines, senseless);
  return steps;
}

/// Moves the LINES of CONTENT that make no sense. Best effort: what could be read counts.
void Journal::set_aside(const std::string& content, const std::string& lines) const {
  const auto open = [this] {
    return base::UniqueFd(::openat(
        dir_, Damaged, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600));
  };
  try {
    auto file = open();
    if (!file.valid()) {  // what was set aside before was no file
      ::unlinkat(dir_, Damaged, 0);
      file = open();
    }
    base::write_all(file.get(), lines, "set aside");
    cross_out(content, [](std::string_view line) { return !from_line(line); });
  } catch (const std::exception&) {
    // A full disk, or somebody is at it: the next to read them tries again.
  }
  base::say(base::cat(base::path_of(dir_),
                      "/journal is damaged; what makes no sense is set aside in ", Damaged));
}

bool Journal::removed() const {
  struct stat status {};
  base::check(::fstat(fd(), &status), "look at a journal in /run/mini-run");
  return status.st_nlink == 0;
}

Turn::Turn(const Journal& journal) : fd_(journal.fd()) {
  struct flock whole {};
  whole.l_type = F_WRLCK;
  while (::fcntl(fd_, F_OFD_SETLKW, &whole) < 0)
    if (errno != EINTR) throw base::Error(errno, "lock a journal in /run/mini-run");
}

Turn::~Turn() {
  struct flock whole {};
  whole.l_type = F_UNLCK;
  ::fcntl(fd_, F_OFD_SETLK, &whole);
}

std::vector<std::string> undo_all(Kernel& kernel, const std::vector<Step>& steps) noexcept {
  std::vector<std::string> failures;
  std::for_each(steps.rbegin(), steps.rend(), [&](const Step& step) {
    try {
      kernel.execute(step);
      base::test_point("undone");
    } catch (const std::exception& error) {
      failures.emplace_back(error.what());
    }
  });
  return failures;
}

}  // namespace netsetup
