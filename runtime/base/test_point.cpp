// SPDX-License-Identifier: MIT
#include "base/test_point.h"

#ifdef MINI_RUN_TEST_POINTS

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <string>

#include "base/text.h"
#include "base/unique_fd.h"

namespace base {

namespace {

std::string own_role = "mini-run";
pid_t init_pid = 0;
std::map<std::string, int> passed;

void kill_target(const std::string& target) {
  if (target == "itself") ::kill(::getpid(), SIGKILL);
  if (target == "init" && init_pid > 0) ::kill(init_pid, SIGKILL);
  if (target == "cli") ::kill(::getppid(), SIGKILL);
}

}  // namespace

void test_role(const char* role) noexcept { own_role = role; }

void test_init_is(pid_t pid) noexcept { init_pid = pid; }

void test_point(const char* point) noexcept {
  const char* file = std::getenv("MINI_RUN_POINTS");
  const char* wanted = std::getenv("MINI_RUN_KILL");
  if (file == nullptr && wanted == nullptr) return;
  const std::string name = cat(own_role, " ", point, "#", ++passed[point]);
  if (file != nullptr) {
    const UniqueFd log(::open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    const std::string line = name + "\n";
    if (log.valid()) static_cast<void>(!::write(log.get(), line.data(), line.size()));
  }
  if (wanted == nullptr) return;
  const std::string spec = wanted;
  const auto at = spec.find('@');
  if (spec.substr(at + 1) == name) kill_target(spec.substr(0, at));
}

}  // namespace base

#endif
