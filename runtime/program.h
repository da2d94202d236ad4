// SPDX-License-Identifier: MIT
// The program: found in the container's PATH and executed, and if that fails, why.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"

namespace runtime {

/// Executes COMMAND[0] with the arguments COMMAND and ENVIRONMENT ("NAME=VALUE" each). Without a
/// '/' in it, it is looked for in the PATH of ENVIRONMENT, as execvp(3) does; but a file without
/// a known format is an error (ENOEXEC), never handed to a shell. Returns errno, or not at all.
/// Needs: to be inside the container's root, as its user. Must not: be called with an empty
/// COMMAND.
int exec_program(const std::vector<std::string>& command,
                 const std::vector<std::string>& environment);

/// The line and the exit status (126, 127) for ERROR of exec_program() with the same arguments.
/// Looks at the file again for what errno leaves open: a missing interpreter, a directory.
base::Error exec_error(int error, const std::vector<std::string>& command,
                       const std::vector<std::string>& environment);

}  // namespace runtime
