// SPDX-License-Identifier: MIT
// What made a container that runs, and what will undo it.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "netsetup/plan.h"

namespace netsetup {

/// A container as its record tells.
struct Wired {
  struct Place {
    std::string network;
    Endpoint endpoint;
  };
  std::string name;
  pid_t init = 0;
  std::vector<Place> places;
  std::vector<PublishedPort> ports;
  int directory = -1;  // its record
};

/// A share in its life: the host's, a network, the container's own.
struct WiringPart {
  std::string title;
  std::vector<Step> made;  // by the plan, with today's values
  std::vector<Step> undo;  // by the journal, in the order in which it will be done
};
/// In the order in which they were made. Changes nothing. Throws Error.
std::vector<WiringPart> wiring(const Wired& container);

}  // namespace netsetup
