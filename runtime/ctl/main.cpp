// SPDX-License-Identifier: MIT
// minictl: looks at and steers containers that run.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <utility>

#include "base/error.h"
#include "base/say.h"
#include "base/text.h"
#include "runtime/control.h"
#include "runtime/ctl/commands.h"
#include "runtime/options.h"
#include "runtime/options_values.h"
#include "runtime/tidy.h"

namespace {

using namespace runtime;
using ctl::Names;

/// What the commands take, and the exit status of the one that was given.
struct Line {
  Names names;
  std::string name;
  std::vector<std::string> words;
  bool json = false;
  bool force = false;
  ctl::Listing listing;
  ctl::LogView view;
  ctl::Execution execution;
  ctl::NetworkOptions network;
  ctl::TraceOptions trace;
  std::string container;
  std::string format = "text";
  std::string mac;
  std::optional<std::string> timeout;
  std::string signal = "KILL";
  std::vector<std::string> environment;
  int status = 0;
};

/// --help of us and of each command, as CLI11 writes it, but for what CLI11 cannot know.
class Help : public CLI::Formatter {
 public:
  Help() {
    label("REQUIRED", "");
    label("SUBCOMMAND", "COMMAND");
    label("Positionals", "Arguments");
  }
  std::string make_usage(const CLI::App* app, std::string name) const override {
    // To CLI11, what follows the options of exec are no arguments: they may look like options.
    if (app->get_name() == "exec")
      return base::cat("Usage: ", name, " [OPTIONS] NAME PROGRAM [ARG]...\n");
    return Formatter::make_usage(app, std::move(name));
  }
};

CLI::App* add_command(CLI::App& app, const char* name, const char* what, const char* example) {
  return app.add_subcommand(name, what)
      ->group("Commands")
      ->footer(base::cat("Example: minictl ", example));
}

std::string not_a_number_of_lines(const std::string& text) {
  return base::parse_number<unsigned>(text) ? "" : "it is a number of lines, 0 or more";
}

void add_listings(CLI::App& app, Line& line) {
  auto* ps = add_command(app, "ps", "the containers that run", "ps -a");
  ps->add_flag("-a,--all", line.listing.all, "those that have ended, too");
  ps->add_flag("-q,--quiet", line.listing.quiet, "names only");
  ps->add_flag("--json", line.listing.json, "as JSON");
  ps->callback([&line] { line.status = ctl::ps(line.listing); });

  auto* inspect = add_command(app, "inspect", "all that is known of a container", "inspect web");
  inspect->add_option("NAME", line.names, "containers")->required()->type_name("");
  inspect->add_flag("--json", line.json, "as JSON");
  inspect->callback([&line] { line.status = ctl::inspect(line.names, line.json); });

  auto* graph = add_command(app, "graph", "the network as the kernel has it, drawn",
                            "graph --format svg > network.svg");
  graph->add_option("--format", line.format, "text, svg, mermaid, dot or json (text)")
      ->type_name("FORMAT");
  graph->callback([&line] { line.status = ctl::graph(line.format); });

  auto* explain = add_command(app, "explain", "the commands that wired a container, or the rules",
                              "explain web");
  explain->add_option("NAME", line.name, "a container, or nft")->required()->type_name("");
  explain->callback([&line] { line.status = ctl::explain(line.name); });

  auto* logs = add_command(app, "logs", "what a detached container has said", "logs -f -n 20 web");
  logs->add_option("NAME", line.name, "container")->required()->type_name("");
  logs->add_flag("-f,--follow", line.view.follow, "and what it says from now on");
  logs->add_option("-n,--tail", line.view.tail, "only the last LINES lines")
      ->type_name("LINES")
      ->check(not_a_number_of_lines);
  logs->callback([&line] { line.status = ctl::logs(line.name, line.view); });
}

void add_steering(CLI::App& app, Line& line) {
  const auto command = [&](const char* name, const char* what, const char* example, auto run) {
    auto* made = add_command(app, name, what, example);
    made->add_option("NAME", line.names, "containers")->required()->type_name("");
    made->callback([&line, run] { line.status = run(line); });
    return made;
  };
  command("stop", "asks to end, kills after a while", "stop -t 3 web db",
          [](const Line& l) { return ctl::stop(l.names, l.timeout); })
      ->add_option("-t,--time", line.timeout, "until the kill (the container's own)")
      ->type_name("SECONDS");
  command("kill", "sends a signal", "kill -s HUP web",
          [](const Line& l) { return ctl::kill(l.names, l.signal); })
      ->add_option("-s,--signal", line.signal, "which (KILL)")
      ->type_name("SIGNAL");
  command("wait", "waits for the end, prints the exit status", "wait web",
          [](const Line& l) { return ctl::wait(l.names); });
  command("rm", "removes what is kept of an ended container", "rm web", [](const Line& l) {
    return ctl::remove(l.names, l.force);
  })->add_flag("-f,--force", line.force, "kill it first where it runs");
  add_command(app, "prune", "removes what is kept of all that have ended", "prune")
      ->callback([&line] { line.status = ctl::prune(); });
  add_command(app, "repair", "puts back what somebody removed under running containers", "repair")
      ->callback([&line] { line.status = ctl::repair(); });
  auto* doctor = add_command(
      app, "doctor", "what is wrong with this host, and the command that mends it", "doctor");
  doctor->add_flag("--json", line.json, "as JSON");
  doctor->callback([&line] { line.status = ctl::doctor(line.json); });
}

void add_trace(CLI::App& app, Line& line) {
  auto& options = line.trace;
  auto* trace =
      add_command(app, "trace", "the way of the next connection through the kernel", "trace 8080");
  trace->add_option("NAME|PORT", options.what, "a container, or a port of the host")
      ->required()
      ->type_name("");
  trace->add_flag("--packets", options.packets, "all packets, not only the first each way");
  trace->add_flag("--json", options.json, "as JSON");
  trace->add_option("-t,--timeout", options.timeout, "ends then at the latest")
      ->type_name("SECONDS");
  trace->callback([&line] { line.status = ctl::trace(line.trace); });
}

void add_port(CLI::App& app, Line& line) {
  auto* port = add_command(app, "port", "published ports: NAME, or add or rm", "port web");
  port->require_subcommand(0, 1);
  port->add_option("NAME", line.names, "containers")->type_name("");
  port->add_flag("--json", line.json, "as JSON");
  for (const auto& [name, what, example, change] :
       {std::tuple{"add", "publishes ports of a running container", "port add web 8443:443",
                   "publish"},
        std::tuple{"rm", "ends that", "port rm web 8443", "unpublish"}}) {
    auto* made = add_command(*port, name, what, example);
    made->add_option("NAME", line.name, "container")->required()->type_name("");
    made->add_option("PORT", line.words, "as for mini-run -p")->required()->type_name("");
    made->callback([&line, change = change] {
      line.status = ctl::change_ports(line.name, change, line.words);
    });
  }
  port->callback([&line, port] {
    if (!port->get_subcommands().empty()) {
      if (line.names.empty()) return;
      throw base::Error("port: add and rm come before the container's name");
    }
    if (line.names.empty()) throw base::Error("port: which container? minictl port NAME");
    line.status = ctl::list_ports(line.names, line.json);
  });
}

void add_network_changes(CLI::App& network, Line& line) {
  auto* connect = add_command(network, "connect", "a running container joins a network",
                              "network connect lab0 web");
  connect->add_option("NETWORK", line.name, "network")->required()->type_name("");
  connect->add_option("CONTAINER", line.container, "container")->required()->type_name("");
  for (const char* option : {"--ip", "--ip6"})
    connect->add_option(option, line.words, "its address there")
        ->type_name("ADDRESS")
        ->allow_extra_args(false);
  connect->add_option("--mac", line.mac, "its MAC there")->type_name("ADDRESS");
  connect->callback([&line] {
    Words request = {"connect", values::network_name(line.name), line.mac};
    for (const auto& word : line.words) request.push_back(values::address("--ip", word).text());
    if (!line.mac.empty()) values::mac(line.mac);
    line.status = ctl::change_network(request, line.container);
  });
  auto* disconnect =
      add_command(network, "disconnect", "it leaves one", "network disconnect lab0 web");
  disconnect->add_option("NETWORK", line.name, "network")->required()->type_name("");
  disconnect->add_option("CONTAINER", line.container, "container")->required()->type_name("");
  disconnect->callback([&line] {
    line.status = ctl::change_network({"disconnect", line.name}, line.container);
  });
}

void add_network(CLI::App& app, Line& line) {
  auto* network =
      add_command(app, "network", "networks: all of them, or create, rm, ...", "network");
  network->require_subcommand(0, 1);
  network->add_flag("--json", line.json, "as JSON");
  auto* ls = add_command(*network, "ls", "all of them, and who is on them", "network ls");
  ls->add_flag("--json", line.json, "as JSON");
  auto* inspect = add_command(*network, "inspect", "all that is known of one, as JSON",
                              "network inspect mini0");
  inspect->add_option("NETWORK", line.names, "networks")->required()->type_name("");
  inspect->callback([&line] { line.status = ctl::inspect_networks(line.names); });
  auto* create = add_command(*network, "create", "describes one, for its first container",
                             "network create lab0 --subnet 10.5.0.0/24");
  auto& options = line.network;
  create->add_option("NETWORK", line.name, "its name, and its bridge's")->required()->type_name("");
  create->add_option("--subnet", options.subnets, "of IPv4, of IPv6 (chosen)")
      ->type_name("SUBNET")
      ->allow_extra_args(false);
  create->add_option("--gateway", options.gateways, "the bridge's address (the first)")
      ->type_name("ADDRESS")
      ->allow_extra_args(false);
  create->add_flag("--internal", options.internal, "no way out, no services of the host");
  create->add_flag("--isolated", options.isolated, "its containers cannot talk to each other");
  create->add_option("--mtu", options.mtu, "in bytes (the way out's)")->type_name("BYTES");
  create->add_option("--ipv6", options.ipv6, "on or off (on)")->type_name("WHETHER");
  create->add_option("--option", options.options, "a key of its description")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  create->callback([&line] { line.status = ctl::create_network(line.name, line.network); });
  auto* rm = add_command(*network, "rm", "forgets descriptions", "network rm lab0");
  rm->add_option("NETWORK", line.names, "networks")->required()->type_name("");
  rm->callback([&line] { line.status = ctl::remove_networks(line.names); });
  add_network_changes(*network, line);
  network->callback([&line, network, ls] {
    const auto given = network->get_subcommands();
    if (given.empty() || given.front() == ls) line.status = ctl::networks(line.json);
  });
}

void add_exec(CLI::App& app, Line& line, char** argv) {
  auto* exec = add_command(app, "exec", "runs another program in a container", "exec -it web bash");
  exec->prefix_command();
  exec->add_flag("-i,--interactive", line.execution.interactive, "with -t: type to it");
  exec->add_flag("-t,--tty", line.execution.tty, "with a terminal of its own");
  exec->add_option("-u,--user", line.execution.user, "who it runs as")->type_name("USER[:GROUP]");
  exec->add_option("-w,--workdir", line.execution.workdir, "where it starts")->type_name("DIR");
  exec->add_option("-e,--env", line.environment, "a variable more")
      ->type_name("NAME[=VALUE]")
      ->allow_extra_args(false);
  exec->callback([&line, exec, argv] {
    auto words = exec->remaining();
    if (!words.empty() && words.front() == "--") words.erase(words.begin());
    if (words.size() > 1 && words[1] == "--") words.erase(words.begin() + 1);
    if (words.size() < 2)
      throw base::Error("exec: which program, where? minictl exec NAME PROGRAM [ARG]...");
    line.execution.name = words.front();
    line.execution.command.assign(words.begin() + 1, words.end());
    for (const auto& variable : line.environment)
      values::add_variable(variable, line.execution.environment);
    if (line.execution.workdir) values::workdir(*line.execution.workdir);
    if (line.execution.tty && line.execution.interactive && ::isatty(STDIN_FILENO) == 0)
      throw base::Error("exec: -it needs a terminal on standard input; leave out -t");
    line.status = ctl::exec(line.execution, argv);
  });
}

int run(int argc, char** argv) {
  CLI::App app("Looks at and steers the containers of mini-run.", "minictl");
  Line line;
  app.formatter(std::make_shared<Help>());
  app.set_help_flag("-h,--help", "this text");
  app.require_subcommand(1);
  app.set_version_flag("--version", base::cat("minictl ", Version), "the version");
  add_listings(app, line);
  add_steering(app, line);
  add_port(app, line);
  add_trace(app, line);
  add_network(app, line);
  add_exec(app, line, argv);
  app.footer(
      "Example: minictl ps -a\n"
      "`minictl COMMAND --help` shows the options of each; `man minictl` has it all.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {
    return app.exit(success);
  } catch (const CLI::Error& error) {
    throw base::Error(base::cat(base::printable(error.what()), "; `minictl --help` shows all"));
  }
  return line.status;
}

}  // namespace

int main(int argc, char** argv) {
  base::say_as("minictl");
  try {
    tidy_up_inheritance();
    return run(argc, argv);
  } catch (const base::Error& error) {
    if (error.code().value() == EPIPE) return 128 + SIGPIPE;  // as head(1) wants it: without a word
    base::say(error.what());
    return error.exit_status();
  } catch (const std::exception& error) {
    base::say(error.what());
    return base::ExitFailure;
  }
}
