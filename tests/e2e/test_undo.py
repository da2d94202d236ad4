# SPDX-License-Identifier: MIT
"""Issue, 8: "Undo is tested by failing every step in turn: afterwards the host's state equals that before".

In `make test` each call fails with one error, every other one in the normal and the rest in the sanitized
build, and some of a detached start; in `make test-faults` every call of both fails with every error there is.
"""

import os
import re

import snapshot
from case import Case
from world import MINI_RUN

# system call -> the error that it gives; each is one that the call can really give
ERRORS = {
    "socket": "EMFILE", "sendto": "ENOBUFS", "sendmsg": "ENOBUFS", "recvmsg": "ENOBUFS", "recvfrom": "ENOBUFS",
    "clone3": "ENOSPC", "clone": "ENOSPC", "mount": "ENOMEM", "fsopen": "ENOMEM", "fsconfig": "ENOMEM", "fsmount": "ENOMEM",
    "move_mount": "ENOMEM", "open_tree": "ENOMEM", "mount_setattr": "EINVAL", "pivot_root": "EINVAL", "umount2": "EBUSY",
    "mkdir": "ENOSPC", "mkdirat": "ENOSPC", "openat2": "EMFILE", "mknodat": "ENOSPC", "symlinkat": "ENOSPC", "rename": "ENOSPC",
    "renameat": "ENOSPC", "flock": "ENOLCK", "bind": "ENOMEM", "setsockopt": "ENOMEM", "setns": "EINVAL", "pipe2": "EMFILE",
    "socketpair": "EMFILE", "signalfd4": "EMFILE", "pidfd_open": "EMFILE", "prctl": "EINVAL", "capset": "EPERM",
    "seccomp": "EINVAL", "setgroups": "EPERM", "setuid": "EAGAIN", "setgid": "EPERM", "setresuid": "EAGAIN", "sethostname": "EPERM",
    "setsid": "EPERM", "chdir": "EACCES", "fchdir": "EACCES", "close_range": "EMFILE", "fchown": "EPERM", "fchownat": "EPERM",
    "execve": "ENOMEM", "dup3": "EMFILE", "ftruncate": "ENOSPC", "symlink": "ENOSPC",
}
ALL = os.environ.get("MINI_RUN_FAULTS") == "all"
EVERY_ERROR = ("ENOSPC", "ENOMEM", "EBUSY", "EINTR", "ENOBUFS")
DETACHED_SAMPLE = ("bind", "renameat", "pipe2", "symlink")
RUN = ["-p", "8080:80", "-p", "127.0.0.1:5353:53/udp", "-p", "9000-9009:9000-9009", "-p", "8443:443,from=2001:db8::/32", "true"]
MOST = 400  # repetitions of one call; far more than a start makes


class Undo(Case):
    timeout = 3600 if ALL else 280
    options = []

    def inject(self, call, number, what):
        """RUN with the NUMBERth CALL of each process failing; (result, whether there was such a call)."""
        log = os.path.join(self.world.directory, "strace.log")
        result = self.world.run(["strace", "-f", "--seccomp-bpf", "-o", log, "-e", f"trace={call}", "-e",
                                 f"inject={call}:{what}:when={number}",
                                 MINI_RUN, *self.options, *RUN], check=False, timeout=30)
        return result, "(INJECTED)" in open(log, errors="replace").read()

    def settled(self, label):
        before = self.before
        try:
            self.assert_same_state(before, 0.1)
        except AssertionError as first:
            # an undo whose own call was failed is done by the next command
            self.assertEqual(self.world.mini_run("true").returncode, 0)
            try:
                self.assert_same_state(before, 1)
            except AssertionError as error:
                self.before = self.world.state()
                self.fail(f"{label}: {error}\nat first: {first}")

    def sweep(self, call, what, judge, first=1, step=1):
        self.before = self.world.state()
        for number in range(first, MOST, step):
            result, injected = self.inject(call, number, what)
            label = f"{call} number {number} ({what}), exit {result.returncode}: {result.stderr}"
            with self.subTest(label):
                if injected:
                    judge(result, label)
                self.settled(label)
            if not injected:
                return
        self.fail(f"more than {MOST} calls of {call}")

    def one_line_or_success(self, result, label):
        if result.returncode == 0:
            return
        self.assertIn(result.returncode, (125, 126, 127), label)
        self.assertRegex(result.stderr, r"\Amini-run: [^\n]+\n\Z", label)


def share(first, step):
    """Which of the calls FIRST, FIRST + STEP, ... this build takes."""
    if ALL:
        return first, step
    return first + step * (b"MINI_RUN_POINTS" in open(MINI_RUN, "rb").read()), 2 * step


def add_cases():
    def case(call, error, first, step=1):
        return lambda self: self.sweep(call, f"error={error}", self.one_line_or_success, *share(first, step))
    for call, error in ERRORS.items():
        if call == "sendto":  # the call of which there are most, in parts
            for first in range(1, 5):
                setattr(Undo, f"test_{call}_fails_{first}_of_4", case(call, error, first, 4))
        else:
            # the first execve is that of mini-run itself
            setattr(Undo, f"test_{call}_fails", case(call, error, 2 if call == "execve" else 1))


add_cases()


class Detached(Undo):
    """The same of a start that is not waited for."""

    options = ["-d", "--rm"]


for name in [n for n in dir(Undo) if n.startswith("test_")]:
    if not ALL and name.removeprefix("test_").removesuffix("_fails") not in DETACHED_SAMPLE:
        setattr(Detached, name, None)


class EveryError(Undo):
    """Each call with each error (make test-faults)."""


for name in [n for n in dir(Undo) if n.startswith("test_")]:
    setattr(EveryError, name, None)
if ALL:
    for each in ERRORS:
        for fault in EVERY_ERROR:
            setattr(EveryError, f"test_{each}_{fault}",
                    lambda self, call=each, error=fault: self.sweep(call, f"error={error}", self.one_line_or_success,
                                                                    2 if call == "execve" else 1))


class Files(Undo):
    """write and openat serve the program loader too: only those on our own files and descriptors count."""

    def test_openat_fails(self):
        self.sweep("openat", "error=EMFILE", self.tolerant, *share(1, 1))

    def test_write_fails(self):
        self.sweep("write", "error=ENOSPC", self.tolerant, *share(1, 1))

    def tolerant(self, result, label):
        # a shared library that cannot be opened is the loader's own failure, 127 and its own words
        if result.returncode == 127 and "shared librar" in result.stderr:
            return
        # `true` itself may be what failed
        if result.returncode in (0, 1):
            return
        self.assertRegex(result.stderr, r"\A(mini-run: [^\n]+\n)?\Z", label)
        self.assertIn(result.returncode, (125, 126, 127), label)


for name in [n for n in dir(Undo) if n.startswith("test_")]:
    setattr(Files, name, None)
