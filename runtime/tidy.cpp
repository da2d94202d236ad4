// SPDX-License-Identifier: MIT
#include "runtime/tidy.h"

#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <span>

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

void let_go_of_memory() {
  // Writable segments are no copies of their files.
  const auto let_go = [](dl_phdr_info* program, std::size_t, void*) {
    for (const auto& segment : std::span(program->dlpi_phdr, program->dlpi_phnum)) {
      if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
      const auto page = static_cast<std::uintptr_t>(::getpagesize());
      const std::uintptr_t start = program->dlpi_addr + segment.p_vaddr;
      const std::uintptr_t begin = start & ~(page - 1);
      // NOLINTNEXTLINE(performance-no-int-to-ptr): dl_iterate_phdr(3) has numbers only
      void* const address = reinterpret_cast<void*>(begin);
      ::madvise(address, start + segment.p_memsz - begin, MADV_DONTNEED);
    }
    return 0;
  };
  ::dl_iterate_phdr(let_go, nullptr);
  ::malloc_trim(0);
}

}  // namespace runtime
