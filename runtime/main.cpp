// SPDX-License-Identifier: MIT
// mini-run: one command, one container with a network.
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <span>

#include "base/error.h"
#include "runtime/container.h"
#include "runtime/options.h"
#include "runtime/say.h"
#include "runtime/seal.h"

namespace {

/// What our caller may have left in a state that would surprise us.
void tidy_up() {
  // Standard descriptors are open, or the first file we open would become one of them.
  for (int fd = 0; fd <= STDERR_FILENO;) {
    fd = ::open("/dev/null", O_RDWR);  // NOLINT: not close-on-exec on purpose
    if (fd < 0) throw base::Error(errno, "open /dev/null");
  }
  ::syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0);
  // Writing to a closed pipe, or beyond a file size limit, is an error and not our death.
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN);
  // Nobody in a container can trace us or open our memory and binary, also not before our init
  // has dropped its rights: the clone inherits this.
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

/// Where the kernel keeps what /proc/PID/cmdline shows: one string behind the other (proc(5)).
std::span<char> memory_of(int argc, char** argv) {
  if (argc == 0) return {};
  char* const end = argv[argc - 1] + std::strlen(argv[argc - 1]);
  return {argv[0], end};
}

}  // namespace

int main(int argc, char** argv) {
  try {
    tidy_up();
    auto options = runtime::parse_options(argc, argv);
    options.arguments = memory_of(argc, argv);
    if (options.dry_run) {
      runtime::print_plan(options);
      return 0;
    }
    if (runtime::needs_sealing(runtime::resolve_capabilities(runtime::default_capabilities(),
                                                             options.cap_add, options.cap_drop)))
      runtime::run_from_sealed_memfd(argv);
    runtime::run(options);
  } catch (const base::Error& error) {
    runtime::say(error.what());
    return error.exit_status();
  } catch (const std::exception& error) {
    runtime::say(error.what());
    return base::ExitFailure;
  }
}
