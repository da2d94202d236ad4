// SPDX-License-Identifier: MIT
// What --help prints; docs/mini-run.1 says the same in full.
#include "runtime/options.h"

namespace runtime {

namespace {

constexpr std::string_view Help = R"(Usage: mini-run [OPTION]... [--] PROGRAM [ARG]...

Runs PROGRAM in a container: namespaces of its own, a network of its own behind
a bridge, a copy-on-write root. Everything after PROGRAM belongs to PROGRAM.

  mini-run --publish 8080:80 nginx      then: curl http://localhost:8080
  mini-run -it bash                     a shell, to look around
  mini-run -d --name web nginx          in the background; then: minictl ps

Publishing and the network
  -p, --publish [ADDR:]HOST:CONTAINER[/tcp|/udp|/tcp+udp][,from=CIDR...]
                        * a port of the host leads to one of the container, or
                          a range to a range; with HOST 0 the kernel chooses,
                          and we print it; from: only for these clients
                          e.g. -p 8080:80 -p 0:443 -p 80:80,from=192.0.2.0/24
                          -p 127.0.0.1:53:53/tcp+udp -p 8000-8999:8000-8999
                          -p [::1]:8080:80
      --name NAME         what the container is called
                          e.g. --name web
      --hostname NAME     its host name (default: its name)
                          e.g. --hostname web.example.org
      --network NAME    * a network, that is, a bridge (default mini0); the
                          first is eth0 and the way out; or none: no network
                          e.g. --network lab0 --network mini0
      --ip ADDRESS        its IPv4 address in the --network before it
                          e.g. --ip 10.210.0.50
      --ip6 ADDRESS       its IPv6 address there
                          e.g. --ip6 fd6d:696e:6972::50
      --mac ADDRESS       its MAC there (default: made of its address)
                          e.g. --mac 02:42:c0:a8:00:02
      --network-alias ALIAS
                        * one more name for its neighbours, as --name is one
                          e.g. --name db1 --network-alias db
      --host-port PORT  * it reaches this TCP port of the host's loopback, at
                          host.mini.internal    e.g. --host-port 3000
      --add-host NAME:ADDRESS
                        * a line for its /etc/hosts
                          e.g. --add-host db:192.0.2.10
      --dns ADDRESS     * a name server to ask, instead of the host's
                          e.g. --dns 192.0.2.53

The root
      --rootfs DIR        this directory as /, instead of the host's own root;
                          changes are kept in memory
                          e.g. --rootfs /srv/debian
      --writable-root     changes go to the directory itself
                          e.g. --rootfs /srv/debian --writable-root
      --read-only         / cannot be written to
                          e.g. --read-only --tmpfs /cache
  -v, --volume SOURCE:TARGET[:ro]
                        * a directory or file of the host, at TARGET inside
                          e.g. -v /srv/www:/var/www:ro
      --tmpfs TARGET    * an empty directory in memory
                          e.g. --tmpfs /cache
      --scratch-size SIZE bound of what is kept in memory (default 1g, or a
                          tenth of the memory)    e.g. --scratch-size 512m

The environment
  -e, --env NAME=VALUE  * a variable; NAME alone takes your own value
                          e.g. -e LANG=C.UTF-8 -e http_proxy
      --env-file FILE   * variables from a file, one a line
                          e.g. --env-file web.env
  -w, --workdir DIR       where PROGRAM starts (default /)
                          e.g. -w /srv
  -u, --user USER[:GROUP] who PROGRAM runs as, names or numbers (default root)
                          e.g. -u www-data

Safety
      --cap-add NAME    * a capability more, or ALL
                          e.g. --cap-add NET_RAW
      --cap-drop NAME   * a capability less, or ALL
                          e.g. --cap-drop ALL --cap-add NET_BIND_SERVICE
      --seccomp FILE      the system calls it may make, in docker's format;
                          unconfined: all      e.g. --seccomp profile.json

Living on
  -d, --detach            returns when PROGRAM has started, and prints the name
                          of the container, which lives on; see minictl(1)
                          e.g. -d --name web -p 8080:80 nginx
      --wait              with -d: returns when every published port is served,
                          or with 125 after 30 seconds
                          e.g. -d --wait -p 8080:80 nginx
      --wait=SECONDS      the same, with 125 after SECONDS
                          e.g. -d --wait=5 -p 8080:80 nginx
      --rm                with -d: nothing is kept when it has ended, neither
                          its log nor its exit status    e.g. -d --rm nginx
  -i, --interactive       with -t: what you type goes to PROGRAM; with -d: its
                          standard input stays open and empty
                          e.g. -it bash
  -t, --tty               a terminal of its own for PROGRAM
                          e.g. -t top
      --log-size SIZE     with -d: bound of what is kept of its output (default
                          2m)    e.g. -d --log-size 10m nginx
      --stop-signal SIGNAL
                          what asks PROGRAM to end (default TERM)
                          e.g. --stop-signal QUIT
      --stop-timeout SECONDS
                          from that signal to SIGKILL (default 10)
                          e.g. --stop-timeout 30

Seeing
      --explain           each step as the command you could have typed, and why
                          e.g. --explain -p 8080:80 nginx
      --dry-run           prints these commands as a script, changes nothing
                          e.g. --dry-run -p 8080:80 nginx > steps.sh
      --timing            the phases of the start, in microseconds
                          e.g. --timing true
      --version           the version          e.g. mini-run --version
  -h, --help              this text            e.g. mini-run --help | less

* may be given more than once.

Without --rootfs the container sees the host's own root, its private parts
hidden. That is for test servers: it is not a wall against the container's own
root user. For a stranger's program give --rootfs, or --user, or both.

Exit status: PROGRAM's own; 128+N if signal N ended it; 125 if mini-run itself
failed; 126 if PROGRAM cannot be executed; 127 if it is not found. With -d: 0
when PROGRAM has started; `minictl wait NAME` tells PROGRAM's own.
`man mini-run` has all of it in full.
)";

}  // namespace

std::string_view help_text() { return Help; }

}  // namespace runtime
