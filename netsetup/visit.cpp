// SPDX-License-Identifier: MIT
#include "netsetup/visit.h"

#include <fcntl.h>
#include <sched.h>

#include "base/error.h"
#include "base/file.h"

namespace netsetup {

void visit_network(int there, const std::function<void()>& function) {
  const auto here = base::open_or_throw("/proc/self/ns/net", O_RDONLY);
  bool away = false;
  visit_network(there, here.get(), away, function);
}

void visit_network(int there, int here, bool& away, const std::function<void()>& function) {
  base::check(::setns(there, CLONE_NEWNET), "enter another network namespace");
  away = true;
  const auto come_back = [&] {
    base::check(::setns(here, CLONE_NEWNET), "come back from another network namespace");
    away = false;
  };
  try {
    function();
  } catch (...) {
    come_back();
    throw;
  }
  come_back();
}

}  // namespace netsetup
