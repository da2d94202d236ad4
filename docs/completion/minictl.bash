# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Completion of minictl(1) for bash: commands, their options, and the names of containers; where a
# command needs one that runs, of these only. It asks minictl, which needs root: for anybody else
# there are no names.

_minictl_words() { # WORD...: those that begin with the word being completed
  mapfile -t COMPREPLY < <(compgen -W "$*" -- "${COMP_WORDS[COMP_CWORD]}")
}

_minictl_running() { minictl ps -q 2>/dev/null; }
_minictl_all() { minictl ps -aq 2>/dev/null; }

_minictl_published() { # NAME: its ports as `minictl port rm` takes them, "8080" or "5353/udp"
  minictl port "$1" 2>/dev/null | sed -E 's/,from=.*//; s,->.*/tcp$,,; s,->.*/udp$,/udp,; s,^.*:,,'
}

_minictl_host_ports() { # of all that run
  local name
  for name in $(_minictl_running); do _minictl_published "$name"; done
}

_minictl_port() { # what follows `minictl port`
  if ((COMP_CWORD == 2)); then
    _minictl_words add rm "$(_minictl_running)"
  elif [[ ${COMP_WORDS[2]} != @(add|rm) ]] || ((COMP_CWORD == 3)); then
    _minictl_words "$(_minictl_running)"
  elif [ "${COMP_WORDS[2]}" = rm ]; then
    _minictl_words "$(_minictl_published "${COMP_WORDS[3]}")"
  fi
}

_minictl_networks() { minictl network 2>/dev/null | awk 'NR > 1 {print $1}'; }

_minictl_network() { # what follows `minictl network`
  local action=${COMP_WORDS[2]}
  case $((COMP_CWORD - 2)) in
    0) _minictl_words ls inspect create rm connect disconnect ;;
    1) [ "$action" = create ] || _minictl_words "$(_minictl_networks)" ;;
    2) [[ $action != @(connect|disconnect) ]] || _minictl_words "$(_minictl_running)" ;;
    *) [[ $action != @(inspect|rm) ]] || _minictl_words "$(_minictl_networks)" ;;
  esac
}

_minictl_network_options() { # ACTION
  case $1 in
    create) _minictl_words --subnet --gateway --internal --isolated --mtu --ipv6 --option --help ;;
    connect) _minictl_words --ip --ip6 --mac --help ;;
    *) _minictl_words --json --help ;;
  esac
}

_minictl_exec() { # what follows `minictl exec`: options, NAME, and what belongs to PROGRAM
  local at=2
  while ((at < COMP_CWORD)); do
    case ${COMP_WORDS[at]} in
      -e | -u | -w | --env | --user | --workdir)
        ((at += 2))
        [ "${COMP_WORDS[at - 1]}" = = ] && ((at += 1)) # readline splits --user=USER
        ;;
      = | :) ((at += 2)) ;; # and NAME=VALUE, and USER:GROUP
      -*) ((at += 1)) ;;
      *) # NAME is there: files
        compopt -o default 2>/dev/null
        return
        ;;
    esac
  done
  ((at == COMP_CWORD)) || return # an option's value
  case ${COMP_WORDS[COMP_CWORD]} in
    -*) _minictl_words --interactive --tty --user --workdir --env --help ;;
    *) _minictl_words "$(_minictl_running)" ;;
  esac
}

_minictl_options() { # COMMAND
  case $1 in
    ps) _minictl_words --all --quiet --json --help ;;
    inspect | port | doctor) _minictl_words --json --help ;;
    trace) _minictl_words --packets --json --timeout --help ;;
    logs) _minictl_words --follow --tail --help ;;
    stop) _minictl_words --time --help ;;
    kill) _minictl_words --signal --help ;;
    rm) _minictl_words --force --help ;;
    graph) _minictl_words --format --help ;;
    *) _minictl_words --help ;;
  esac
}

_minictl() {
  local command=${COMP_WORDS[1]} word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    if [[ $word = -* ]]; then
      _minictl_words --help --version
    else
      _minictl_words ps inspect graph explain logs exec stop kill wait rm prune port network repair doctor trace
    fi
    return
  fi
  case "$command $before" in
    'logs -n' | 'logs --tail' | 'stop -t' | 'stop --time' | 'trace -t' | 'trace --timeout') return ;; # a number
    'kill -s' | 'kill --signal')
      _minictl_words HUP INT QUIT KILL USR1 USR2 TERM CONT STOP
      return
      ;;
    'graph --format')
      _minictl_words text svg mermaid dot json
      return
      ;;
  esac
  case "$command $word" in
    'exec '*) _minictl_exec ;;
    'network -'*) _minictl_network_options "${COMP_WORDS[2]}" ;;
    *' -'*) _minictl_options "$command" ;;
    'inspect '* | 'logs '* | 'wait '* | 'rm '*) _minictl_words "$(_minictl_all)" ;;
    'stop '* | 'kill '*) _minictl_words "$(_minictl_running)" ;;
    'explain '*) _minictl_words nft "$(_minictl_running)" ;;
    'trace '*) _minictl_words "$(_minictl_running)" "$(_minictl_host_ports)" ;;
    'port '*) _minictl_port ;;
    'network '*) _minictl_network ;;
  esac
}

complete -F _minictl minictl
