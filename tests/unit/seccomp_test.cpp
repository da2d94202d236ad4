// SPDX-License-Identifier: MIT
// The default filter by real calls, each in a child (no privilege: no_new_privs does), and the same
// calls under a filter that lets all pass.
#include "runtime/seccomp.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/error.h"

using runtime::compile_seccomp;

namespace {

constexpr std::string_view Open = R"({"defaultAction": "SCMP_ACT_ALLOW", "architectures":
    ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_AARCH64"]})";

/// The errno (0: none) of FUNCTION, which makes one call, in a child under PROGRAM.
template <class Function>
int errno_under(std::span<const sock_filter> program, Function function) {
  const pid_t child = ::fork();
  if (child == 0) {
    // A call that kills must kill: doctest's handler would write into the parent's report.
    ::signal(SIGSEGV, SIG_DFL);
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    runtime::load_seccomp(program);
    errno = 0;
    const long result = function();
    ::_exit(result >= 0 ? 0 : errno);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

#if defined(__x86_64__)
/// An i386 call from this 64-bit program; the result is the kernel's, a negative errno.
long call_i386(long number, long first, long second = 0, long third = 0) {
  long result = 0;
  asm volatile("int $0x80"
               : "=a"(result)
               : "a"(number), "b"(first), "c"(second), "d"(third)
               : "memory", "r8", "r9", "r10", "r11");
  if (result >= 0) return result;
  errno = static_cast<int>(-result);
  return -1;
}
#endif

/// A clone that asks for FLAGS; where it is let through, the new process ends at once.
long clone_with(unsigned long flags) {
  const long child = ::syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
  if (child == 0) ::_exit(0);
  return child;
}

}  // namespace

TEST_CASE("real calls: what is let through") {
  const auto filter = runtime::default_seccomp();
  CHECK(errno_under(filter, [] { return ::getppid(); }) == 0);
  CHECK(errno_under(filter, [] { return ::open("/", O_RDONLY | O_CLOEXEC); }) == 0);
  CHECK(errno_under(filter, [] { return ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); }) == 0);
  CHECK(errno_under(filter, [] { return ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0); }) == 0);
  CHECK(errno_under(filter, [] { return ::personality(0xffffffff); }) == 0);
  CHECK(errno_under(filter, [] { return ::personality(PER_LINUX); }) == 0);
  CHECK(errno_under(filter, [] { return clone_with(0); }) == 0);
  CHECK(errno_under(filter, [] { return ::ioctl(-1, FIONREAD, nullptr); }) == EBADF);
}

TEST_CASE("real calls: what is refused, and is not without the filter") {
  const auto filter = runtime::default_seccomp();
  const auto open = compile_seccomp(Open, 0);
  const auto refused = [&](int error, auto call) {
    CHECK(errno_under(filter, call) == error);
    CHECK(errno_under(open, call) != error);
  };
  // Each is harmless where it passes: it concerns the child alone or fails for another reason.
  refused(EPERM, [] { return ::syscall(SYS_add_key, nullptr, nullptr, nullptr, 0, 0); });
  refused(EPERM, [] { return ::syscall(SYS_io_uring_setup, 0, nullptr); });
  refused(EPERM, [] { return ::personality(ADDR_NO_RANDOMIZE); });
  refused(EPERM, [] { return ::unshare(0); });
  refused(EPERM, [] { return ::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0); });
  refused(EPERM, [] { return ::socket(AF_ALG, SOCK_SEQPACKET | SOCK_CLOEXEC, 0); });
  refused(EPERM, [] { return ::ioctl(-1, TIOCSTI, ""); });
  refused(EPERM, [] { return ::syscall(SYS_ioctl, -1, TIOCSTI | 1ULL << 32U, ""); });
  refused(EPERM, [] { return ::syscall(SYS_ioctl, -1, 0x541cULL | 1ULL << 63U, ""); });
  refused(ENOSYS, [] { return ::syscall(SYS_clone3, nullptr, 0); });
}

TEST_CASE("real calls: no user namespace, by clone or unshare, whatever else is asked for") {
  const auto filter = runtime::default_seccomp();
  const auto open = compile_seccomp(Open, 0);
  for (const auto flags : {CLONE_NEWUSER, CLONE_NEWUSER | CLONE_NEWNET, CLONE_NEWNS}) {
    CHECK(errno_under(filter, [&] { return clone_with(static_cast<unsigned>(flags)); }) == EPERM);
    CHECK(errno_under(filter, [&] { return ::unshare(flags); }) == EPERM);
  }
  // The same as root or where user namespaces are open to all; elsewhere the kernel refuses too.
  if (::geteuid() == 0) CHECK(errno_under(open, [] { return clone_with(CLONE_NEWUSER); }) == 0);
}

TEST_CASE("real calls: newer than the profile") {
  // The kernel's own answer would be ENOSYS too, so the filter's default is told apart by a
  // profile that knows one call.
  CHECK(errno_under(runtime::default_seccomp(), [] { return ::syscall(600); }) == ENOSYS);
  const auto one = compile_seccomp(
      R"({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 13, "syscalls": [
          {"names": ["exit_group", "kill", "mmap", "munmap", "madvise", "write", "sigaltstack"],
           "action": "SCMP_ACT_ALLOW"}]})",
      0);  // those after kill: for the sanitizers' own sake
  const auto newest = std::max(SYS_exit_group, SYS_kill);
  CHECK(errno_under(one, [&] { return ::syscall(newest - 1); }) == EACCES);
  CHECK(errno_under(one, [&] { return ::syscall(newest + 1); }) == ENOSYS);
}

#if defined(__x86_64__)
TEST_CASE("real calls: through int 0x80") {
  // Where the kernel has no i386 calls the process dies of it, with and without a filter.
  const auto open = compile_seccomp(Open, 0);
  if (errno_under(open, [] { return call_i386(20, 0); }) != 0) {
    MESSAGE("this kernel runs no i386 calls: nothing to test");
    return;
  }
  const auto filter = runtime::default_seccomp();
  CHECK(errno_under(filter, [] { return call_i386(20, 0); }) == 0);                 // getpid
  CHECK(errno_under(filter, [] { return call_i386(310, 0); }) == EPERM);            // unshare
  CHECK(errno_under(filter, [] { return call_i386(359, AF_VSOCK, 1); }) == EPERM);  // socket
  CHECK(errno_under(filter, [] { return call_i386(359, AF_UNIX, 1); }) == 0);
  CHECK(errno_under(filter, [] { return call_i386(102, 1, 0); }) == ENOSYS);       // socketcall
  CHECK(errno_under(filter, [] { return call_i386(54, -1, TIOCSTI); }) == EPERM);  // ioctl
  CHECK(errno_under(filter, [] { return call_i386(54, -1, FIONREAD); }) == EBADF);
  CHECK(errno_under(open, [] { return call_i386(310, 0); }) == 0);
}
#endif

TEST_CASE("loading needs no_new_privs or privilege, and says so by errno") {
  const pid_t child = ::fork();
  if (child == 0) {
    if (::geteuid() == 0 && ::setresuid(65534, 65534, 65534) != 0) ::_exit(2);
    try {
      runtime::load_seccomp(runtime::default_seccomp());
    } catch (const base::Error& error) {
      ::_exit(std::strstr(error.what(), "load the seccomp filter") != nullptr ? 0 : 3);
    }
    ::_exit(1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(status == 0);
}
