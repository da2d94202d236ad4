// SPDX-License-Identifier: MIT
#include "runtime/detach.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

namespace runtime {

namespace {

[[noreturn]] void wait_for_word(int pipe, pid_t child) {
  const std::string text = base::read_all(pipe);
  if (!text.empty()) {
    base::write_all(STDOUT_FILENO, text.substr(1), "write to standard output");
    ::_exit(static_cast<unsigned char>(text.front()));
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : base::ExitFailure);
}

}  // namespace

Herald detach() {
  base::Pipe pipe = base::open_pipe();
  ::signal(SIGCHLD, SIG_DFL);  // our caller may ignore it: then nothing could be waited for
  const pid_t child = base::check(::fork(), "fork");
  if (child != 0) {
    pipe.writer.reset();
    wait_for_word(pipe.reader.get(), child);
  }
  base::check(::setsid(), "setsid");
  return Herald(std::move(pipe.writer));
}

void Herald::announce(const std::string& text, int status) {
  // Where nobody waits for it any more, the container runs all the same.
  const std::string word = base::cat(static_cast<char>(status), text);
  static_cast<void>(!::write(pipe_.get(), word.data(), word.size()));
  const base::UniqueFd null = base::open_or_throw("/dev/null", O_RDWR);
  for (int standard = 0; standard <= STDERR_FILENO; ++standard) ::dup2(null.get(), standard);
  pipe_.reset();
}

}  // namespace runtime
