// SPDX-License-Identifier: MIT
// The command line: one table of options, parsed by CLI11.
//
// Theory of operation. Each option takes exactly one value and hands it to its function in the
// table at once, in the order of the command line, so that of -e and --env-file the later one
// wins. The first word that is no option is PROGRAM; it and everything after it are not looked
// at. An option that the command line does not mention is not registered with CLI11 either:
// registering all of them costs every start of a container some 0.1 ms.
#include "runtime/options.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdlib>
#include <numeric>
#include <span>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "runtime/options_values.h"

namespace runtime {

using base::cat;
using base::printable;

namespace {

[[noreturn]] void print_and_exit(std::string_view text) {
  base::write_all(STDOUT_FILENO, text, "write to standard output");
  std::exit(0);
}

std::string not_empty(std::string_view option, std::string_view value, std::string_view what) {
  if (value.empty()) values::refuse(option, value, what);
  return std::string(value);
}

struct Entry {
  std::string_view name;     // the long one
  char letter;               // the short one, 0: none
  std::string_view example;  // of a value; empty: the option is a flag
  void (*apply)(Options&, std::string_view value);
};

using Text = std::string_view;

/// The network that --ip and its like are about: the last one before them, or the default one.
NetworkChoice& network_meant(Options& options) {
  if (options.networks.empty()) options.networks.push_back({std::string(DefaultNetwork), {}, {}});
  return options.networks.back();
}

void add_address(Options& options, Text option, Text text, netsetup::Family family) {
  const auto address = values::address(option, text, family);
  auto& addresses = network_meant(options).addresses;
  if (std::ranges::find(addresses, family, &netsetup::Ip::family) != addresses.end())
    values::refuse(
        option, text,
        "there is one for this network already; each needs a --network of its own before it");
  addresses.push_back(address);
}

constexpr std::array Entries{
    Entry{"--publish", 'p', "8080:80",
          [](Options& o, Text v) {
            const auto ports = values::published_ports(v);
            o.ports.insert(o.ports.end(), ports.begin(), ports.end());
          }},
    Entry{"--name", 0, "web", [](Options& o, Text v) { o.name = values::container_name(v); }},
    Entry{"--hostname", 0, "web.example.org",
          [](Options& o, Text v) { o.hostname = values::hostname(v); }},
    Entry{"--network", 0, "mini0",
          [](Options& o, Text v) {
            o.networks.push_back({values::network_choice(v), {}, {}});
          }},
    Entry{"--ip", 0, "10.210.0.50",
          [](Options& o, Text v) { add_address(o, "--ip", v, netsetup::Family::V4); }},
    Entry{"--ip6", 0, "fd6d:696e:6972::50",
          [](Options& o, Text v) { add_address(o, "--ip6", v, netsetup::Family::V6); }},
    Entry{"--mac", 0, "02:42:c0:a8:00:02",
          [](Options& o, Text v) { network_meant(o).mac = values::mac(v); }},
    Entry{"--network-alias", 0, "db",
          [](Options& o, Text v) { o.aliases.push_back(values::network_alias(v)); }},
    Entry{"--host-port", 0, "3000",
          [](Options& o, Text v) { o.host_ports.push_back(values::host_port(v)); }},
    Entry{"--add-host", 0, "db:192.0.2.10",
          [](Options& o, Text v) { o.add_host.push_back(values::add_host(v)); }},
    Entry{"--dns", 0, "192.0.2.53",
          [](Options& o, Text v) { o.dns.push_back(values::dns_server(v)); }},
    Entry{"--rootfs", 0, "/srv/debian",
          [](Options& o, Text v) { o.rootfs = values::directory("--rootfs", v); }},
    Entry{"--writable-root", 0, {}, [](Options& o, Text) { o.writable_root = true; }},
    Entry{"--read-only", 0, {}, [](Options& o, Text) { o.read_only = true; }},
    Entry{"--volume", 'v', "/srv/www:/var/www:ro",
          [](Options& o, Text v) { o.volumes.push_back(values::volume(v)); }},
    Entry{"--tmpfs", 0, "/cache", [](Options& o, Text v) { o.tmpfs.push_back(values::tmpfs(v)); }},
    Entry{"--scratch-size", 0, "512m",
          [](Options& o, Text v) { o.scratch_size = values::size("--scratch-size", v); }},
    Entry{"--env", 'e', "LANG=C.UTF-8",
          [](Options& o, Text v) { values::add_variable(v, o.environment); }},
    Entry{"--env-file", 0, "web.env",
          [](Options& o, Text v) { values::add_variables_of_file(v, o.environment); }},
    Entry{"--workdir", 'w', "/srv", [](Options& o, Text v) { o.workdir = values::workdir(v); }},
    Entry{"--user", 'u', "www-data",
          [](Options& o, Text v) {
            o.user = not_empty("--user", v, "it needs USER[:GROUP], names or numbers");
          }},
    Entry{"--cap-add", 0, "NET_RAW",
          [](Options& o, Text v) {
            o.cap_add.push_back(not_empty("--cap-add", v, "it needs a capability, as in NET_RAW"));
          }},
    Entry{"--cap-drop", 0, "ALL",
          [](Options& o, Text v) {
            o.cap_drop.push_back(not_empty("--cap-drop", v, "it needs a capability, or ALL"));
          }},
    Entry{"--seccomp", 0, "profile.json",
          [](Options& o, Text v) {
            o.seccomp = not_empty("--seccomp", v, "it needs a profile's file, or unconfined");
          }},
    Entry{"--detach", 'd', {}, [](Options& o, Text) { o.detach = true; }},
    Entry{"--wait", 0, {}, [](Options& o, Text v) { o.wait = values::wait(v); }},
    Entry{"--rm", 0, {}, [](Options& o, Text) { o.remove = true; }},
    Entry{"--interactive", 'i', {}, [](Options& o, Text) { o.interactive = true; }},
    Entry{"--tty", 't', {}, [](Options& o, Text) { o.tty = true; }},
    Entry{"--log-size", 0, "10m",
          [](Options& o, Text v) { o.log_size = values::size("--log-size", v); }},
    Entry{"--stop-signal", 0, "QUIT",
          [](Options& o, Text v) { o.stop_signal = values::signal("--stop-signal", v); }},
    Entry{"--stop-timeout", 0, "10",
          [](Options& o, Text v) { o.stop_timeout = values::seconds("--stop-timeout", v); }},
    Entry{"--explain", 0, {}, [](Options& o, Text) { o.explain = true; }},
    Entry{"--dry-run", 0, {}, [](Options& o, Text) { o.dry_run = true; }},
    Entry{"--timing", 0, {}, [](Options& o, Text) { o.timing = true; }},
    Entry{"--version",
          0,
          {},
          [](Options&, Text) { print_and_exit(cat("mini-run ", Version, '\n')); }},
    Entry{"--help", 'h', {}, [](Options&, Text) { print_and_exit(help_text()); }},
};

/// Whether WORD of the command line may be ENTRY's option, with its value or without.
bool mentions(std::string_view word, const Entry& entry) {
  // Somewhere in it: switches may be joined, as in -it.
  if (entry.letter != 0 && word.size() >= 2 && word[0] == '-' && word[1] != '-' &&
      word.find(entry.letter, 1) != std::string_view::npos)
    return true;
  return word.starts_with(entry.name) &&
         (word.size() == entry.name.size() || word[entry.name.size()] == '=');
}

using CommandLine = std::span<const char* const>;

void apply(const Entry& entry, CommandLine words, std::string_view value, Options& options) {
  if (entry.example.empty() && entry.name != "--wait") {
    if (value != "true") values::refuse(entry.name, value, "it is a switch and takes no value");
  } else if (entry.letter != 0 && value.starts_with('=')) {
    // -p=8080:80, as docker takes it; but `-e =x` is a variable without a name.
    const auto joined = cat('-', entry.letter, value);
    if (std::find(words.begin(), words.end(), joined) != words.end()) value.remove_prefix(1);
  }
  entry.apply(options, value);
}

void register_option(CLI::App& app, const Entry& entry, CommandLine words, Options& options) {
  const std::string names =
      entry.letter == 0 ? std::string(entry.name) : cat('-', entry.letter, ',', entry.name);
  const CLI::callback_t callback = [&entry, words, &options](const CLI::results_t& results) {
    apply(entry, words, results.front(), options);
    return true;
  };
  // No take_all() for the repeatable ones: it would swallow PROGRAM. Each value is taken at once.
  app.add_option(names, callback)->expected(entry.example.empty() ? 0 : 1)->trigger_on_parse();
}

/// Insertions, deletions and replacements that lead from A to B (Levenshtein).
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

/// How far WORD is from NAME, by the number of slips; a beginning of it is one slip.
std::size_t slips(std::string_view word, std::string_view name) {
  return word.size() > 3 && name.starts_with(word) ? 1 : distance(word, name);
}

[[noreturn]] void refuse_unknown(std::string_view word) {
  constexpr std::size_t Longest = 40;
  const auto name = word.substr(0, std::min(word.find('='), Longest));
  const auto nearest = std::min_element(
      Entries.begin(), Entries.end(),
      [&](const Entry& a, const Entry& b) { return slips(name, a.name) < slips(name, b.name); });
  const bool is_near = slips(name, nearest->name) <= (name.size() - 1) / 3;
  throw base::Error(cat("unknown option ", printable(word), "; ",
                        is_near ? cat("did you mean ", nearest->name, "? ") : std::string{},
                        "`mini-run --help` shows all"));
}

/// The last word of the command line is an option whose value does not follow.
[[noreturn]] void refuse_without_value(std::string_view word) {
  for (const auto& entry : Entries) {
    if (!mentions(word, entry)) continue;
    if (entry.example.empty()) values::refuse(entry.name, "", "there is nothing behind the =");
    throw base::Error(cat(entry.name, " needs a value, as in ", entry.name, ' ', entry.example));
  }
  throw base::Error(cat(printable(word), " needs a value"));
}

/// CLI11 takes the word after `--name=` for its value: it would be PROGRAM.
void refuse_empty_values(CommandLine words) {
  for (const std::string_view word : words) {
    for (const auto& entry : Entries) {
      if (word.size() == entry.name.size() + 1 && word.back() == '=' && mentions(word, entry))
        refuse_without_value(word);
    }
  }
}

/// Applies all options to OPTIONS; returns the words that are left, PROGRAM and its arguments.
std::vector<std::string> parse_words(CommandLine words, Options& options) {
  CLI::App app;
  app.set_help_flag();
  app.prefix_command();
  for (const auto& entry : Entries) {
    if (std::any_of(words.begin(), words.end(),
                    [&](std::string_view word) { return mentions(word, entry); }))
      register_option(app, entry, words, options);
  }
  try {
    app.parse(std::vector<std::string>(words.rbegin(), words.rend()));
  } catch (const CLI::ArgumentMismatch&) {
    refuse_without_value(words.back());
  } catch (const CLI::Error& error) {
    throw base::Error(cat("the command line: ", printable(error.what())));
  }
  auto rest = app.remaining();
  refuse_empty_values(words.first(words.size() - rest.size()));
  if (rest.empty()) return rest;
  if (rest.front() == "--") {
    rest.erase(rest.begin());
  } else if (rest.front().size() > 1 && rest.front().front() == '-') {
    refuse_unknown(rest.front());
  }
  return rest;
}

/// --network none, host and container:NAME stand for themselves, and leave no networks.
void decide_network(Options& options) {
  const auto special = std::ranges::find_if(options.networks, [](const NetworkChoice& choice) {
    return choice.name == "none" || choice.name == "host" ||
           choice.name.starts_with(ContainerPrefix);
  });
  if (special == options.networks.end()) return;
  const std::string name = special->name;
  if (options.networks.size() > 1)
    throw base::Error(
        cat("--network ", name, " is no network beside others; leave out the others"));
  if (!special->addresses.empty() || special->mac)
    throw base::Error(
        cat("--network ", name, " has no addresses to choose; leave out --ip, --ip6 and --mac"));
  if (!options.ports.empty())
    throw base::Error(
        cat("--publish needs a network of the container's own, not --network ", name));
  if (!options.host_ports.empty())
    throw base::Error(
        cat("--host-port needs a network of the container's own, not --network ", name));
  options.networks.clear();
  options.host_network = name == "host";
  if (name.starts_with(ContainerPrefix)) options.network_of = name.substr(ContainerPrefix.size());
}

/// What no option can see by itself.
void check_together(Options& options) {
  if (options.networks.empty()) network_meant(options);
  decide_network(options);
  if (options.command.empty()) {
    throw base::Error(
        "no program given, as in `mini-run --publish 8080:80 nginx`; `mini-run --help` shows all");
  }
  if (options.command.front().empty()) throw base::Error("the program's name is empty");
  if (options.writable_root && options.rootfs.empty()) {
    throw base::Error(
        "--writable-root needs --rootfs DIR: the host's own root is never written to");
  }
  if (options.writable_root && options.read_only)
    throw base::Error("--writable-root and --read-only contradict each other");
  if (options.wait && !options.detach)
    throw base::Error("--wait needs --detach: else mini-run returns when the program has ended");
  values::check_distinct(options.networks);
  values::check_distinct(options.ports);
  values::check_distinct(options.volumes, options.tmpfs);
}

}  // namespace

Options parse_options(int argc, const char* const* argv) {
  Options options;
  const CommandLine words(argv, static_cast<std::size_t>(std::max(argc, 0)));
  if (words.size() > 1) options.command = parse_words(words.subspan(1), options);
  check_together(options);
  return options;
}

std::vector<std::string_view> option_names() {
  std::vector<std::string_view> names;
  for (const auto& entry : Entries) names.push_back(entry.name);
  return names;
}

}  // namespace runtime
