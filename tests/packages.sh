#!/bin/bash
# SPDX-License-Identifier: MIT
# Installs what a target of the Makefile needs: packages.sh GROUP... (build demo test lint bench).
#
# Each need is named by its package and proven by the thing itself (a command, a header, a
# library), so that a machine that has everything, from wherever, is left alone and needs no
# network. Nothing that gets installed is started, now or at the next boot.
set -euo pipefail
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

missing=() # Debian packages
dnf=()     # what Fedora calls them

need() { # PACKAGE FEDORA_PACKAGE PROOF...
  local package=$1 fedora=$2
  shift 2
  "$@" >/dev/null 2>&1 || { missing+=("$package") && dnf+=("$fedora"); }
}
command_there() { command -v "$1"; }
any() { # PATH...: one of them is there
  local path
  for path in "$@"; do [ ! -e "$path" ] || return 0; done
  return 1
}
header() { any /usr/include/"$1" /usr/local/include/"$1"; }
archive() { any /usr/lib/*/"$1" /usr/lib/"$1" /usr/lib64/"$1" /usr/local/lib/"$1"; }
shared() { ldconfig -p | grep -F "$1"; }

build() {
  need g++ gcc-c++ command_there g++
  need cmake cmake command_there cmake
  need make make command_there make
  need pkg-config pkgconf command_there pkg-config
  need libmnl-dev libmnl-devel header libmnl/libmnl.h
  need libnftables-dev nftables-devel header nftables/libnftables.h
  need libseccomp-dev 'libseccomp-devel libseccomp-static' archive libseccomp.a
  need libcli11-dev cli11-devel header CLI/CLI.hpp
  need nlohmann-json3-dev json-devel header nlohmann/json.hpp
  need doctest-dev doctest-devel header doctest/doctest.h
}
demo() {
  need libnftables1 nftables shared libnftables.so.1
  need libmnl0 libmnl shared libmnl.so.0
  need nginx-light nginx command_there nginx
  need curl curl command_there curl
  need iproute2 iproute command_there ip
  need nftables nftables command_there nft
  need ca-certificates ca-certificates test -d /etc/ssl/certs
}
test_() {
  need python3 python3 test -x /usr/bin/python3
  need strace strace command_there strace
  need conntrack conntrack-tools command_there conntrack
  need iptables iptables-nft command_there iptables
  need ncat nmap-ncat command_there ncat
  need iputils-ping iputils command_there ping
  need procps procps-ng command_there ps
  need sudo sudo command_there sudo
  need util-linux util-linux command_there nsenter
  need libcap2-bin libcap command_there capsh
  need docker.io moby-engine command_there dockerd
  need ufw ufw command_there ufw
  need firewalld firewalld command_there firewalld
  need dbus dbus-daemon command_there dbus-daemon
  need graphviz graphviz command_there dot
}
lint() {
  need clang-format clang-tools-extra command_there clang-format
  need clang-tidy clang-tools-extra command_there clang-tidy
  need shellcheck ShellCheck command_there shellcheck
}
bench() {
  need python3 python3 test -x /usr/bin/python3
  need bubblewrap bubblewrap command_there bwrap
  need crun crun command_there crun
  need docker.io moby-engine command_there dockerd
  need ncat nmap-ncat command_there ncat
}

# invoke-rc.d(8) and deb-systemd-invoke ask this file before they start anything. One that is
# there already is the administrator's answer and stays; one of ours that a SIGKILL left goes.
policy=/usr/sbin/policy-rc.d
mark='# mini-run: nothing is started while tests/packages.sh installs'
forbid_starts() {
  [ -e $policy ] && ! grep -qF "$mark" $policy && return
  trap 'rm -f $policy' EXIT
  trap 'exit 130' INT TERM HUP
  printf '#!/bin/sh\n%s\nexit 101\n' "$mark" >$policy
  chmod 755 $policy
}

install_debian() {
  export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
  local apt=(apt-get -y -q -o DPkg::Lock::Timeout=120 --no-install-recommends)
  forbid_starts
  # The lists may be absent (a fresh image) or older than the mirror: then, and only then, fetch them.
  "${apt[@]}" --simulate install "${missing[@]}" >/dev/null 2>&1 || apt-get -q update
  "${apt[@]}" install "${missing[@]}" || {
    apt-get -q update
    "${apt[@]}" install "${missing[@]}"
  }
  # A package enables its service for the next boot; nobody asked for that here.
  local unit
  for unit in nginx:nginx-light docker:docker.io docker.socket:docker.io containerd:docker.io \
    ufw:ufw firewalld:firewalld; do
    if [[ " ${missing[*]} " == *" ${unit#*:} "* ]] && command -v systemctl >/dev/null; then
      systemctl disable --quiet "${unit%%:*}" 2>/dev/null || true
    fi
  done
}

for group in "$@"; do
  case $group in
    build | demo | lint | bench) $group ;;
    test) test_ ;;
    *) echo "packages.sh: no group '$group' (build demo test lint bench)" >&2 && exit 2 ;;
  esac
done
[ ${#missing[@]} = 0 ] && exit 0
mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)

if ! command -v apt-get >/dev/null; then
  echo "packages.sh: install these first, e.g.: dnf install $(printf '%s ' "${dnf[@]}" | xargs -n1 | sort -u | xargs)" >&2
  exit 1
fi
if [ "$(id -u)" != 0 ]; then
  echo "packages.sh: missing: ${missing[*]}; run: sudo tests/packages.sh $*" >&2
  exit 1
fi
echo "installing: ${missing[*]}"
install_debian
