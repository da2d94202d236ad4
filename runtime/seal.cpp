// SPDX-License-Identifier: MIT
// Runs mini-run from a sealed copy in memory where a container could reach its file.
//
// Theory of operation. Our init is pid 1 in the container, and /proc/1/exe there is our file on the
// host. A container's root that may open it keeps the descriptor until nothing runs the file any
// more and then writes to it: the next container's start runs its code as the host's root
// (CVE-2019-5736). Opening is subject to ptrace's check; init is non-dumpable, so only SYS_PTRACE
// passes it (what our init executes in there is another matter: shim.h). With SYS_PTRACE granted,
// /proc/1/exe must therefore lead to something worthless: a copy in a memfd that nobody can write
// to, because it is sealed. The copy costs a millisecond, and so is made in this case only.
#include "runtime/seal.h"

#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <limits>

#include "base/error.h"
#include "base/file.h"

#ifndef MFD_EXEC  // Linux 6.3
#define MFD_EXEC 0x0010U
#endif

namespace runtime {
namespace {

using base::Error;
using base::UniqueFd;

constexpr int Seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
constexpr const char* Name = "mini-run";

void copy(int from, int to) {
  for (;;) {
    const ssize_t sent =
        ::sendfile(to, from, nullptr, static_cast<std::size_t>(std::numeric_limits<int>::max()));
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) throw Error(errno, "copy mini-run to memory");
    if (sent == 0) return;
  }
}

}  // namespace

// Where vm.memfd_noexec is set, a memfd can be run only if it was asked for; older kernels refuse
// the flag that asks.
UniqueFd create_executable(const char* name) {
  constexpr unsigned Flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  UniqueFd fd(::memfd_create(name, Flags | MFD_EXEC));
  if (!fd.valid() && errno == EINVAL) fd.reset(::memfd_create(name, Flags));
  if (!fd.valid()) throw Error(errno, "make a program in memory (memfd_create)");
  return fd;
}

void seal(const UniqueFd& memory) {
  base::check(::fcntl(memory.get(), F_ADD_SEALS, Seals), "seal a program in memory");
}

bool needs_sealing(CapabilitySet capabilities) {
  return (capabilities & capability("SYS_PTRACE")) != 0;
}

void run_from_sealed_memfd(char** argv) {
  const UniqueFd self = base::open_or_throw("/proc/self/exe", O_RDONLY);
  // On what is no memfd this fails; a file system that has seals gives F_SEAL_SEAL alone.
  const int seals = ::fcntl(self.get(), F_GET_SEALS);
  if (seals >= 0 && (seals & Seals) == Seals) {
    ::prctl(PR_SET_NAME, Name);  // run by descriptor, we are called by its number
    return;
  }
  const UniqueFd memory = create_executable(Name);
  copy(self.get(), memory.get());
  base::check(::fchmod(memory.get(), 0500), "make the sealed copy of mini-run");
  seal(memory);
  ::fexecve(memory.get(), argv, environ);
  throw Error(errno, "run the sealed copy of mini-run");
}

}  // namespace runtime
