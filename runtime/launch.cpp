// SPDX-License-Identifier: MIT
// The program's branch of the security sequence (child.cpp): what is lost in a line is never needed
// in a later one.
#include "runtime/launch.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/keyctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <iterator>

#include "base/error.h"
#include "base/text.h"
#include "runtime/environment.h"
#include "runtime/program.h"
#include "runtime/seccomp.h"
#include "runtime/shim.h"
#include "runtime/terminal.h"

namespace runtime {

using base::cat;
using base::check;

namespace {

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

/// Standard input and outputs as CONFIG wants them. Returns the master of the program's terminal,
/// where it gets one.
base::UniqueFd connect_streams(const ChildConfig& config, uid_t user) {
  if (config.tty) return become_terminal_session(user);
  if (config.input >= 0) check(::dup2(config.input, STDIN_FILENO), "standard input");
  for (const int standard : {STDOUT_FILENO, STDERR_FILENO})
    if (config.output >= 0) check(::dup2(config.output, standard), "standard output");
  leave_terminal(config.in_foreground);
  return {};
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
                              const Channel& channel, const Shim& shim) {
  check(::setsid(), "setsid");
  const base::UniqueFd master = connect_streams(config, user.uid);
  // The caller's keys are not the container's; a kernel without keys has none to give.
  ::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr);
  reset_signals();
  ::umask(022);
  enter_directory(config.workdir.empty() ? "/" : config.workdir);
  check_inside_root();
  // TERM is in it where standard input is a terminal by now.
  const auto environment = make_environment(user.home, config.hostname, config.environment);
  become(user, config.capabilities);
  if (!(master.valid() ? channel.send_descriptor(Message::Kind::Ready, master.get())
                       : channel.send(Message::Kind::Ready)))  // 6
    ::_exit(base::ExitFailure);
  if (!channel.receive()) ::_exit(base::ExitFailure);  // 5
  shim.prepare(channel.fd());
  int error = 0;
  const auto file = find_program(config.command.front(), environment, error);
  if (!file) shim.fail(error);
  if (!config.seccomp.empty()) load_seccomp(config.seccomp);
  shim.exec(*file, config.command, environment);
}

/// The same for a child of vfork(2), which must not return from where it was called.
[[noreturn]] void run_program_or_fail(const ChildConfig& config, const rootfs::User& user,
                                      const Channel& channel, const Shim& shim) noexcept {
  try {
    run_program(config, user, channel, shim);
  } catch (const base::Error& error) {
    channel.send(Message::Kind::Failed, error.what(), error.exit_status());
    ::_exit(error.exit_status());
  }
}

}  // namespace

void close_all_but(std::initializer_list<int> kept) {
  std::vector<unsigned> sorted;
  std::copy_if(kept.begin(), kept.end(), std::back_inserter(sorted),
               [](int fd) { return fd >= 0; });
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

pid_t launch(const ChildConfig& config, const rootfs::User& user, const Channel& channel) {
  Shim shim;
  const pid_t program = check(::vfork(), "vfork");
  if (program == 0) run_program_or_fail(config, user, channel, shim);
  if (const int error = shim.wait(); error != 0) {
    const auto failure = exec_error(
        error, config.command, make_environment(user.home, config.hostname, config.environment));
    channel.send(Message::Kind::Failed, failure.what(), failure.exit_status());  // 7
  }
  return program;
}

}  // namespace runtime
