// SPDX-License-Identifier: MIT
// The security sequence, straight from top to bottom. What is lost in a line is never needed in a
// later one:
//
//   init (process 1)                        the program (process 2), forked by init
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
//                                           closes all but the channel, loads seccomp, execs
//
// Init never executes another program and is not dumpable (mini-run was not, before the clone):
// nobody inside can trace it, or open our binary through /proc/1/exe.
#include "runtime/child.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <initializer_list>

#include "base/error.h"
#include "base/text.h"
#include "rootfs/users.h"
#include "runtime/environment.h"
#include "runtime/init.h"
#include "runtime/program.h"
#include "runtime/seccomp.h"

namespace runtime {

using base::cat;
using base::check;

namespace {

/// Closes every descriptor beyond the standard ones but KEPT, which are open. (close_range(2),
/// Linux 5.9)
void close_all_but(std::initializer_list<int> kept) {
  std::vector<unsigned> sorted(kept.begin(), kept.end());
  std::sort(sorted.begin(), sorted.end());
  const auto close_range = [](unsigned first, unsigned last) {
    if (first <= last)
      check(static_cast<int>(::syscall(SYS_close_range, first, last, 0)), "close_range");
  };
  unsigned first = STDERR_FILENO + 1;
  for (const unsigned next : sorted) {
    close_range(first, next - 1);
    first = next + 1;
  }
  close_range(first, ~0U);
}

void reset_signals() {
  // The kernel's own struct, all zero: SIG_DFL. glibc's functions leave out two signals.
  const std::array<unsigned long, 4> by_default{};
  for (int number = 1; number < NSIG; ++number)
    ::syscall(SYS_rt_sigaction, number, by_default.data(), nullptr, sizeof(unsigned long));
  sigset_t none;
  ::sigemptyset(&none);
  check(::sigprocmask(SIG_SETMASK, &none, nullptr), "sigprocmask");
}

/// A terminal does not stop who is outside its session from reading: so where we are not in its
/// foreground, standard input is empty, and no terminal can be read by way of the outputs.
void leave_terminal(bool in_foreground) {
  for (int fd = 0; fd <= STDERR_FILENO; ++fd) {
    if (::isatty(fd) == 0 || (fd == 0 && in_foreground)) continue;
    const std::string path = cat("/proc/self/fd/", fd);
    const base::UniqueFd other(fd == 0 ? ::open("/dev/null", O_RDONLY | O_CLOEXEC)
                                       : ::open(path.c_str(), O_WRONLY | O_NOCTTY | O_CLOEXEC));
    if (other.valid()) ::dup2(other.get(), fd);
  }
}

/// Enters DIRECTORY, making it where it is missing, as docker does.
void enter_directory(const std::string& directory) {
  for (auto end = directory.find('/', 1);; end = directory.find('/', end + 1)) {
    const std::string part = directory.substr(0, end);
    if (::mkdir(part.c_str(), 0755) < 0 && errno != EEXIST && errno != EROFS)
      throw base::Error(errno, cat("make the working directory ", base::printable(part)));
    if (end == std::string::npos) break;
  }
  check(::chdir(directory.c_str()),
        cat("enter the working directory ", base::printable(directory)));
}

/// getcwd(2) says "(unreachable)..." where the directory lies outside of our root.
void check_inside_root() {
  std::array<char, 4096> path{};
  if (::syscall(SYS_getcwd, path.data(), path.size()) > 0 && path[0] == '/') return;
  throw base::Error("the working directory lies outside of the container's root");
}

void become(const rootfs::User& user, CapabilitySet capabilities) {
  check(::setgroups(user.groups.size(), user.groups.data()), "setgroups");
  limit_bounding_set(capabilities);
  check(::setresgid(user.gid, user.gid, user.gid), "setresgid");
  check(::setresuid(user.uid, user.uid, user.uid), "setresuid");
  limit_permitted(user.uid == 0 ? capabilities : 0);
  check(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
}

/// The program's branch. Throws Error; does not return.
[[noreturn]] void run_program(const ChildConfig& config, const rootfs::User& user,
                              const Channel& channel) {
  check(::setsid(), "setsid");
  leave_terminal(config.in_foreground);
  // The caller's keys are not the container's; a kernel without keys has none to give.
  ::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr);
  reset_signals();
  ::umask(022);
  enter_directory(config.workdir.empty() ? "/" : config.workdir);
  check_inside_root();
  const auto environment = make_environment(user.home, config.hostname, config.environment);
  become(user, config.capabilities);
  if (!channel.send(Message::Kind::Ready)) ::_exit(base::ExitFailure);  // 6
  if (!channel.receive()) ::_exit(base::ExitFailure);                   // 5
  close_all_but({channel.fd()});
  if (!config.seccomp.empty()) load_seccomp(config.seccomp);
  const int error = exec_program(config.command, environment);
  throw exec_error(error, config.command, environment);  // 7
}

/// The same for a child of vfork(2), which must not return from where it was called.
[[noreturn]] void run_program_or_fail(const ChildConfig& config, const rootfs::User& user,
                                      const Channel& channel) noexcept {
  try {
    run_program(config, user, channel);
  } catch (const base::Error& error) {
    channel.send(Message::Kind::Failed, error.what(), error.exit_status());
    ::_exit(error.exit_status());
  }
}

int set_up_and_run(const ChildConfig& config, const Channel& channel) {
  check(::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0), "PR_SET_PDEATHSIG");
  // Locks are our parent's alone: its death must free them at once.
  close_all_but({config.root.etc_files, channel.fd()});
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

  // vfork(2): until the program executes, init waits and lends it its memory, of which nothing has
  // to be copied. All that differs from one to the other is the kernel's: descriptors, rights,
  // signals, session.
  const pid_t program = check(::vfork(), "vfork");
  if (program == 0) run_program_or_fail(config, user, channel);
  close_all_but({channel.fd()});
  limit_permitted(CapabilitySet{1} << CAP_KILL);
  return run_init(program, config.command.front(), channel);
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
