# SPDX-License-Identifier: MIT
"""What all cases share: a World each, and assertions in the words of the contract."""

import json
import os
import re
import signal
import time
import unittest

import snapshot
from world import World

PYTHON = "/usr/bin/python3"  # the distribution's: the one that a container with the host's root sees
LOCAL_HOST = "127.0.0.1"


class Case(unittest.TestCase):
    maxDiff = None
    bridge_nf = None
    timeout = 60  # seconds that tests/run grants each case
    serial = False  # True: asserts times, so that nothing else may run beside it

    def setUp(self):
        self.world = World(self.bridge_nf)
        self.addCleanup(self.world.close)

    def assert_same_state(self, before, within=2.0, world=None):
        """The World is as it was, WITHIN so many seconds at the latest."""
        deadline = time.monotonic() + within
        while True:
            difference = snapshot.difference(before, (world or self.world).state())
            if not difference:
                return
            if time.monotonic() > deadline:
                self.fail(f"the host's state changed:\n{difference}")
            time.sleep(0.02)

    def assert_refused(self, result, status=125, says=(), by="mini-run"):
        """One line on standard error that starts with "mini-run: " and matches each of SAYS; STATUS."""
        self.assertEqual(result.returncode, status, result.stderr)
        self.assertEqual(result.stdout, "")
        self.assertRegex(result.stderr, rf"\A{by}: [^\n]+\n\Z")
        self.assertNotRegex(result.stderr[:-1], r"[\x00-\x1f\x7f]", "a control character")
        for pattern in [says] if isinstance(says, str) else says:
            self.assertRegex(result.stderr, re.compile(pattern, re.IGNORECASE))

    def run_ok(self, *arguments, **options):
        """mini-run that ends with 0; what it printed."""
        result = self.world.mini_run(*arguments, **options)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        return result.stdout

    def detach(self, *arguments, **options):
        """mini-run -d that ends with 0; the container's name, as it printed it."""
        return self.run_ok("-d", *arguments, **options).removesuffix("\n")

    def ctl(self, *arguments, **options):
        """minictl that ends with 0; what it printed."""
        result = self.world.minictl(*arguments, **options)
        self.assertEqual(result.returncode, 0, f"minictl {arguments}: {result.stdout}{result.stderr}")
        return result.stdout

    def inspect(self, name):
        """What minictl knows of the container NAME."""
        return json.loads(self.ctl("inspect", "--json", name))[0]

    def network(self, name):
        """The network of the container NAME as a `where` for World.run() and call()."""
        return self.world.network_at(f"/proc/{self.inspect(name)['pid']}/ns/net")

    def running(self):
        """Names of the containers that run."""
        return self.ctl("ps", "-q").split()

    def until_logged(self, name, text, timeout=15):
        self.until(lambda: text in self.ctl("logs", name), f"{text!r} is not in the log of {name}", timeout)

    def until_ended(self, name, timeout=20):
        self.until(lambda: name not in self.running(), f"{name} still runs", timeout)

    def python(self, code, *options, **keywords):
        """What CODE prints, run by python inside a container with OPTIONS of mini-run."""
        return self.run_ok(*options, PYTHON, "-c", code, **keywords)

    def file(self, name, text, mode=0o644):
        """A file of the World's own directory; its path."""
        path = os.path.join(self.world.directory, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    def kill(self, *pids):
        """SIGKILL for PIDS of the World; they are dead when it returns, a moment after kill(1) does."""
        self.world.sh("kill -KILL " + " ".join(map(str, pids)))
        dying = lambda: self.world.sh(f"ps -o pid= -p {','.join(map(str, pids))} || true").stdout
        self.until(lambda: not dying(), "they do not die", 20)

    def until(self, condition, what, timeout=5):
        deadline = time.monotonic() + timeout
        while not condition():
            self.assertLess(time.monotonic(), deadline, what)
            time.sleep(0.005)


def fatal_signals():
    """Numbers of the signals that end a process that does nothing about them."""
    harmless = {signal.SIGCHLD, signal.SIGCONT, signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN,
                signal.SIGTTOU, signal.SIGURG, signal.SIGWINCH}
    return sorted(set(range(1, 32)) - {int(number) for number in harmless})
