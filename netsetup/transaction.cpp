// SPDX-License-Identifier: MIT
#include "netsetup/transaction.h"

namespace netsetup {

void Transaction::apply(const Step& step) {
  if (observer_) observer_(step);
  if (auto undo = kernel_.undo(step)) {
    journal_.append(*undo);
    undo_.push_back(std::move(*undo));
  }
  kernel_.execute(step);
}

}  // namespace netsetup
