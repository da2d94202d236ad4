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

namespace runtime {

using base::check;

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

/// After SIGCONT our terminal may have served others, who left it as they like it.
bool is_about_terminal(int signal) { return signal == SIGWINCH || signal == SIGCONT; }

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

std::optional<signalfd_siginfo> SignalQueue::take() const {
  signalfd_siginfo signal{};
  if (::read(fd(), &signal, sizeof signal) != sizeof signal) return std::nullopt;
  return signal;
}

Supervisor::Supervisor(Child& child, const Channel& channel, const SignalQueue& signals,
                       Settings settings)
    : child_(child),
      channel_(channel),
      signals_(signals),
      settings_(std::move(settings)),
      had_terminal_(base::UniqueFd(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)).valid()) {
  loop_.add(signals.fd(), POLLIN, [this](short) { take_signal(); });
  messages_ = &loop_.add(channel.fd(), POLLIN, [this](short) { take_message(); });
  loop_.add(child.pidfd(), POLLIN, [this](short) {
    // What the child said before it died comes before its death.
    pollfd event = {channel_.fd(), POLLIN, 0};
    ended_ = messages_ == nullptr || ::poll(&event, 1, 0) == 0;
  });
}

void Supervisor::stop(int signal, unsigned timeout) {
  // Of several who want it stopped, the most impatient counts.
  loop_.at(base::EventLoop::Clock::now() + std::chrono::seconds(timeout),
           [this] { child_.kill(SIGKILL); });
  stopping_ = true;
  child_.kill(signal);
}

/// Our terminal is gone: a shell knows what that means, and would take no notice of SIGTERM.
void Supervisor::hang_up() {
  child_.kill(SIGHUP);
  stop(settings_.stop_signal, settings_.stop_timeout);
}

void Supervisor::take_signal() {
  const auto signal = signals_.take();
  if (!signal) return;
  const auto number = static_cast<int>(signal->ssi_signo);
  if (number == SIGINT)
    stop(stopping_ ? SIGKILL : SIGINT, settings_.stop_timeout);
  else if (number == SIGTERM)
    stop(settings_.stop_signal, settings_.stop_timeout);
  else if (number == SIGHUP && terminal_hung_up(*signal, had_terminal_))
    hang_up();
  else if (!is_about_terminal(number) || !settings_.terminal_changed() || number != SIGWINCH)
    child_.kill(number);
}

void Supervisor::take_message() {
  const auto message = channel_.receive();
  if (!message) {
    messages_->close();
    messages_ = nullptr;
    return;
  }
  if (message->kind == Message::Kind::Failed)
    throw base::Error(message->text, message->exit_status);
  if (message->kind == Message::Kind::Started)
    settings_.started();
  else
    settings_.note(message->text);
}

int Supervisor::run() {
  while (!ended_) loop_.run_once();
  return child_.wait();
}

}  // namespace runtime
