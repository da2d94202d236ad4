// SPDX-License-Identifier: MIT
// Between us and a container's program, so that no program is ever executed by ours.
//
// Theory of operation. Until it executes another program, a process runs ours, and in a container
// /proc/self/exe is then our file on the host. What a container executes is the container's to say:
// a script that begins with "#!/proc/self/exe", or a link to that, executes our file, with a
// dynamic loader that is the container's. That code keeps a descriptor of /proc/self/exe, and once
// nobody runs our file any more it opens it for writing: the next start runs its code as the host's
// root (CVE-2019-5736, by another door than init's: seal.h). No look at the program before it is
// executed helps, as it may change in between.
//
// So another program goes first: the shim, 600 bytes (shim.c) in a memfd that nobody can
// write to. It executes the container's program, for which /proc/self/exe is the shim. Our own
// memory, which its vfork(2) shared, is gone by then, and so is the way to say what went wrong:
// an error number comes back by a pipe that closes when the program is executed.
#pragma once

#include <string>
#include <vector>

#include "base/file.h"
#include "base/unique_fd.h"

namespace runtime {

class Shim {
 public:
  /// Throws Error.
  Shim();

  /// In the new process, before a seccomp filter is loaded: closes all but KEPT and the standard
  /// descriptors. Throws Error.
  void prepare(int kept) const;
  /// In the new process: FILE with ARGUMENTS and ENVIRONMENT ("NAME=VALUE" each). Needs: prepare(),
  /// and execveat(2) and fcntl(2) to be allowed beside what the program needs.
  [[noreturn]] void exec(const std::string& file, const std::vector<std::string>& arguments,
                         const std::vector<std::string>& environment) const noexcept;
  /// Instead of exec(): nothing can be executed, because of ERROR.
  [[noreturn]] void fail(int error) const noexcept;

  /// In the process that made it: waits until the program has been executed; errno where it could
  /// not be, 0 where it was.
  int wait();

 private:
  base::UniqueFd image_;
  base::Pipe errors_;
};

}  // namespace runtime
