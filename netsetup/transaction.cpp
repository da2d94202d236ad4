// SPDX-License-Identifier: MIT
#include "netsetup/transaction.h"

#include "base/test_point.h"

namespace netsetup {

void Transaction::apply(const Step& step) {
  if (observer_) observer_(step);
  if (auto undo = kernel_.undo(step)) {
    journal_.append(*undo);
    base::test_point("journalled");
    undo_.push_back(std::move(*undo));
  }
  kernel_.execute(step);
  base::test_point("executed");
}

void apply_all(Kernel& kernel, Journal& journal, const Observer& observer,
               const std::vector<Step>& plan) {
  Transaction transaction(kernel, journal, observer);
  for (const auto& step : plan) transaction.apply(step);
  transaction.commit();
}

}  // namespace netsetup
