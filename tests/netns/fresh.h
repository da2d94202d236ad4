// SPDX-License-Identifier: MIT
// A test's own host: network and mount namespaces that nobody else is in.
#pragma once

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

#include "base/error.h"
#include "base/text.h"
#include "base/unique_fd.h"

namespace fresh {

inline base::UniqueFd open_namespace(const char* kind) {
  const std::string path = base::cat("/proc/thread-self/ns/", kind);
  base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  base::check(fd.get(), path);
  return fd;
}

/// While it lives the test's process is in a new network and mount namespace, lo up, with an empty
/// /run and a /sys of its own; then back where it was. Needs root and no other threads.
class Host {
 public:
  Host()
      : old_net_(open_namespace("net")),
        old_mount_(open_namespace("mnt")),
        directory_(::open(".", O_PATH | O_DIRECTORY | O_CLOEXEC)) {
    base::check(::unshare(CLONE_NEWNET | CLONE_NEWNS), "unshare (the netns tests need root)");
    base::check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "private mounts");
    base::check(::mount("tmpfs", "/run", "tmpfs", 0, nullptr), "mount /run");
    base::check(::mount("sysfs", "/sys", "sysfs", MS_RDONLY, nullptr), "mount /sys");
    base::check(std::system("ip link set lo up"), "ip link set lo up");
  }
  ~Host() {
    // A process that stays in the wrong namespace must not go on: the next test would test nothing.
    if (::setns(old_net_.get(), CLONE_NEWNET) != 0 || ::setns(old_mount_.get(), CLONE_NEWNS) != 0 ||
        ::fchdir(directory_.get()) != 0)
      std::abort();
  }
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

 private:
  base::UniqueFd old_net_, old_mount_, directory_;
};

/// One more network namespace (a client, a container), lo up. It lives as long as this object.
class Namespace {
 public:
  Namespace() {
    const base::UniqueFd here = open_namespace("net");
    base::check(::unshare(CLONE_NEWNET), "unshare");
    fd_ = open_namespace("net");
    const int lo = std::system("ip link set lo up");
    if (::setns(here.get(), CLONE_NEWNET) != 0) std::abort();
    base::check(-lo, "ip link set lo up");
  }
  /// Runs FUNCTION in there.
  template <class Function>
  auto in(const Function& function) const {
    struct Return {
      base::UniqueFd here = open_namespace("net");
      ~Return() {
        if (::setns(here.get(), CLONE_NEWNET) != 0) std::abort();
      }
    } const back;
    base::check(::setns(fd_.get(), CLONE_NEWNET), "setns");
    return function();
  }
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  base::UniqueFd fd_;
};

struct Output {
  int status = 0;
  std::string text;  // standard output
};

inline Output run(const std::string& command) {
  FILE* pipe = ::popen(command.c_str(), "re");
  REQUIRE(pipe != nullptr);
  Output output;
  std::array<char, 4096> buffer;
  for (std::size_t got = 0; (got = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
    output.text.append(buffer.data(), got);
  const int status = ::pclose(pipe);
  output.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return output;
}

/// What `sh -c COMMAND` prints; it must succeed.
inline std::string sh(const std::string& command) {
  const Output output = run(command);
  INFO("command: ", command);
  INFO("printed: ", output.text);
  REQUIRE(output.status == 0);
  return output.text;
}

inline nlohmann::json json(const std::string& command) {
  return nlohmann::json::parse(sh(command));
}

}  // namespace fresh
