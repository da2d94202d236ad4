// SPDX-License-Identifier: MIT
// The command line as a value.
#pragma once

#include <csignal>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "netsetup/address.h"
#include "rootfs/root.h"

namespace runtime {

/// A network that a container joins, and what it is to have there.
struct NetworkChoice {
  std::string name;                     // the network's, and its bridge's
  std::vector<netsetup::Ip> addresses;  // --ip, --ip6: at most one of a family
  std::optional<netsetup::Mac> mac;     // --mac
};

struct Options {
  // the program
  std::vector<std::string> command;  // PROGRAM [ARG...]
  std::string workdir;               // -w, absolute
  std::string user;                  // -u USER[:GROUP]
  std::vector<std::pair<std::string, std::string>>
      environment;  // -e, --env-file, in order; later wins

  // the network
  std::string name;                                            // --name; empty: made up
  std::string hostname;                                        // --hostname; empty: the name
  std::vector<NetworkChoice> networks;                         // --network, in order; none: none
  bool host_network = false;                                   // --network host
  std::string network_of;                                      // --network container:NAME
  std::vector<netsetup::PublishedPort> ports;                  // -p
  std::vector<std::string> aliases;                            // --network-alias
  std::vector<std::uint16_t> host_ports;                       // --host-port
  std::vector<std::pair<std::string, netsetup::Ip>> add_host;  // --add-host NAME:IP
  std::vector<std::string> dns;                                // --dns

  // the root
  std::string rootfs;
  bool writable_root = false;
  bool read_only = false;
  std::vector<rootfs::Volume> volumes;
  std::vector<rootfs::Tmpfs> tmpfs;
  std::optional<std::uint64_t> scratch_size;  // bytes

  // safety
  std::vector<std::string> cap_add;
  std::vector<std::string> cap_drop;
  std::string seccomp;  // "", "unconfined" or a file

  // the run
  std::span<char> arguments;     // the memory of our own command line, which may hold secrets (-e)
  bool detach = false;           // -d
  std::optional<unsigned> wait;  // --wait, seconds
  bool remove = false;           // --rm: a detached container's record goes with it
  bool interactive = false;      // -i
  bool tty = false;              // -t
  std::uint64_t log_size = std::uint64_t{2} << 20U;  // bytes, of a detached container's log
  int stop_signal = SIGTERM;
  unsigned stop_timeout = 10;  // seconds
  bool explain = false;
  bool dry_run = false;
  bool timing = false;
};

/// Parses the command line. Everything after PROGRAM belongs to the program. Prints help or version
/// and exits 0 where asked. Throws Error with one line that says what is wrong, where, and what
/// would be right. Nothing of the host is looked at, but for --env-file and the environment (-e
/// NAME).
Options parse_options(int argc, const char* const* argv);

/// What --help prints: every option with an example, in 80 columns.
std::string_view help_text();

/// The long names of all options ("--publish", ...).
std::vector<std::string_view> option_names();

inline constexpr std::string_view DefaultNetwork = "mini0";
inline constexpr std::string_view ContainerPrefix = "container:";  // of --network
inline constexpr std::string_view Version = "0.1.0";               // as project() in CMakeLists.txt

}  // namespace runtime
