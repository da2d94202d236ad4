#!/bin/bash
# SPDX-License-Identifier: MIT
# The program's main job before your eyes, demo.sh PROGRAM: nginx in a container, its page on a
# port of this host, what was wired for it, and that nothing of it is left afterwards.
set -uo pipefail
PATH=$PATH:/usr/sbin:/sbin
program=${1:-build/mini-run}
log=$(mktemp)
container=''

title() { printf '\n== %s\n' "$*"; }
show() { # COMMAND...: as one would type it, then what it says
  printf '$ %s\n' "$*"
  "$@"
}
stop_container() {
  [ -n "$container" ] || return 0
  kill -TERM "$container" 2>/dev/null
  wait "$container"
  container=''
}
clean_up() {
  stop_container
  rm -f "$log"
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP

fail() {
  echo "demo: $*" >&2
  exit 1
}
host_state() { # what a container could leave behind: links, rules, mounts, and who forwards
  ip -br link | grep -E '^(mini|mr-)'
  nft list tables | grep mini_run
  grep mini-run /proc/self/mounts
  grep -H . /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf/*/forwarding
}
show_page() { # URL: the first lines of what is there
  local page
  printf '$ curl %s\n' "$1"
  page=$(fetch "$1") || fail "no page at $1"
  head -n 4 <<<"$page"
}
fetch() { curl --silent --show-error --fail --noproxy '*' --max-time 2 "$1"; }

start() { # PORT: starts the container; true when its page is there within 10 s
  title "nginx in a container, its port 80 as port $1 of this host"
  printf '$ %s --explain --publish %s:80 nginx\n' "$program" "$1"
  "$program" --explain --publish "$1:80" nginx >"$log" 2>&1 &
  container=$!
  for _ in $(seq 100); do
    fetch "http://127.0.0.1:$1/" >/dev/null 2>&1 && break
    kill -0 "$container" 2>/dev/null || break
    sleep 0.1
  done
  # The page must be ours: where another server has the port, the program ends about now.
  sleep 0.2
  kill -0 "$container" 2>/dev/null && fetch "http://127.0.0.1:$1/" >/dev/null && cat "$log" && return
  cat "$log"
  kill -TERM "$container" 2>/dev/null
  wait "$container"
  container=''
  return 1
}

[ "$(id -u)" = 0 ] || fail 'needs root: sudo make demo'
[ -x "$program" ] || fail "$program is not there: make build"
before=$(host_state)

for port in 8080 8081 8088 18080; do
  start $port && break
  # A port that someone has is no failure of ours; anything else is.
  grep -q "$port" <<<"$(tail -n 1 "$log")" || fail 'the container did not start'
  echo "port $port does not do: another one"
  port=''
done
[ -n "$port" ] || fail 'no page from any of the ports'

title 'The page, from the loopback and from an address of this host'
show_page "http://127.0.0.1:$port/"
own=$(ip -4 -o address show scope global | grep -v ' mini' | awk '{sub("/.*", "", $4); print $4; exit}')
if [ -n "$own" ]; then
  show_page "http://$own:$port/"
else
  echo 'This host has no address but its loopback.'
fi

title 'How it is wired: the bridge, the cable to the container, the port as an element of a map'
printf '$ ip -brief link\n'
ip -br link | grep -E '^(mini|mr-)'
show nft list map inet mini_run pub4_any

title 'Stopped: what is left?'
printf '$ kill %s\n' "$container"
stop_container
for _ in $(seq 20); do # the kernel takes interfaces down behind the program's back
  after=$(host_state)
  [ "$after" = "$before" ] && break
  sleep 0.1
done
[ "$after" = "$before" ] || {
  diff <(echo "$before") <(echo "$after")
  fail 'something was left behind'
}
echo 'Nothing: interfaces, rules, mounts and forwarding are what they were.'
