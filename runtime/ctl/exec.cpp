// SPDX-License-Identifier: MIT
// A second program in a running container, as confined as the first.
//
// Theory of operation. setns(2) with the pidfd of the container's process 1 takes us into all of
// its namespaces at once, and to its root. From there the way is that of the container's own
// program (launch.h): its user, its capabilities, its seccomp filter. We are not dumpable and hold
// nothing of the host open that the program could inherit, from before we enter (CVE-2016-9962).
// Our own pid stays outside: only the program is in the container's pid namespace.
#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "base/say.h"
#include "base/text.h"
#include "rootfs/users.h"
#include "runtime/channel.h"
#include "runtime/ctl/commands.h"
#include "runtime/ctl/containers.h"
#include "runtime/launch.h"
#include "runtime/seal.h"
#include "runtime/seccomp.h"
#include "runtime/streams.h"
#include "runtime/supervise.h"

namespace runtime::ctl {

using base::check;

namespace {

/// The filter that CONTAINER's program has; what is returned points into PROGRAM where it is not
/// the default.
std::span<const sock_filter> filter_of(const Container& container, BpfProgram& program) {
  if (container.description.seccomp == "unconfined") return {};
  if (container.description.seccomp == "default") return default_seccomp();
  const auto file =
      base::open_or_throw("seccomp", O_RDONLY | O_NOFOLLOW, container.directory.get());
  const std::string bytes = base::read_all(file.get());
  program.resize(bytes.size() / sizeof(sock_filter));
  std::memcpy(program.data(), bytes.data(), program.size() * sizeof(sock_filter));
  return program;
}

ChildConfig config_of(const Execution& execution, const Description& known) {
  ChildConfig config;
  config.hostname = known.hostname;
  config.user = execution.user.value_or(known.user);
  config.environment = known.environment;
  config.environment.insert(config.environment.end(), execution.environment.begin(),
                            execution.environment.end());
  config.workdir = execution.workdir.value_or(known.workdir);
  config.command = execution.command;
  config.capabilities = known.capabilities;
  config.tty = execution.tty;
  config.in_foreground = ::tcgetpgrp(STDIN_FILENO) == ::getpgrp();
  return config;
}

void enter(const base::UniqueFd& init) {
  check(::setns(init.get(), CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC |
                                CLONE_NEWPID | CLONE_NEWCGROUP),
        "enter the container's namespaces");
  check(::chdir("/"), "enter the container's root");
}

}  // namespace

int exec(const Execution& execution, char** argv) {
  const auto container = find_running(execution.name);
  const Description& known = container.description;
  if (needs_sealing(known.capabilities)) run_from_sealed_memfd(argv);
  ChildConfig config = config_of(execution, known);
  BpfProgram program;
  config.seccomp = filter_of(container, program);
  Options options;
  options.tty = execution.tty;
  options.interactive = execution.interactive;
  Streams streams(options, -1);
  const SignalQueue signals;
  {
    const auto init = open_init(container);
    enter(init);
  }
  if (execution.workdir)  // a container's own program may have it made, one that comes later not
    check(::access(execution.workdir->c_str(), F_OK),
          base::cat("the working directory ", base::printable(*execution.workdir)));
  const auto user = rootfs::find_user(config.user);
  auto [ours, theirs] = Channel::make();
  ours.send(Message::Kind::Go);
  const pid_t pid = launch(config, user, theirs);
  Child child(pid, base::open_process(pid));
  check(child.pidfd(), "pidfd_open");
  { const Channel closed = std::move(theirs); }

  base::UniqueFd master;
  while (auto message = ours.receive()) {
    if (message->kind == Message::Kind::Failed)
      throw base::Error(message->text, message->exit_status);
    if (message->kind == Message::Kind::Ready) master = std::move(message->descriptor);
  }
  Supervisor supervisor(
      child, ours, signals,
      {SIGTERM, known.stop_timeout, [](const std::string& text) { base::say(text); }, [] {},
       [&] {
         streams.adapt();
         return streams.has_terminal();
       }});
  streams.start(supervisor.loop(), std::move(master));
  const int status = supervisor.run();
  streams.finish();
  return status;
}

}  // namespace runtime::ctl
