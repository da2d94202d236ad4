#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs the tests of several builds, all.sh BUILD_DIR..., and adds the results up: the last line is
# `N passed, N failed`, and the exit status is 0 only when none failed.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

passed=0 failed=0
for build in "$@"; do
  echo "== $build"
  log=$(mktemp)
  tests/run "$build" 2>&1 | tee "$log"
  status=$?
  if [[ $(tail -n 1 "$log") =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
    ((passed += BASH_REMATCH[1], failed += BASH_REMATCH[2]))
    # A run that ends in an error although it counts no failure is one.
    [ $status = 0 ] || [ "${BASH_REMATCH[2]}" != 0 ] || ((failed += 1))
  else
    echo "tests/run $build ended without a result (status $status)"
    ((failed += 1))
  fi
  rm -f "$log"
done
echo "$passed passed, $failed failed"
[ $failed = 0 ] && [ $passed != 0 ]
