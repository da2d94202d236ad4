// SPDX-License-Identifier: MIT
// What --help prints; docs/mini-run.1 says the same in full.
#include "runtime/options.h"

namespace runtime {

std::string_view help_text() {
  return R"(Usage: mini-run [OPTION]... [--] PROGRAM [ARG]...

Runs PROGRAM in a container: namespaces of its own, a network of its own behind
a bridge, a copy-on-write root. Everything after PROGRAM belongs to PROGRAM.

  mini-run --publish 8080:80 nginx      then: curl http://localhost:8080
  mini-run sh                           a shell, to look around

Publishing and the network
  -p, --publish [ADDR:]HOST:CONTAINER[/tcp|/udp]
                          a port of the host leads to the container's port;
                          HOST 0: the kernel chooses one. May be repeated.
                            -p 8080:80   -p 127.0.0.1:5353:53/udp   -p 0:80
      --name NAME         what the container is called        --name web
      --hostname NAME     its host name (default: its name)   --hostname web.lan
      --network NAME      the bridge that joins it (default mini0), made where
                          it is missing                       --network lab0
      --add-host NAME:ADDRESS
                          a line for its /etc/hosts    --add-host db:192.0.2.10
      --dns ADDRESS       its name server instead of the host's
                                                              --dns 192.0.2.53
The root
      --rootfs DIR        this directory as /, instead of the host's own root;
                          changes are kept in memory      --rootfs /srv/debian
      --writable-root     changes go to DIR itself
                                          --rootfs /srv/debian --writable-root
      --read-only         nothing in / can be written to      --read-only
  -v, --volume SOURCE:TARGET[:ro]
                          a directory or file of the host at TARGET
                                                     -v /srv/www:/var/www:ro
      --tmpfs TARGET      an empty directory in memory        --tmpfs /cache
      --scratch-size SIZE bound of what is kept in memory    --scratch-size 512m
                          (default 1g, or a tenth of the memory if less)

The environment
  -e, --env NAME=VALUE    a variable; NAME alone takes yours  -e LANG=C.UTF-8
      --env-file FILE     variables from a file, one a line   --env-file web.env
  -w, --workdir DIR       where PROGRAM starts (default /)    -w /srv
  -u, --user USER[:GROUP] who PROGRAM runs as (default root)  -u www-data

Safety
      --cap-add NAME      a capability more, or ALL           --cap-add NET_RAW
      --cap-drop NAME     a capability less, or ALL           --cap-drop ALL
      --seccomp FILE      the system calls allowed, docker's format; unconfined:
                          all of them                 --seccomp profile.json
      --stop-timeout SECONDS
                          from SIGTERM to SIGKILL (default 10)
                                                      --stop-timeout 30

Seeing
      --explain           says each step as the command you could have typed,
                          and why                --explain -p 8080:80 nginx
      --dry-run           prints these commands as a script and changes nothing
                                                 --dry-run -p 8080:80 nginx
      --timing            the phases of the start, in microseconds
                                                 --timing true
      --version           the version                         mini-run --version
  -h, --help              this text                           mini-run --help

Without --rootfs the container sees the host's own root, its private parts
hidden. That is for test servers: it is not a wall against the container's own
root user. For a stranger's program give --rootfs, or --user, or both.

Exit status: PROGRAM's own; 128+N if signal N ended it; 125 if mini-run itself
failed; 126 if PROGRAM cannot be executed; 127 if it is not found.
)";
}

}  // namespace runtime
