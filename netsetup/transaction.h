// SPDX-License-Identifier: MIT
// A plan carried out: step by step, recorded, and rolled back where it does not come to its end.
#pragma once

#include <functional>
#include <vector>

#include "netsetup/journal.h"
#include "netsetup/kernel.h"
#include "netsetup/step.h"

namespace netsetup {

/// Called before each step is done, by --explain. What it throws stops the transaction there.
using Observer = std::function<void(const Step&)>;

class Transaction {
 public:
  Transaction(Kernel& kernel, Journal& journal, const Observer& observer)
      : kernel_(kernel), journal_(journal), observer_(observer) {}
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  /// Undoes what was done, unless it was committed.
  ~Transaction() {
    if (!committed_) undo_all(kernel_, undo_);
  }

  /// Throws Error: "set up the bridge mini0: REASON (ip link add ...)".
  void apply(const Step& step);
  void commit() noexcept { committed_ = true; }

 private:
  Kernel& kernel_;
  Journal& journal_;
  const Observer& observer_;
  std::vector<Step> undo_;
  bool committed_ = false;
};

/// All of PLAN, or nothing.
void apply_all(Kernel& kernel, Journal& journal, const Observer& observer,
               const std::vector<Step>& plan);

}  // namespace netsetup
