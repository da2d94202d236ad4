// SPDX-License-Identifier: MIT
// Theory of operation. Process 1 of a pid namespace has two duties that no ordinary program knows
// of: it is the parent of every orphan and must reap it, and signals reach it only if it asks for
// them. And when it ends, the kernel kills all the others. So our own init stays beside the
// program and waits for signals, all of which are blocked:
//   SIGCHLD   reap whoever is dead. Was it the program? Then the container is over, unless the
//             program has put a server into the background (below).
//   another   forward it: to the program, or, once that is in the background, to everybody.
//
// A server like nginx, with `daemon on`, forks, lets its first process exit with 0, and the rest
// lives on in a session of its own: daemon(3) calls setsid(2). So if the program exits with 0 and a
// process outside its session lives, the container lives on, until the last of those has ended.
// daemon(3) lets the first process exit before the second calls setsid: where only processes of
// the program's own session are left, they are given a moment to do so.
#include "runtime/init.h"

#include <dirent.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <ctime>
#include <map>
#include <memory>
#include <optional>

#include "base/file.h"
#include "base/text.h"

namespace runtime {

namespace {

/// How long a fork may take from its parent's exit to its setsid(2), looked for every millisecond.
constexpr int SetsidMilliseconds = 50;

struct Others {
  pid_t outside = 0;  // a process outside the program's session
  bool inside = false;
};

/// A process as /proc/PID/stat tells of it; nothing where it is dead.
struct Process {
  pid_t parent = 0;
  pid_t session = 0;
};

std::optional<Process> look_at(int proc, const std::string& pid) {
  const auto stat = base::read_file(base::cat(pid, "/stat"), proc);
  if (!stat) return std::nullopt;
  // PID (NAME) STATE PARENT GROUP SESSION: the name may hold anything, also ") Z".
  const auto fields = base::split(std::string_view(*stat).substr(stat->rfind(')') + 1), ' ');
  if (fields.size() < 5 || fields[1] == "Z" || fields[1] == "X") return std::nullopt;
  return Process{base::parse_number<pid_t>(fields[2]).value_or(0),
                 base::parse_number<pid_t>(fields[4]).value_or(0)};
}

/// Whether PROCESS came into the container by minictl exec, or descends from one that did: the
/// parent of such a one is outside, which shows as 0.
bool is_visitor(const std::map<pid_t, Process>& processes, const Process& process) {
  const Process* next = &process;
  while (next->parent != 0) {
    const auto parent = processes.find(next->parent);
    if (parent == processes.end()) return false;  // it has just died
    next = &parent->second;
    if (parent->first == 1) return false;
  }
  return true;
}

/// The container's processes beside init that live, seen from the session of the program.
Others others(pid_t session) {
  Others found;
  const std::unique_ptr<DIR, int (*)(DIR*)> proc(::opendir("/proc"), ::closedir);
  if (!proc) return found;
  std::map<pid_t, Process> processes;
  while (const dirent* entry = ::readdir(proc.get())) {
    const auto pid = base::parse_number<pid_t>(entry->d_name);
    if (!pid) continue;
    if (const auto process = look_at(::dirfd(proc.get()), entry->d_name))
      processes.emplace(*pid, *process);
  }
  for (const auto& [pid, process] : processes) {
    if (pid == 1 || is_visitor(processes, process)) continue;
    if (process.session == session)
      found.inside = true;
    else if (found.outside == 0)
      found.outside = pid;
  }
  return found;
}

int status_of(const siginfo_t& child) {
  return child.si_code == CLD_EXITED ? child.si_status : 128 + child.si_status;
}

struct Reaped {
  std::optional<int> status;  // the program's, if it was among the dead
  bool childless = false;     // every process that is not a visitor descends from us: none is left
};

/// Reaps all that are dead.
Reaped reap(pid_t program) {
  Reaped reaped;
  for (;;) {
    siginfo_t dead{};
    if (::waitid(P_ALL, 0, &dead, WEXITED | WNOHANG) < 0) {
      reaped.childless = errno == ECHILD;
      return reaped;
    }
    if (dead.si_pid == 0) return reaped;
    if (dead.si_pid == program) reaped.status = status_of(dead);
  }
}

/// Whether the program, which has exited with 0, left a server in the background.
pid_t find_background(pid_t program) {
  for (int waited = 0;; ++waited) {
    const Others left = others(program);
    if (left.outside != 0 || !left.inside || waited == SetsidMilliseconds) return left.outside;
    const timespec moment = {0, 1'000'000};
    ::nanosleep(&moment, nullptr);
    reap(program);
  }
}

/// Who gets a forwarded signal, for kill(2). What a terminal would send goes to the whole group, as
/// a terminal sends it.
pid_t receiver(int signal, pid_t program, bool in_background) {
  if (in_background) return -1;
  return signal == SIGINT || signal == SIGQUIT ? -program : program;
}

}  // namespace

int run_init(pid_t program, const std::string& name, int stop_signal, const Channel& channel) {
  channel.send(Message::Kind::Started);  // 7: or it has failed, and said so
  sigset_t all;
  ::sigfillset(&all);
  bool in_background = false;
  int stop = 0;  // the last signal that was to end the container
  for (;;) {
    siginfo_t signal{};
    if (::sigwaitinfo(&all, &signal) < 0) continue;  // EINTR, after a stop
    if (signal.si_signo != SIGCHLD) {
      if (signal.si_signo == SIGTERM || signal.si_signo == SIGINT || signal.si_signo == stop_signal)
        stop = signal.si_signo;
      ::kill(receiver(signal.si_signo, program, in_background), signal.si_signo);
      continue;
    }
    const Reaped reaped = reap(program);
    if (reaped.status && (*reaped.status != 0 || reaped.childless)) return *reaped.status;
    if (reaped.status) {
      const pid_t server = find_background(program);
      if (server == 0) return 0;
      in_background = true;
      channel.send(Message::Kind::Note,
                   base::cat(name, " went to the background (process ", server,
                             " inside); the container stays up until it ends"));
      if (stop != 0) ::kill(-1, stop);  // it was meant for what has remained, too
    } else if (in_background && (reaped.childless || others(program).outside == 0)) {
      return 0;
    }
  }
}

}  // namespace runtime
