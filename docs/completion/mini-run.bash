# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Completion of mini-run(1) for bash: options, what some of them take, then PROGRAM and its arguments.

_mini_run_flags=(--writable-root --read-only --detach --wait --rm --interactive --tty --explain
  --dry-run --timing --version --help)
_mini_run_valued=(--publish --name --hostname --network --ip --ip6 --mac --network-alias --host-port --add-host --dns
  --rootfs --volume --tmpfs --scratch-size --env --env-file --workdir --user --cap-add --cap-drop --seccomp --log-size
  --stop-signal --stop-timeout)
_mini_run_capabilities=(ALL AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_ADMIN
  NET_BIND_SERVICE NET_RAW SETFCAP SETGID SETPCAP SETUID SYS_ADMIN SYS_CHROOT SYS_NICE SYS_PTRACE
  SYS_TIME)

_mini_run_takes_value() { # OPTION, which may be several letters in one, as -itp
  case $1 in
    --*) [[ " ${_mini_run_valued[*]} " = *" $1 "* ]] ;;
    -*) [[ $1 = -*([!pvewu])[pvewu] ]] ;;
    *) false ;;
  esac
}

_mini_run_program() { # the word where PROGRAM stands, or will
  local at=1
  while ((at < COMP_CWORD)); do
    case ${COMP_WORDS[at]} in
      --) ((at += 1)) && break ;;
      = | :) ((at += 2)) ;; # readline splits NAME=VALUE and HOST:CONTAINER
      -?*)
        if _mini_run_takes_value "${COMP_WORDS[at]}"; then ((at += 1)); fi
        ((at += 1))
        [ "${COMP_WORDS[at - 1]}" = = ] && ((at += 1))
        ;;
      *) break ;;
    esac
  done
  echo "$at"
}

_mini_run_value() { # OPTION WORD: what may follow the option
  case $1 in
    --rootfs) compgen -d -- "$2" ;;
    -v | --volume | --env-file | --seccomp)
      compgen -f -- "$2"
      [ "$1" != --seccomp ] || compgen -W unconfined -- "$2"
      ;;
    -e | --env) compgen -v -- "$2" ;;
    -u | --user) compgen -u -- "$2" ;;
    --cap-add | --cap-drop) compgen -W "${_mini_run_capabilities[*]}" -- "$2" ;;
    --stop-signal) compgen -W 'HUP INT QUIT USR1 USR2 TERM' -- "$2" ;;
    --network) compgen -W "none host $(minictl network 2>/dev/null | awk 'NR > 1 {print $1}')" -- "$2" ;;
  esac
}

_mini_run() {
  local word=${COMP_WORDS[COMP_CWORD]} option=${COMP_WORDS[COMP_CWORD - 1]} program
  COMPREPLY=()
  program=$(_mini_run_program)
  if [ "$word" = = ]; then
    word=''
  elif [ "$option" = = ] && ((COMP_CWORD > 2)); then
    option=${COMP_WORDS[COMP_CWORD - 2]}
  fi
  if ((program > COMP_CWORD)); then
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(_mini_run_value "$option" "$word")
  elif ((program < COMP_CWORD)); then
    compopt -o default 2>/dev/null
  elif [[ $word = -* && ${COMP_WORDS[program - 1]} != -- ]]; then
    mapfile -t COMPREPLY < <(compgen -W "${_mini_run_flags[*]} ${_mini_run_valued[*]}" -- "$word")
  else
    mapfile -t COMPREPLY < <(compgen -c -- "$word")
  fi
}

complete -F _mini_run mini-run
