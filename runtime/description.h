// SPDX-License-Identifier: MIT
// What is known of a container besides its processes: `container.json` of its record, written by
// the mini-run that runs it, read by minictl(1).
#pragma once

#include <sys/types.h>

#include <csignal>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "netsetup/address.h"

namespace runtime {

/// Its place in a network.
struct Attached {
  std::string network;
  std::string link;                       // inside: eth0, ...
  std::string veth;                       // the other end, on the host
  std::vector<netsetup::Cidr> addresses;  // IPv4, IPv6
  std::vector<netsetup::Ip> gateways;     // in the same order
  netsetup::Mac mac;
};

/// The values here are the usual ones, which its file leaves out.
struct Description {
  std::string name;
  std::vector<std::string> command;
  std::int64_t created = 0;  // seconds since 1970
  pid_t supervisor = 0;
  pid_t init = 0;
  bool detached = false;

  // the network
  std::vector<Attached> networks;
  std::vector<netsetup::PublishedPort> ports;
  std::vector<std::string> aliases;

  // what a program in it is to be, for minictl exec
  std::string hostname;
  std::string user;
  std::string workdir;
  std::vector<std::pair<std::string, std::string>> environment;
  std::uint64_t capabilities = 0;
  std::string seccomp = "default";  // or "unconfined", or "file": the program is in `seccomp`

  // the root, limits and the end
  std::string rootfs;  // empty: the host's
  bool read_only = false;
  std::uint64_t scratch_bytes = std::uint64_t{1} << 30U;
  std::uint64_t log_bytes = 0;
  int stop_signal = SIGTERM;
  unsigned stop_timeout = 10;
};

/// The whole file at once: a reader never sees half of it. Throws Error.
void write_description(int directory, const Description& description);
/// Nothing where there is none yet. Throws Error that says what is wrong with it.
std::optional<Description> read_description(int directory);

/// How a container ended, in `status` of its record.
struct End {
  int status = 0;       // its exit status
  std::int64_t at = 0;  // seconds since 1970
};
/// Room for it, so that a disk that is full by then does not lose it. Throws Error.
void reserve_end(int directory);
void write_end(int directory, const End& end);
/// Nothing where its mini-run was killed before it could say.
std::optional<End> read_end(int directory);

/// Replaces the file NAME in DIRECTORY. Throws Error.
void replace_file(int directory, const std::string& name, std::string_view text);

}  // namespace runtime
