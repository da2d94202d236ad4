// SPDX-License-Identifier: MIT
// The security sequence, straight from top to bottom. What is lost in a line is never needed in a
// later one:
//
//   init (process 1)                        the program (process 2), forked by init: launch.cpp
//     dies with mini-run (PDEATHSIG)
//     gives up mini-run's locks
//     session and hostname of its own
//     the root: mounts, pivot_root
//     the user is looked up
//     forks                                 session of its own: no terminal to inject into
//     closes all but the channel            keys of its own
//     keeps CAP_KILL only                   working directory, signals as execve(2) finds them
//     reaps and forwards (init.cpp)         groups, bounding set, user, capabilities
//                                           no_new_privs
//                                           waits for Go
//                                           closes all else, loads seccomp
//                                           executes the shim, which executes it (shim.h)
//
// Init never executes another program and is not dumpable (mini-run was not, before the clone):
// nobody inside can trace it, or open our binary through /proc/1/exe.
#include "runtime/child.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>

#include "base/error.h"
#include "base/test_point.h"
#include "rootfs/users.h"
#include "runtime/init.h"
#include "runtime/launch.h"
#include "runtime/tidy.h"

namespace runtime {

using base::check;

namespace {

/// Whoever reads what the program says must see the end of it, though init lives on.
void let_go_of_streams() {
  const base::UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  for (int standard = 0; standard <= STDERR_FILENO; ++standard) ::dup2(null.get(), standard);
}

int set_up_and_run(const ChildConfig& config, const Channel& channel) {
  base::test_role("init");
  base::test_point("born");
  check(::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0), "PR_SET_PDEATHSIG");
  if (config.network >= 0)
    check(::setns(config.network, CLONE_NEWNET), "enter the other container's network namespace");
  // Locks are our parent's alone: its death must free them at once.
  close_all_but({config.root.etc_files, channel.fd(), config.input, config.output});
  std::fill(config.arguments.begin(), config.arguments.end(), '\0');
  constexpr std::string_view Name = "init";
  if (config.arguments.size() > Name.size())
    std::copy(Name.begin(), Name.end(), config.arguments.begin());
  check(::prctl(PR_SET_NAME, "init", 0, 0, 0), "PR_SET_NAME");
  // A parent that died before the first line: its end of the channel is closed, receive() sees it.
  check(::setsid(), "setsid");
  check(::sethostname(config.hostname.data(), config.hostname.size()), "sethostname");
  const rootfs::Wait wait = [&] {
    if (!channel.receive()) throw base::Error("mini-run has gone");  // 3
  };
  for (const auto& note : rootfs::enter(config.root, wait)) channel.send(Message::Kind::Note, note);
  const rootfs::User user = rootfs::find_user(config.user);
  base::test_point("root entered");

  const pid_t program = launch(config, user, channel);
  base::test_point("launched");
  close_all_but({channel.fd()});
  if (config.tty || config.output >= 0) {
    let_go_of_streams();
    let_go_of_memory();
  }
  limit_permitted(CapabilitySet{1} << CAP_KILL);
  return run_init(program, config.command.front(), config.stop_signal, channel);
}

}  // namespace

int child_main(const ChildConfig& config, Channel channel) noexcept {
  try {
    return set_up_and_run(config, channel);
  } catch (const base::Error& error) {
    channel.send(Message::Kind::Failed, error.what(), error.exit_status());
  } catch (const std::exception& error) {
    channel.send(Message::Kind::Failed, error.what(), base::ExitFailure);
  }
  return base::ExitFailure;
}

}  // namespace runtime
