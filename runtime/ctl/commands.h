// SPDX-License-Identifier: MIT
// The commands of minictl(1). Each returns the exit status, and throws Error with the line for the
// user. NAMES are those of containers, or unambiguous beginnings.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace runtime::ctl {

using Names = std::vector<std::string>;

struct Listing {
  bool all = false;    // -a: those that have ended, too
  bool quiet = false;  // -q: names only
  bool json = false;
};
int ps(const Listing& listing);
int inspect(const Names& names, bool as_json);

int networks(bool as_json);
int inspect_networks(const Names& names);
struct NetworkOptions {
  std::vector<std::string> subnets;
  std::vector<std::string> gateways;
  bool internal = false;
  bool isolated = false;
  std::optional<std::string> mtu;
  std::optional<std::string> ipv6;
  std::vector<std::string> options;  // KEY=VALUE
};
int create_network(const std::string& name, const NetworkOptions& options);
int remove_networks(const Names& names);
/// REQUEST: what is asked of the container's mini-run (life.h).
int change_network(const std::vector<std::string>& request, const std::string& container);

struct LogView {
  bool follow = false;
  std::optional<long> tail;  // lines
};
int logs(const std::string& name, const LogView& view);

int stop(const Names& names, const std::optional<std::string>& timeout);
int kill(const Names& names, const std::string& signal);
int wait(const Names& names);
int remove(const Names& names, bool force);
int prune();

int list_ports(const Names& names, bool as_json);
/// CHANGE: "publish" or "unpublish".
int change_ports(const std::string& name, const std::string& change,
                 const std::vector<std::string>& ports);

struct Execution {
  std::string name;
  std::vector<std::string> command;
  bool interactive = false;
  bool tty = false;
  std::optional<std::string> user;
  std::optional<std::string> workdir;
  std::vector<std::pair<std::string, std::string>> environment;
};
/// ARGV: to run again from a sealed copy where the container could reach our binary (seal.h).
int exec(const Execution& execution, char** argv);

/// The network as FORMAT: "text", "svg", "mermaid", "dot" or "json".
int graph(const std::string& format);

/// How the container NAME is wired; "nft": the rules, as the kernel has them.
int explain(const std::string& name);

struct TraceOptions {
  std::string what;  // a container, or a published port: 8080, 5353/udp
  bool packets = false;
  bool json = false;
  std::optional<std::string> timeout;  // seconds
};
int trace(const TraceOptions& options);

int repair();
/// 0: all is well, 1: something is wrong.
int doctor(bool as_json);

}  // namespace runtime::ctl
