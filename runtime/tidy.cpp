// SPDX-License-Identifier: MIT
#include "runtime/tidy.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "base/error.h"

namespace runtime {

void tidy_up_inheritance() {
  // Standard descriptors are open, or the first file we open would become one of them.
  for (int fd = 0; fd <= STDERR_FILENO;) {
    fd = ::open("/dev/null", O_RDWR);  // NOLINT: no O_CLOEXEC, on purpose
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

}  // namespace runtime
