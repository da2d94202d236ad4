# SPDX-License-Identifier: MIT
"""SIGKILL of mini-run, of its command line and of init after every single step of a start and of a stop.

The test build names the steps (runtime/base/test_point.h): a first run of each mode lists them, then
there is one run for each, in which one process is killed there. After the next command, of any kind,
nothing is left. In `make test` a part of the steps is taken, another one for each mode; all of them in
`make test-faults`. A build without the named points is swept by system calls (test_nothing_left.py).
"""

import os
import signal
import subprocess

import snapshot
from case import Case
from world import ENVIRONMENT, MINI_RUN, Container

HAS_POINTS = b"MINI_RUN_POINTS" in open(MINI_RUN, "rb").read()
ALL = os.environ.get("MINI_RUN_FAULTS") == "all"
PUBLISH = ["-p", "8080:80", "-p", "127.0.0.1:5353:53/udp", "-p", "9000-9099:9000-9099", "-p", "8443:443,from=192.0.2.0/24"]
MODES = {
    "foreground": [*PUBLISH, "--name", "x", "/bin/sh", "-c", "exit 0"],
    "detached": ["-d", *PUBLISH, "--name", "x", "/bin/sh", "-c", "sleep 0.1"],
    "detached_and_removed": ["-d", "--rm", *PUBLISH, "--name", "x", "/bin/sh", "-c", "sleep 0.1"],
    "terminal": ["-t", *PUBLISH, "--name", "x", "/bin/sh", "-c", "exit 0"],
}
TARGETS = ("itself", "init", "cli")
STEP_IN_SAMPLE = 9  # in `make test` every ninth


class Crash(Case):
    timeout = 1800 if ALL else 280

    def start(self, mode, **variables):
        container = Container(self.world, MODES[mode], env=ENVIRONMENT | variables)
        try:
            container.process.wait(20)
        except subprocess.TimeoutExpired:
            container.send(signal.SIGKILL)
            self.fail(f"{mode} {variables}: still there: {container.err}")
        return container

    def quiet(self):
        """No process of mini-run is left: what is detached has ended, or was killed, too."""
        def ended():
            return not any("mini-run" in key or key == "process init" for key in self.world.call(snapshot.processes))
        # Twice: one that leaves its end to a process of its own may be gone before it is looked at, and that one
        # not yet there when the names were listed.
        self.until(lambda: ended() and ended(), "the end of all", 20)

    def points(self, mode):
        log = os.path.join(self.world.directory, f"points-{mode}")
        self.start(mode, MINI_RUN_POINTS=log)
        self.quiet()
        self.world.minictl("prune")
        with open(log) as file:
            return file.read().splitlines()

    def sweep(self, mode, offset):
        before = self.world.state()
        points = self.points(mode)
        self.assertGreater(len(points), 30, "\n".join(points))
        kills = [f"{target}@{point}" for point in points for target in TARGETS
                 if (target != "cli" or mode.startswith("detached"))
                 and not (target == "init" and point.startswith("init "))]
        for kill in kills if ALL else kills[offset::STEP_IN_SAMPLE]:
            with self.subTest(f"{mode}: {kill}"):
                self.start(mode, MINI_RUN_KILL=kill)
                self.quiet()
                said = [self.world.minictl(command) for command in ("ps", "prune")]
                try:
                    self.assert_same_state(before, 5)
                except AssertionError as error:
                    self.fail(f"{error}\nafter {said}; now prune says {self.world.minictl('prune')}")
        # and the port, the name and an address are to be had
        self.run_ok(*PUBLISH, "--name", "x", "true")
        self.assert_same_state(before)


if HAS_POINTS:
    for number, name in enumerate(MODES):
        setattr(Crash, f"test_{name}", lambda self, mode=name, offset=number: self.sweep(mode, offset))
