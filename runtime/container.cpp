// SPDX-License-Identifier: MIT
#include "runtime/container.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>

#include "base/error.h"
#include "base/file.h"
#include "base/say.h"
#include "base/test_point.h"
#include "base/text.h"
#include "netsetup/explain.h"
#include "rootfs/users.h"
#include "runtime/config.h"
#include "runtime/configs.h"
#include "runtime/etc_files.h"
#include "runtime/life.h"
#include "runtime/streams.h"
#include "runtime/supervise.h"

namespace runtime {

using base::cat;
using base::check;
using netsetup::ContainerNetwork;

namespace {

/// --timing: what took how long since the last mark.
class Timing {
 public:
  explicit Timing(bool on) : on_(on) {}
  void mark(std::string_view phase) {
    if (!on_) return;
    const auto now = Clock::now();
    const auto took = std::chrono::duration_cast<std::chrono::microseconds>(now - last_).count();
    report_ += cat(report_.empty() ? "" : ", ", phase, " ", took);
    last_ = now;
  }
  void print() const {
    if (on_) base::say(cat("microseconds: ", report_));
  }

 private:
  using Clock = std::chrono::steady_clock;
  bool on_;
  Clock::time_point last_ = Clock::now();
  std::string report_;
};

/// The child, cloned into namespaces of its own. In the child this does not return.
Child clone_child(const Config& config, Channel parent_end, Channel child_end, Channel& channel) {
  int pidfd = -1;
  clone_args args{};
  args.flags =
      CLONE_NEWUTS | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWCGROUP | CLONE_PIDFD;
  if (config.own_network) args.flags |= CLONE_NEWNET;
  args.pidfd = reinterpret_cast<std::uintptr_t>(&pidfd);
  args.exit_signal = SIGCHLD;
  // Init takes its signals with sigwaitinfo(2): all are blocked before there is an init.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  check(::sigprocmask(SIG_SETMASK, &all, &before), "sigprocmask");
  const auto pid = static_cast<pid_t>(::syscall(SYS_clone3, &args, sizeof args));  // 1
  if (pid == 0) {
    parent_end = Channel(base::UniqueFd());  // so that the parent's death can be seen
    ::_exit(child_main(config.child, std::move(child_end)));
  }
  const int error = errno;
  check(::sigprocmask(SIG_SETMASK, &before, nullptr), "sigprocmask");
  if (pid < 0)
    throw base::Error(error,
                      "make the container's namespaces (clone3 with CLONE_NEWNET, NEWUTS, "
                      "NEWNS, NEWPID, NEWIPC, NEWCGROUP)");
  channel = std::move(parent_end);
  return {pid, base::UniqueFd(pidfd)};
}

/// A file for the child, see rootfs::Root::etc_files.
void give_file(int directory, const char* name, std::string_view text) {
  const auto file =
      base::open_or_throw(name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, directory, 0644);
  check(::fchmod(file.get(), 0644), cat("make ", name, " readable"));  // whatever our umask
  base::write_all(file.get(), text, cat("write ", name, " to /run/mini-run"));
}

void give_etc_files(const Config& config, const Options& options, const ContainerNetwork& network) {
  const std::string& hostname = config.child.hostname;
  const int directory = network.directory();
  std::vector<netsetup::Ip> addresses;
  std::vector<netsetup::Ip> gateways;
  if (!network.attachments().empty()) {
    const auto& first = network.attachments().front();
    addresses = first.endpoint().addresses;
    for (const auto& gateway : first.network().gateways) gateways.push_back(gateway.address);
  }
  give_file(directory, "hosts", hosts(hostname, addresses, gateways, options.add_host));
  give_file(directory, "hostname", hostname + "\n");
  give_file(directory, "resolv.conf", config.resolv_conf);
}

void send(const Channel& channel, Message::Kind kind) {
  if (!channel.send(kind)) throw base::Error(errno, "talk to the container's process 1");
}

void explain_root(const rootfs::Root& root) {
  std::string out =
      "\n# The container's root, in its own mount namespace, as mount(8) would make it.\n";
  for (const auto& line : rootfs::describe(root)) out += line + "\n";
  base::write_all(STDERR_FILENO, out + "\n", "write to standard error");
}

/// Our share of the start, while the child does its own. Returns where the container's questions
/// about names come in.
DnsSockets supply(const Config& config, const Options& options, const Child& child,
                  const Channel& channel, ContainerNetwork& network, Timing& timing) {
  if (!options.networks.empty()) network.join();  // 2
  base::test_point("joined");
  give_etc_files(config, options, network);
  send(channel, Message::Kind::Files);  // 3
  base::test_point("files sent");
  timing.mark("join");
  DnsSockets sockets;
  if (config.own_network) {
    network.connect(child.pid());  // 4
    network.inside([&] { sockets = DnsSockets::open(); });
  }
  timing.mark("connect");
  if (options.explain) explain_root(config.child.root);
  send(channel, Message::Kind::Go);  // 5
  base::test_point("go sent");
  return sockets;
}

/// Waits for FD to be readable; throws where a signal asks us to stop first. Others wait in the
/// child for the program to start.
void wait_for(int fd, const SignalQueue& signals, const Child& child) {
  std::array<pollfd, 2> events = {{{fd, POLLIN, 0}, {signals.fd(), POLLIN, 0}}};
  for (;;) {
    if (::poll(events.data(), events.size(), -1) < 0 && errno != EINTR)
      throw base::Error(errno, "poll");
    // First: the program may have started, and what has come since is the Supervisor's to take.
    if (events[0].revents != 0) return;
    const auto signal = signals.take();
    if (!signal) continue;
    const auto number = static_cast<int>(signal->ssi_signo);
    if (number == SIGTERM || number == SIGINT || number == SIGHUP)
      throw base::Error("stopped before the program started", 128 + number);
    child.kill(number);
  }
}

/// Adds what the child has to say to NOTES: it counts only if the container comes to be. Returns
/// the master of the program's terminal, where it has one.
base::UniqueFd wait_until_ready(const Channel& channel, const SignalQueue& signals,
                                const Child& child, std::vector<std::string>& notes) {
  for (;;) {
    wait_for(channel.fd(), signals, child);
    auto message = channel.receive();  // 6
    if (!message) throw base::Error("the container died before its program could start");
    if (message->kind == Message::Kind::Ready) return std::move(message->descriptor);
    if (message->kind == Message::Kind::Failed)
      throw base::Error(message->text, message->exit_status);
    notes.push_back(message->text);
  }
}

/// Our share of the start failed with ERROR. If that is because the child has died, it has said
/// why.
[[noreturn]] void throw_first_cause(const Channel& channel, const base::Error& error) {
  pollfd event = {channel.fd(), POLLIN, 0};
  while (::poll(&event, 1, 0) > 0) {
    const auto message = channel.receive();
    if (!message) break;
    if (message->kind == Message::Kind::Failed)
      throw base::Error(message->text, message->exit_status);
  }
  // NOLINTNEXTLINE(cert-err60-cpp): a copy may throw bad_alloc, as everything here may
  throw error;
}

/// HOST 0 was the kernel's to choose: the user must be told.
void tell_chosen_ports(const Options& options, const ContainerNetwork& network) {
  for (std::size_t i = 0; i < options.ports.size(); ++i) {
    if (options.ports[i].host_port == 0) base::say(cat("published ", network.ports()[i].text()));
  }
  if (const auto unheld = network.unheld_ports(); unheld != 0)
    base::say(
        cat(unheld,
            " of the published ports were checked, but are not held against programs that bind "
            "them later: that many are too many"));
}

/// What is left of a container that has ended.
struct Remains {
  ContainerNetwork& network;
  base::UniqueFd mounts;  // its mount namespace
};

/// Undoes what was shared, if this was the last container.
int tidy_up(void* pointer) {
  // Whoever starts the next container within this time finds the bridge still there.
  constexpr timespec Linger = {0, 50'000'000};
  auto& remains = *static_cast<Remains*>(pointer);
  ::setsid();
  const base::UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  for (int standard = 0; standard < 3; ++standard) ::dup2(null.get(), standard);
  base::test_point("in background");
  remains.mounts.reset();
  remains.network.release();
  base::test_point("released");
  ::nanosleep(&Linger, nullptr);
  remains.network.leave();
  base::test_point("left");
  return 0;
}

/// tidy_up() in a process that nobody waits for. It shares our memory (CLONE_VM) rather than have
/// a copy of it: all that we do after this is to exit.
void tidy_up_in_background(Remains& remains) {
#ifdef __SANITIZE_ADDRESS__  // which takes an exception on a stack of our own for an error
  const pid_t process = ::fork();
  if (process == 0) ::_exit(tidy_up(&remains));
#else
  alignas(16) static std::array<char, std::size_t{512} * 1024> stack;
  const pid_t process = ::clone(tidy_up, stack.data() + stack.size(), CLONE_VM | SIGCHLD, &remains);
#endif
  if (process < 0) tidy_up(&remains);
}

[[noreturn]] void end(Remains remains, bool explain, int status) {
  if (explain) {
    remains.network.release();
    for (const auto& failure : remains.network.leave()) base::say(failure);
  } else {
    tidy_up_in_background(remains);
  }
  ::_exit(status);  // no destructor: the other process does what they would, in the same memory
}

/// NAME must outlive it: it is read at each step.
netsetup::Observer observer(const Options& options, const std::string& name) {
  if (!options.explain) return {};
  return [&name](const netsetup::Step& step) {
    const std::string lines = cat("\n# ", reason(step), "\n", command(step, name), "\n");
    base::write_all(STDERR_FILENO, lines, "write to standard error");
  };
}

}  // namespace

void run(const Options& options, Herald* herald) {
  Timing timing(options.timing);
  Config config = decide(options);
  std::vector<std::string> notes = config.notes;
  const SignalQueue signals;
  timing.mark("decide");

  ContainerNetwork network(config.network, observer(options, config.network.name));
  config.network.name = network.name();  // a made-up one may have got a number
  if (options.hostname.empty()) config.child.hostname = network.name();
  Streams streams(options, network.directory());
  streams.give_to(config.child);
  config.child.root.etc_files = network.directory();
  auto [parent_end, child_end] = Channel::make();
  Channel channel{base::UniqueFd()};
  timing.mark("reserve");
  Child child = clone_child(config, std::move(parent_end), std::move(child_end), channel);
  timing.mark("clone");
  base::test_init_is(child.pid());
  base::test_point("cloned");

  // Taking dozens of mounts apart takes longer than most of what a start does: while this is open,
  // the container's end does not wait for it.
  base::UniqueFd mounts(
      ::open(cat("/proc/", child.pid(), "/ns/mnt").c_str(), O_RDONLY | O_CLOEXEC));
  DnsSockets sockets;
  try {
    sockets = supply(config, options, child, channel, network, timing);
  } catch (const base::Error& error) {
    throw_first_cause(channel, error);
  }
  base::UniqueFd master = wait_until_ready(channel, signals, child, notes);
  timing.mark("root");
  base::test_point("ready");
  for (const auto& note : notes) base::say(note);
  tell_chosen_ports(options, network);

  Life life(options, config, network, std::move(sockets), child, channel, signals, streams, herald);
  streams.start(life.loop(), std::move(master));
  const int status = life.run();
  base::test_point("ended");
  network.disconnect();
  base::test_point("disconnected");
  life.announce_end(status);
  timing.mark("run");
  timing.print();
  end({network, std::move(mounts)}, options.explain, status);
}

void print_plan(const Options& options) {
  const Config config = decide(options);
  if (options.rootfs.empty()) rootfs::find_user(config.child.user);  // for its error
  const std::string& name = config.network.name;
  const auto plan = netsetup::preview(config.network);
  std::string out = cat("#!/bin/sh -e\n# What `mini-run` would do here now; as root.\n",
                        netsetup::script(plan, name, configs::Ruleset));
  out +=
      cat("\n# The program, in the container's network; mini-run gives it a root, processes and\n"
          "# rights of its own besides.\nip netns exec ",
          base::shell_quote(name));
  for (const auto& word : config.child.command) out += cat(" ", base::shell_quote(word));
  out += "\n";
  base::write_all(STDOUT_FILENO, out, "write the plan");
}

}  // namespace runtime
