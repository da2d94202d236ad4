// SPDX-License-Identifier: MIT
// Signals. Ctrl-C reaches every process in the terminal's foreground group: that is us alone,
// since the container has sessions of its own. So whatever arrives here is passed on exactly once.
#include "runtime/supervise.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>

#include "base/error.h"
#include "runtime/say.h"

namespace runtime {

using base::check;
using Clock = std::chrono::steady_clock;

namespace {

/// Passed on to the container. Not among them: what the terminal's job control sends (TSTP, TTIN,
/// TTOU), which stops us and not the server; faults, which are our own.
constexpr std::array Forwarded = {SIGHUP,  SIGINT,  SIGQUIT, SIGTERM, SIGUSR1,
                                  SIGUSR2, SIGALRM, SIGCONT, SIGWINCH};

/// Whether this SIGHUP says that our terminal is gone. The kernel sends it itself then; a shell
/// that passes it on does so when the terminal is gone already (tty(4): ENXIO).
bool terminal_hung_up(const signalfd_siginfo& signal, bool had_terminal) {
  if (signal.ssi_code == SI_KERNEL) return true;
  if (!had_terminal) return false;
  const base::UniqueFd terminal(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY));
  return !terminal.valid();
}

/// What ends the container, and when it has to be over.
class Stop {
 public:
  Stop(Child& child, unsigned timeout) : child_(child), timeout_(timeout) {}

  void request(int signal) {
    if (requested_ && signal == SIGINT) return child_.kill(SIGKILL);
    if (!requested_) deadline_ = Clock::now() + timeout_;
    requested_ = true;
    child_.kill(signal);
  }

  /// For poll(2): milliseconds until the deadline, -1: none. Kills when it has passed.
  int remaining() {
    if (!requested_) return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline_ - Clock::now());
    if (left.count() > 0) return static_cast<int>(left.count());
    child_.kill(SIGKILL);
    return -1;
  }

 private:
  Child& child_;
  std::chrono::seconds timeout_;
  bool requested_ = false;
  Clock::time_point deadline_;
};

void take_signal(const SignalQueue& signals, const Child& child, Stop& stop, bool had_terminal) {
  signalfd_siginfo signal{};
  if (::read(signals.fd(), &signal, sizeof signal) != sizeof signal) return;
  const auto number = static_cast<int>(signal.ssi_signo);
  if (number == SIGTERM || number == SIGINT)
    stop.request(number);
  else if (number == SIGHUP && terminal_hung_up(signal, had_terminal))
    stop.request(SIGTERM);
  else
    child.kill(number);
}

}  // namespace

Child::~Child() {
  if (!pidfd_.valid()) return;
  kill(SIGKILL);
  static_cast<void>(wait());
}

void Child::kill(int signal) const noexcept {
  ::syscall(SYS_pidfd_send_signal, pidfd(), signal, nullptr, 0);
}

int Child::wait() {
  siginfo_t end{};
  while (::waitid(P_PID, static_cast<id_t>(pid_), &end, WEXITED) < 0 && errno == EINTR) {
  }
  pidfd_.reset();
  return end.si_code == CLD_EXITED ? end.si_status : 128 + end.si_status;
}

SignalQueue::SignalQueue() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int number : Forwarded) {
    struct sigaction current {};
    check(::sigaction(number, nullptr, &current), "sigaction");
    if (current.sa_handler != SIG_IGN) ::sigaddset(&set, number);
  }
  for (int number = SIGRTMIN; number <= SIGRTMAX; ++number) ::sigaddset(&set, number);
  check(::sigprocmask(SIG_BLOCK, &set, nullptr), "sigprocmask");
  fd_ = base::UniqueFd(check(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), "signalfd"));
  // Our caller may ignore SIGCHLD: then nothing could be waited for.
  ::signal(SIGCHLD, SIG_DFL);
}

int SignalQueue::take() const {
  signalfd_siginfo signal{};
  return ::read(fd(), &signal, sizeof signal) == sizeof signal ? static_cast<int>(signal.ssi_signo)
                                                               : 0;
}

int supervise(Child& child, const Channel& channel, const SignalQueue& signals,
              unsigned stop_timeout) {
  const bool had_terminal =
      base::UniqueFd(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)).valid();
  Stop stop(child, stop_timeout);
  std::array<pollfd, 3> events = {
      {{child.pidfd(), POLLIN, 0}, {signals.fd(), POLLIN, 0}, {channel.fd(), POLLIN, 0}}};
  for (;;) {
    if (::poll(events.data(), events.size(), stop.remaining()) < 0 && errno != EINTR)
      throw base::Error(errno, "poll");
    if (events[1].revents != 0) take_signal(signals, child, stop, had_terminal);
    // What the child said before it died comes before its death.
    if (events[2].revents != 0) {
      const auto message = channel.receive();
      if (!message)
        events[2].fd = -1;  // closed: poll(2) passes over a negative descriptor
      else if (message->kind == Message::Kind::Failed)
        throw base::Error(message->text, message->exit_status);
      else
        say(message->text);
      continue;
    }
    if (events[0].revents != 0) return child.wait();
  }
}

}  // namespace runtime
