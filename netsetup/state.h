// SPDX-License-Identifier: MIT
// Where mini-run remembers: /run/mini-run, one directory for each network namespace it works in.
//
//   /run/mini-run/NETNS-BOOT/               NETNS: the namespace's inode number; BOOT: the first
//                                           digits of the boot's id, so that what another boot
//                                           left is nothing that anybody takes for the present
//     containers/NAME/                      locked (flock) by the process that runs the container
//                    journal container.json control hosts hostname resolv.conf log log.1
//     ended/NAME/container.json status log log.1
//                                           detached containers that have ended, until minictl(1)
//                                           removes them; nothing of them is in the kernel
//     host/lock journal up repaired         the host's share (plan.h)
//     network-BRIDGE/lock journal up leases
//
// Everything in it is of root alone and disappears with what it describes.
#pragma once

#include <string>
#include <vector>

#include "base/unique_fd.h"

namespace netsetup {

class State {
 public:
  /// Makes what is missing. Throws Error where /run cannot be written, or where /run/mini-run is
  /// not a directory of root's that nobody else may enter.
  State();

  [[nodiscard]] int fd() const { return root_.get(); }

  /// The directory, where there is one, without making, locking or changing anything.
  static base::UniqueFd peek();

  /// Removes the directories where no other process uses them (each holds a shared lock).
  void remove_if_unused() const noexcept;

 private:
  base::UniqueFd top_;  // /run/mini-run
  std::string name_;    // of the namespace's directory in it
  base::UniqueFd root_;
};

/// The directory NAME in DIR, 0700, made if need be, never through a symlink.
base::UniqueFd make_directory(int dir, const std::string& name);

/// The directory NAME in DIR, never through a symlink; an invalid descriptor where there is none.
base::UniqueFd open_directory(int dir, const std::string& name);

/// Names in the directory DIR, without . and ..
std::vector<std::string> entries(int dir);

/// Removes the directory NAME in DIR and the files in it (it has no directories).
void remove_directory(int dir, const std::string& name) noexcept;

}  // namespace netsetup
