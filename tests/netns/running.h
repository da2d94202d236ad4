// SPDX-License-Identifier: MIT
// A container as far as its network goes: a process in a network namespace of its own.
#pragma once

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "fresh.h"
#include "netsetup/container_network.h"
#include "runtime/configs.h"

namespace fresh {

/// A process that does nothing, in a new network namespace with lo up.
class Process {
 public:
  Process() {
    const Namespace own;
    own.in([&] {
      pid_ = base::check(::fork(), "fork");
      if (pid_ != 0) return;
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::close_range(3, ~0U, 0);  // the locks of others
      for (;;) ::pause();
    });
  }
  ~Process() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
};

/// A running container: joined and connected while it lives.
class Container {
 public:
  explicit Container(const std::string& name, std::vector<netsetup::PublishedPort> ports = {},
                     const std::string& bridge = "mini0", std::uint32_t run = 1)
      : network({configs::Ruleset, name, false, networks(bridge), std::move(ports), {}, run}, {}) {
    network.join();
    network.connect(process.pid());
  }
  /// Runs FUNCTION in its network namespace.
  template <class Function>
  auto in(const Function& function) const {
    struct Return {
      base::UniqueFd here = open_namespace("net");
      ~Return() {
        if (::setns(here.get(), CLONE_NEWNET) != 0) std::abort();
      }
    } const back;
    const base::UniqueFd there(
        ::open(base::cat("/proc/", process.pid(), "/ns/net").c_str(), O_RDONLY | O_CLOEXEC));
    base::check(::setns(there.get(), CLONE_NEWNET), "setns");
    return function();
  }

  static std::vector<netsetup::AttachmentRequest> networks(const std::string& bridge) {
    netsetup::AttachmentRequest request;
    request.network.bridge = bridge;
    return {request};
  }
  [[nodiscard]] const netsetup::Attachment& attachment() const {
    return network.attachments().front();
  }
  [[nodiscard]] netsetup::Ip address() const { return attachment().endpoint().addresses.front(); }

  Process process;
  netsetup::ContainerNetwork network;
};

}  // namespace fresh
