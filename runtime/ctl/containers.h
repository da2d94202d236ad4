// SPDX-License-Identifier: MIT
// The containers of this network namespace, as their records tell.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "runtime/control.h"
#include "runtime/description.h"

namespace runtime::ctl {

struct Container {
  std::string name;
  base::UniqueFd directory;  // its record; not of all_containers()
  bool running = false;
  bool described = true;  // false: all that is known is its name
  Description description;
  std::optional<End> end;
  bool end_lost = false;  // it ended by itself; how, is not known any more
};

/// Every container, by name; with ENDED those too that have ended and are kept. What the dead have
/// left is swept first; a record that is damaged is set aside with a line for the user.
std::vector<Container> all_containers(bool ended);

/// The container NAME, or the only one whose name begins so, running or ended. Throws Error.
Container find_container(const std::string& name);
/// The same, running. Throws Error.
Container find_running(const std::string& name);
/// Throws Error where CONTAINER has ended.
void need_running(const Container& container);

/// Calls FUNCTION for each of NAMES, to the end: where one fails, its line is said. The exit
/// status.
int for_each(const std::vector<std::string>& names,
             const std::function<void(const Container&)>& function);

/// Removes the record NAME of an ended container.
void forget(const std::string& name);

/// Lets the container's mini-run go on where a signal has stopped it: it would not hear us.
void wake(const Container& container);
/// Asks the container's mini-run, awake, and waits for the answer: nothing where it has ended.
/// Throws Error with what is answered as an error.
std::optional<std::string> ask(const Container& container, const Words& request);

/// A descriptor of the container's process 1 (pidfd_open(2)), or of its mini-run. Throws Error
/// where it has ended meanwhile.
base::UniqueFd open_init(const Container& container);
base::UniqueFd open_supervisor(const Container& container);

}  // namespace runtime::ctl
