// SPDX-License-Identifier: MIT
#include "runtime/config.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "netsetup/record.h"
#include "netsetup/state.h"
#include "runtime/configs.h"
#include "runtime/description.h"
#include "runtime/name_servers.h"
#include "runtime/network_file.h"

namespace runtime {

using base::cat;

namespace {

std::uint32_t random_number() {
  std::uint32_t number = 0;
  base::check(static_cast<int>(::getrandom(&number, sizeof number, 0)), "getrandom");
  return number;
}

constexpr std::array Animals = {
    "ant",   "badger", "bat",    "bear",  "bee",    "bison", "boar",  "camel", "carp",  "cat",
    "clam",  "cod",    "coot",   "crab",  "crane",  "crow",  "deer",  "dingo", "dove",  "duck",
    "eagle", "eel",    "egret",  "elk",   "emu",    "finch", "fox",   "frog",  "gecko", "goat",
    "goose", "hare",   "hawk",   "heron", "horse",  "ibex",  "ibis",  "jay",   "koala", "lark",
    "lemur", "lion",   "llama",  "lynx",  "marten", "mole",  "moose", "moth",  "mouse", "newt",
    "okapi", "orca",   "osprey", "otter", "owl",    "ox",    "panda", "perch", "pony",  "puma",
    "quail", "raven",  "robin",  "seal"};

/// The program's name and an animal: "nginx-otter".
std::string made_up_name(const std::string& program, std::uint32_t run) {
  std::string name;
  for (const char c : program.substr(program.rfind('/') + 1).substr(0, 32)) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) name += c;
  }
  if (name.empty()) name = "container";
  return cat(name, "-", Animals[run % Animals.size()]);
}

/// 1 GiB or a tenth of the memory, the smaller.
std::uint64_t default_scratch_size() {
  struct sysinfo memory {};
  base::check(::sysinfo(&memory), "sysinfo");
  return std::min<std::uint64_t>(std::uint64_t{1} << 30U,
                                 std::uint64_t{memory.totalram} * memory.mem_unit / 10);
}

/// Says at once what would else fail half-way.
void check_surroundings() {
  for (int fd = 0; fd <= STDERR_FILENO; ++fd) {
    struct stat status {};
    if (::fstat(fd, &status) == 0 && S_ISDIR(status.st_mode))
      throw base::Error("a standard descriptor is a directory: that is a way out of a container");
  }
  constexpr rlim_t SmallestStack = rlim_t{256} * 1024;
  struct rlimit stack {};
  base::check(::getrlimit(RLIMIT_STACK, &stack), "getrlimit");
  if (stack.rlim_cur < SmallestStack)
    throw base::Error("the stack is limited to less than 256 kB (ulimit -s); mini-run needs more");
  const CapabilitySet needed =
      capability("SYS_ADMIN") | capability("NET_ADMIN") | capability("SYS_PTRACE");
  const auto missing = capability_names(needed & ~held_capabilities());
  if (missing.empty()) return;
  throw base::Error(cat("mini-run needs root's rights and lacks ", base::join(missing, ", "),
                        "; run it with sudo"));
}

BpfProgram compile_file(const std::string& path, CapabilitySet capabilities) {
  const std::string where = cat("--seccomp ", base::printable(path));
  const auto profile = base::read_file(path);
  if (!profile) throw base::Error(cat(where, ": there is no such file"));
  try {
    return compile_seccomp(*profile, capabilities);
  } catch (const base::Error& error) {
    throw error.within(where);
  }
}

/// The network namespace of the container NAME, which runs.
base::UniqueFd network_of(const std::string& name) {
  const auto state = netsetup::State::peek();
  const auto directory = state.valid()
                             ? netsetup::open_directory(state.get(), cat("containers/", name))
                             : base::UniqueFd();
  if (directory.valid()) {
    const auto description = read_description(directory.get());
    // Opened first: its pid is its own as long as it lives after that.
    base::UniqueFd space(description ? ::open(cat("/proc/", description->init, "/ns/net").c_str(),
                                              O_RDONLY | O_CLOEXEC)
                                     : -1);
    if (space.valid() && netsetup::is_alive(directory.get())) return space;
  }
  throw base::Error(cat("--network container:", name,
                        ": no container of that name runs; `minictl ps` lists them"));
}

/// Whether SPACE is there, and not the network namespace that we are in.
bool is_another_network(const base::UniqueFd& space) {
  struct stat own {};
  struct stat other {};
  return space.valid() && ::fstat(space.get(), &other) == 0 &&
         ::stat("/proc/self/ns/net", &own) == 0 && own.st_ino != other.st_ino;
}

}  // namespace

Config decide(const Options& options) {
  Config config;
  const std::uint32_t run = random_number();
  const std::string name =
      options.name.empty() ? made_up_name(options.command.front(), run) : options.name;
  config.network = {configs::Ruleset,   name, options.name.empty(), {}, options.ports,
                    options.host_ports, run};
  for (const auto& choice : options.networks)
    config.network.networks.push_back({read_network(choice.name), choice.addresses, choice.mac});
  config.own_network = !options.host_network && options.network_of.empty();
  if (!options.network_of.empty()) config.other_network = network_of(options.network_of);

  ChildConfig& child = config.child;
  child.hostname = options.hostname.empty() ? name : options.hostname;
  child.user = options.user;
  child.environment = options.environment;
  child.workdir = options.workdir;
  child.command = options.command;
  child.in_foreground = ::tcgetpgrp(STDIN_FILENO) == ::getpgrp();
  child.arguments = options.arguments;
  child.stop_signal = options.stop_signal;
  child.network = config.other_network.get();
  child.capabilities =
      resolve_capabilities(default_capabilities(), options.cap_add, options.cap_drop);

  check_surroundings();
  if (options.tty && options.interactive && !options.detach && ::isatty(STDIN_FILENO) == 0)
    throw base::Error("-it needs a terminal on standard input, which is none; leave out -t");

  rootfs::Root& root = child.root;
  root.directory = options.rootfs;
  root.writable = options.writable_root;
  root.read_only = options.read_only;
  root.scratch_bytes = options.scratch_size.value_or(default_scratch_size());
  root.volumes = options.volumes;
  root.tmpfs = options.tmpfs;
  if (root.directory.empty()) root.host_root = default_host_root();
  rootfs::check(root);

  if (options.seccomp.empty() && child.capabilities == default_capabilities()) {
    child.seccomp = default_seccomp();
  } else if (options.seccomp != "unconfined") {
    config.seccomp = options.seccomp.empty() ? compile_seccomp(configs::Seccomp, child.capabilities)
                                             : compile_file(options.seccomp, child.capabilities);
    child.seccomp = config.seccomp;
  }

  const bool served = config.own_network || is_another_network(config.other_network);
  FirstLook resolv_conf = read_host_resolv_conf(name, options.dns, served);
  config.resolv_conf = std::move(resolv_conf.text);
  if (!resolv_conf.note.empty()) config.notes.push_back(std::move(resolv_conf.note));
  return config;
}

}  // namespace runtime
