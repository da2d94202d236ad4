# SPDX-License-Identifier: MIT
"""Issue: "Signals as in DESIGN.md 5; Ctrl-C ends it, a second one kills; a hung-up terminal ends it" and
"SIGTERM to mini-run ends everything in it within the grace time (--stop-timeout, 10 s), then SIGKILL"."""

import fcntl
import os
import signal
import termios
import time

from case import PYTHON, Case
from world import MINI_RUN, Container

CATCH = """
import os, signal, sys, time
for name in sys.argv[1:]:
    signal.signal(getattr(signal, name), lambda number, _: os.write(1, f"got {signal.Signals(number).name}\\n".encode()))
print("ready", flush=True)
while True:
    time.sleep(1000)
"""
STUBBORN = "trap '' TERM INT HUP; echo ready; while :; do sleep 1; done"


class Signals(Case):
    def test_signals_reach_the_program(self):
        """It reaps and forwards signals"""
        names = ["SIGINT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGQUIT", "SIGWINCH"]
        container = self.world.start(PYTHON, "-c", CATCH, *names)
        for name in names:
            container.send(getattr(signal, name))
            container.wait_for(f"got {name}\n")

    def test_a_program_that_ends_itself_on_sigterm_decides_the_status(self):
        container = self.world.start("/bin/sh", "-c", "trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; done")
        self.assertEqual(container.stop(), 7)

    def test_a_program_that_dies_of_the_signal_is_128_and_its_number(self):
        for number in signal.SIGTERM, signal.SIGINT, signal.SIGUSR1:
            container = self.world.start("/bin/sh", "-c", "echo ready; exec sleep 1000")
            container.send(number)
            self.assertEqual(container.wait(), 128 + number)

    def test_a_signal_from_the_first_moment_on(self):
        """Also one that comes before mini-run knows that the program has started"""
        late = ["strace", "-qq", "-o", "/dev/null", "-e", "inject=poll:delay_enter=500000", MINI_RUN]
        for number in signal.SIGUSR1, signal.SIGTERM:
            container = Container(self.world, ["/bin/sh", "-c", "echo ready; exec sleep 1000"], program=late)
            container.wait_for("ready")
            os.kill(container.descendants()[0], number)  # strace's child
            self.assertEqual(container.wait(), 128 + number)

    def test_a_program_that_ignores_sigterm_is_killed_after_the_grace_time(self):
        """--stop-timeout, then SIGKILL"""
        before = self.world.state()
        container = self.world.start("--stop-timeout", "1", "/bin/sh", "-c", STUBBORN)
        start = time.monotonic()
        self.assertEqual(container.stop(), 137)
        self.assertGreater(time.monotonic() - start, 0.9)
        self.assertLess(time.monotonic() - start, 3)
        self.assert_same_state(before)

    def test_stop_timeout_0_kills_at_once(self):
        container = self.world.start("--stop-timeout", "0", "/bin/sh", "-c", STUBBORN)
        start = time.monotonic()
        self.assertEqual(container.stop(), 137)
        self.assertLess(time.monotonic() - start, 1)

    def test_sigterm_ends_the_whole_tree_the_daemonized_too(self):
        """SIGTERM to mini-run ends everything in it"""
        before = self.world.state()
        container = self.world.start("/bin/sh", "-c", "setsid sleep 1111 & setsid -f sleep 2222; (sleep 3333 &); "
                                     "echo ready; exec sleep 4444")
        self.until(lambda: all(f"sleep {n}" in str(self.world.state()) for n in (1111, 2222, 3333, 4444)), "started")
        start = time.monotonic()
        container.stop()
        self.assertLess(time.monotonic() - start, 3)
        self.assert_same_state(before)

    def test_a_container_that_runs_as_a_daemon_is_ended_by_sigterm(self):
        before = self.world.state()
        container = self.world.start("/bin/sh", "-c", "setsid -f sleep 1000; sleep 0.1", ready="background")
        start = time.monotonic()
        container.stop()
        self.assertLess(time.monotonic() - start, 3)
        self.assert_same_state(before)

    def test_signals_that_the_caller_blocked_or_ignored_do_not_stay_so_inside(self):
        """Faults: SIGCHLD ignored or blocked by the caller"""
        def wrap():
            for number in signal.SIGCHLD, signal.SIGINT, signal.SIGPIPE:
                signal.signal(number, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGCHLD, signal.SIGUSR1})
        result = self.world.mini_run("/bin/sh", "-c", "grep -E 'Sig(Blk|Ign)' /proc/self/status; exit 5", wrap=wrap)
        self.assertEqual(result.returncode, 5, result.stderr)
        self.assertEqual(result.stdout.split()[1::2], ["0" * 16] * 2)


class Terminal(Case):
    """The same at a real terminal: what the user's keys do."""

    def open_terminal(self, *arguments):
        master, slave = os.openpty()
        self.addCleanup(lambda: self.close_terminal(master))
        self.closed = False

        def controlling():
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

        container = Container(self.world, arguments, stdin=slave, stdout=slave, stderr=slave, wrap=controlling,
                              pass_fds=(slave,))
        os.close(slave)
        os.set_blocking(master, False)
        self.seen = ""
        return master, container

    def close_terminal(self, master):
        if not self.closed:
            os.close(master)
        self.closed = True

    def shown(self, master, text):
        def look():
            try:
                self.seen += os.read(master, 4096).decode()
            except BlockingIOError:
                pass
            return text in self.seen
        try:
            self.until(look, f"{text!r} was not shown", 10)
        except OSError:
            self.fail(f"the terminal was closed before {text!r} was shown: {self.seen}")

    def test_ctrl_c_ends_it(self):
        """Ctrl-C ends it"""
        before = self.world.state()
        master, container = self.open_terminal("/bin/sh", "-c", "echo ready; exec sleep 1000")
        self.shown(master, "ready")
        os.write(master, b"\x03")
        self.assertEqual(container.wait(3), 130)
        self.assert_same_state(before)

    def test_one_ctrl_c_is_one_sigint(self):
        """No double Ctrl-C"""
        master, container = self.open_terminal(
            PYTHON, "-c", "import os, signal, time\nn = 0\n"
            "def got(*_):\n global n; n += 1; os.write(1, b'count %d\\n' % n)\n"
            "signal.signal(signal.SIGINT, got); print('ready', flush=True)\n"
            "while True: time.sleep(1)")
        self.shown(master, "ready")
        os.write(master, b"\x03")
        self.shown(master, "count 1")
        time.sleep(0.2)
        self.assertNotIn("count 2", self.seen)
        container.send(signal.SIGTERM)

    def test_a_second_ctrl_c_kills(self):
        """A second one kills"""
        before = self.world.state()
        master, container = self.open_terminal("/bin/sh", "-c", STUBBORN)
        self.shown(master, "ready")
        os.write(master, b"\x03")
        time.sleep(0.3)
        self.assertIsNone(container.process.poll(), "one Ctrl-C is the program's own affair")
        start = time.monotonic()
        os.write(master, b"\x03")
        self.assertIn(container.wait(3), (130, 137))
        self.assertLess(time.monotonic() - start, 1)
        self.assert_same_state(before)

    def test_a_hung_up_terminal_ends_it(self):
        """A hung-up terminal ends it"""
        before = self.world.state()
        master, container = self.open_terminal("/bin/sh", "-c", "trap '' HUP; echo ready; sleep 1000 & wait")
        self.shown(master, "ready")
        self.close_terminal(master)
        container.wait(3)
        self.assert_same_state(before)

    def test_a_hung_up_terminal_ends_a_daemon_too(self):
        before = self.world.state()
        master, container = self.open_terminal("/bin/sh", "-c", "setsid -f sleep 1000; sleep 0.1")
        self.shown(master, "background")
        self.close_terminal(master)
        container.wait(3)
        self.assert_same_state(before)

    def test_the_program_cannot_type_into_our_terminal(self):
        """No TIOCSTI"""
        master, container = self.open_terminal(
            PYTHON, "-c", "import fcntl, termios\ntry:\n fcntl.ioctl(0, termios.TIOCSTI, b'x'); print('typed')\n"
            "except OSError as e: print('refused')")
        self.shown(master, "ed")
        self.assertIn("refused", self.seen)
        container.wait()
