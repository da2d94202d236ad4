// SPDX-License-Identifier: MIT
// What is to be undone, on disk before it is done.
//
// Theory of operation. An undo step is appended before the kernel call that it undoes, so that
// SIGKILL at any moment leaves nothing unrecorded: at worst a step is undone that never happened,
// which is a success (kernel.h). The file is one line of JSON per step; a last line that was cut
// off by the same SIGKILL belongs to a call that was not made, and is passed over.
#pragma once

#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "netsetup/kernel.h"
#include "netsetup/step.h"

namespace netsetup {

class Journal {
 public:
  /// The file `journal` in DIR (a descriptor), made where it is not there yet.
  explicit Journal(int dir);

  void append(const Step& undo) const;
  /// Oldest first. Lines that make no sense are left out and counted in `damaged`.
  [[nodiscard]] std::vector<Step> read(std::size_t* damaged = nullptr) const;

  /// flock(2) on the file: whoever holds it is alive.
  [[nodiscard]] int fd() const { return file_.get(); }

 private:
  base::UniqueFd file_;
};

/// Undoes STEPS, newest first, to the end; returns what failed, a line each. Never throws.
std::vector<std::string> undo_all(Kernel& kernel, const std::vector<Step>& steps) noexcept;

}  // namespace netsetup
