// SPDX-License-Identifier: MIT
// The program: found in the container's PATH, and why it could not be executed.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"

namespace runtime {

/// The file that PROGRAM means: what is without a '/' is looked for in the PATH of ENVIRONMENT
/// ("NAME=VALUE" each), as execvp(3) does. Nothing, and errno in ERROR, where there is none that
/// may be executed. Needs: to be inside the container's root, as its user.
std::optional<std::string> find_program(const std::string& program,
                                        const std::vector<std::string>& environment, int& error);

/// The line and the exit status (126, 127) for ERROR of find_program() or of execve(2) with the
/// file that it found; a file without a known format is one (ENOEXEC), never handed to a shell.
/// Looks at the file again for what errno leaves open: a missing interpreter, a directory.
base::Error exec_error(int error, const std::vector<std::string>& command,
                       const std::vector<std::string>& environment);

}  // namespace runtime
