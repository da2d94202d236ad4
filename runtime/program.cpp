// SPDX-License-Identifier: MIT
// The program: found, and its failures explained.
//
// execvp(3) is not used for two reasons: it looks in our own PATH, not in the container's, and it
// gives a file without a #! line to the container's /bin/sh, where docker and crun refuse it.
#include "runtime/program.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <string_view>

#include "base/text.h"
#include "base/unique_fd.h"
#include "runtime/environment.h"

namespace runtime {

using base::cat;
using base::Error;
using base::printable;

namespace {

std::string_view search_path(const std::vector<std::string>& environment) {
  return find_variable(environment, "PATH").value_or(DefaultPath);
}

/// The files that PROGRAM may mean, in the order in which they are tried.
std::vector<std::string> candidates(const std::string& program,
                                    const std::vector<std::string>& environment) {
  if (program.empty() || program.find('/') != std::string::npos) return {program};
  std::vector<std::string> files;
  for (const auto directory : base::split(search_path(environment), ':')) {
    // An empty field means the working directory: environ(7).
    files.push_back(directory.empty() ? cat("./", program) : cat(directory, '/', program));
  }
  return files;
}

/// The first of the files that is there: one that is no directory before one that is.
std::optional<std::string> existing(const std::vector<std::string>& files, struct stat& status) {
  std::optional<std::string> directory;
  for (const auto& file : files) {
    struct stat found {};
    if (::stat(file.c_str(), &found) != 0) continue;
    if (S_ISDIR(found.st_mode) && directory) continue;
    status = found;
    if (!S_ISDIR(found.st_mode)) return file;
    directory = file;
  }
  return directory;
}

/// What FILE wants to be executed by, as far as one can see: execve(2) said that it is missing.
std::string missing_interpreter(const std::string& file) {
  std::array<char, 256> buffer{};  // BINPRM_BUF_SIZE of linux/binfmts.h
  const base::UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  const ssize_t got = fd.valid() ? ::read(fd.get(), buffer.data(), buffer.size()) : 0;
  std::string_view start(buffer.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
  if (start.starts_with("\x7f"
                        "ELF"))
    return "its dynamic loader (`file` names it)";
  if (!start.starts_with("#!")) return "the interpreter that it needs";
  start.remove_prefix(2);
  start = start.substr(0, start.find('\n'));
  start.remove_prefix(std::min(start.find_first_not_of(" \t"), start.size()));
  const auto name = start.substr(0, start.find_first_of(" \t"));
  return cat("its interpreter ", printable(name),
             name.ends_with('\r') ? " (the line ends in a carriage return)" : "");
}

std::string not_found(const std::string& program, const std::vector<std::string>& environment) {
  if (program.empty()) return "the program's name is empty";
  if (program.find('/') != std::string::npos)
    return cat(printable(program), ": no such file in the container");
  return cat(printable(program), ": not found in the container's PATH (",
             printable(search_path(environment)), ")");
}

/// Why FILE, which is there, may not be executed.
std::string denied(const std::string& shown, const std::string& file, const struct stat& status) {
  constexpr mode_t AnyExecute = S_IXUSR | S_IXGRP | S_IXOTH;
  if (S_ISDIR(status.st_mode)) return cat(shown, ": is a directory");
  if (!S_ISREG(status.st_mode)) return cat(shown, ": is not a regular file");
  if ((status.st_mode & AnyExecute) == 0) return cat(shown, ": not executable (chmod +x)");
  struct statvfs system {};
  if (::statvfs(file.c_str(), &system) == 0 && (system.f_flag & ST_NOEXEC) != 0)
    return cat(shown, ": lies on a file system from which nothing is executed (noexec)");
  return cat(shown,
             ": permission denied: the program's user may not execute it or its interpreter");
}

}  // namespace

std::optional<std::string> find_program(const std::string& program,
                                        const std::vector<std::string>& environment, int& error) {
  error = ENOENT;
  for (auto& file : candidates(program, environment)) {
    struct stat status {};
    const bool is_there = ::stat(file.c_str(), &status) == 0;
    if (is_there && S_ISREG(status.st_mode) && ::access(file.c_str(), X_OK) == 0)
      return std::move(file);
    if (is_there || errno == EACCES)
      error = EACCES;  // a later directory may have one that may be executed
    else if (errno != ENOENT && errno != ENOTDIR && error == ENOENT)
      error = errno;
  }
  return std::nullopt;
}

Error exec_error(int error, const std::vector<std::string>& command,
                 const std::vector<std::string>& environment) {
  const auto& program = command.front();
  struct stat status {};
  const auto file = existing(candidates(program, environment), status);
  if (!file && (error == ENOENT || error == ENOTDIR))
    return Error(not_found(program, environment), base::ExitNotFound);
  if (error == E2BIG) {
    return Error(cat(printable(program),
                     ": the arguments and the environment are longer than the kernel takes"),
                 base::ExitNotExecutable);
  }
  if (!file) return Error(error, printable(program), base::ExitNotExecutable);
  const auto shown = printable(*file);
  if (error == ENOENT || error == ENOTDIR) {
    return Error(cat(shown, ": ", missing_interpreter(*file), " is not in the container"),
                 base::ExitNotFound);
  }
  if (error == EACCES) return Error(denied(shown, *file, status), base::ExitNotExecutable);
  if (error == ENOEXEC) {
    return Error(cat(shown, ": wrong format (no #! line, or made for another architecture)"),
                 base::ExitNotExecutable);
  }
  return Error(error, shown, base::ExitNotExecutable);
}

}  // namespace runtime
