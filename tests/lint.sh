#!/bin/bash
# SPDX-License-Identifier: MIT
# The rules of the house that a machine can check, lint.sh BUILD_DIR [JOBS]: format, clang-tidy, and
# what the program must never do. Says what is wrong and where; status 1 if anything is.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
build=${1:-build}
jobs=${2:-2}
program=(runtime netsetup rootfs)
failed=0

complain() { # TITLE TEXT: TEXT empty means that all is well
  [ -z "$2" ] && return
  printf '== %s\n%s\n' "$1" "$2"
  failed=1
}
code() { # PATTERN WHERE...: lines of code that match; not comments, which may speak of it
  local pattern=$1
  shift
  grep -rnE --include='*.cpp' --include='*.h' "$pattern" "$@" | grep -vE '^[^:]+:[0-9]+: *(//|\*)'
}
mapfile -t sources < <(find "${program[@]}" tests -name '*.cpp' -o -name '*.h' -o -name '*.c' | sort)
mapfile -t scripts < <(grep -lE '^#!/bin/(ba)?sh' -r tests .ci | sort)
scripts+=(docs/completion/*.bash)

complain 'format (make format mends it)' "$(clang-format --dry-run -Werror "${sources[@]}" 2>&1)"
complain 'first line: SPDX-License-Identifier' \
  "$(for file in "${sources[@]}"; do head -n 1 "$file" | grep -q SPDX || echo "$file"; done)"
complain 'more than 400 lines' \
  "$(wc -l "${sources[@]}" | awk '$1 > 400 && $2 != "total" {print $2 ": " $1}')"

complain 'no shell, no other program: the kernel is asked directly' \
  "$(code '\b(system|popen|posix_spawnp?|wordexp) *\(' "${program[@]}"
    code '\bexec[lv]p?e? *\( *"' "${program[@]}")"
complain 'no iostream: it costs every start' "$(code '#include <(iostream|fstream)>' "${program[@]}")"
complain 'a descriptor is born with O_CLOEXEC' \
  "$(code '\b(open|openat) *\([^;]*\bO_[A-Z]+[^;]*;' "${program[@]}" | grep -v O_CLOEXEC
    code '\bsocket *\([^;]*SOCK_[^;]*;' "${program[@]}" | grep -v SOCK_CLOEXEC)"
complain 'unfinished' "$(code '\b(TODO|FIXME|XXX)\b' "${program[@]}" tests; grep -rnE '// *(TODO|FIXME|XXX)\b' "${program[@]}")"

# base <- netsetup, base <- rootfs, {base, netsetup, rootfs} <- runtime
complain 'an include against the direction of the house' \
  "$(code '#include "(runtime|rootfs)/' netsetup
    code '#include "(runtime|netsetup)/' rootfs
    code '#include "(runtime|netsetup|rootfs)/' runtime/base)"

if command -v shellcheck >/dev/null; then
  complain shellcheck "$(shellcheck "${scripts[@]}" 2>&1)"
fi

# The tests are left out: doctest's macros trip half of the checks. A file costs ten seconds, so
# one that passed is not looked at again until it, a header or the configuration changes.
# shellcheck disable=SC2317,SC2086 # it is called, by xargs; headers is a list
tidy() { # FILE
  local stamp=$stamps/${1//\//_}.ok
  if [ -e "$stamp" ] && [ -z "$(find "$1" .clang-tidy $headers -newer "$stamp")" ]; then return; fi
  clang-tidy -p "$build" --quiet "$1" 2>/dev/null && touch "$stamp"
}
stamps=$build/tidy
headers=$(find "${program[@]}" -name '*.h' -exec echo {} +)
mkdir -p "$stamps"
export build stamps headers
export -f tidy
complain clang-tidy "$(find "${program[@]}" -name '*.cpp' -print0 |
  xargs -0 -P "$jobs" -I FILE bash -c 'tidy FILE')"

[ $failed = 0 ] && echo 'lint: nothing to complain about'
exit $failed
