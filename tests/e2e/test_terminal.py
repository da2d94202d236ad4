# SPDX-License-Identifier: MIT
"""Issue: "mini-run -it bash gives an interactive terminal with job control, window size and a clean restore of the
caller's terminal settings", and the same of minictl exec -it."""

import fcntl
import json
import os
import re
import signal
import struct
import termios
import time

from case import PYTHON, Case
from world import ENVIRONMENT, MINI_RUN, MINICTL, Container

FOREVER = ["sleep", "1000"]
PROMPT = "ready> "
AS = ["-e", f"PS1={PROMPT}", "-e", "TERM=dumb"]  # dumb: readline adds nothing to what is shown
BASH = ["bash", "--norc", "--noprofile"]
SIZES = "import os, signal\n" \
        "def show(*_): os.write(1, 'size {} {}\\n'.format(*os.get_terminal_size()).encode())\n" \
        "signal.signal(signal.SIGWINCH, show); show()\n" \
        "while True: signal.pause()"


class Screen:
    """A terminal as a user has it, with a program in its foreground, and all that it has shown."""

    def __init__(self, case, program, *arguments, columns=80, lines=24):
        self.case = case
        self.master, slave = os.openpty()
        case.addCleanup(self.close)
        self.seen = ""
        self.resize(columns, lines)
        self.before = self.settings()

        def controlling():
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
            signal.signal(signal.SIGHUP, signal.SIG_DFL)

        self.process = Container(case.world, arguments, program=[program], stdin=slave, stdout=slave, stderr=slave,
                                 wrap=controlling, pass_fds=(slave,))
        self.slave = slave  # kept: else the terminal hangs up with the program, and what it has shown is lost
        os.set_blocking(self.master, False)

    def close(self):
        for name in "master", "slave":
            fd = getattr(self, name, None)
            if fd is not None:
                os.close(fd)
            setattr(self, name, None)

    def settings(self):
        """All that termios knows; the queue's pending-input bit comes and goes by itself."""
        *flags, characters = termios.tcgetattr(self.master)
        flags[3] &= ~getattr(termios, "PENDIN", 0o40000)
        return flags, characters

    def resize(self, columns, lines):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("4H", lines, columns, 0, 0))

    def type(self, text):
        os.write(self.master, text.encode())

    def look(self):
        try:
            while data := os.read(self.master, 65536):
                self.seen += data.decode(errors="replace")
        except OSError:
            pass
        return self.seen

    def shows(self, pattern, timeout=20):
        """Waits until PATTERN is shown; what comes before and in it is not looked at again."""
        deadline = time.monotonic() + timeout
        while not (found := re.search(pattern, self.look())):
            if time.monotonic() > deadline:
                raise AssertionError(f"{pattern!r} was not shown, but: {self.seen!r}")
            time.sleep(0.01)
        self.seen = self.seen[found.end():]
        return found

    def command(self, text, shown):
        """Types a command line at a prompt, waits for SHOWN below it and for the next prompt."""
        self.type(f"{text}\r")
        found = self.shows(rf"\n{shown}\r?\n")
        self.shows(PROMPT)
        return found

    def wait(self, timeout=20):
        """The exit status; the terminal must not fill up meanwhile."""
        deadline = time.monotonic() + timeout
        while self.process.process.poll() is None and time.monotonic() < deadline:
            self.look()
            time.sleep(0.01)
        self.case.assertIsNotNone(self.process.process.poll(), f"it still runs: {self.seen!r}")
        self.look()
        return self.process.wait()

    def assert_restored(self):
        self.case.assertEqual(self.settings(), self.before, "the caller's terminal is not as it was")

    def ends(self, status):
        self.case.assertEqual(self.wait(), status, self.seen)
        self.assert_restored()


class TerminalCase(Case):
    timeout = 120

    def shell(self, *options):
        screen = Screen(self, MINI_RUN, "-it", *options, *AS, *BASH)
        screen.shows(PROMPT)
        return screen

    def container_of(self, name="web"):
        return self.detach("--name", name, *FOREVER)


class Interactive(TerminalCase):
    def test_a_shell_of_ones_own(self):
        """-it sh: a terminal, and the shell's exit status"""
        before = self.world.state()
        screen = Screen(self, MINI_RUN, "-it", *AS, "/bin/sh")
        screen.shows(PROMPT)
        screen.command("tty", r"/dev/pts/\d+")
        screen.command("test -t 0 && test -t 1 && test -t 2 && echo y''es", "yes")
        screen.type("exit 7\r")
        screen.ends(7)
        self.assert_same_state(before, 10)

    def test_the_callers_terminal_is_raw_meanwhile(self):
        """Each line is shown once, Ctrl-C is the program's affair"""
        screen = self.shell()
        self.assertNotEqual(screen.settings(), screen.before)
        screen.type("echo o''nce\r")
        screen.shows(r"\nonce\r?\n")
        screen.shows(PROMPT)
        screen.type("\x03")
        screen.shows(PROMPT)
        screen.type("exit 0\r")
        screen.ends(0)

    def test_job_control(self):
        """Ctrl-Z stops, jobs lists, fg goes on, Ctrl-C ends the job and not the shell"""
        screen = self.shell()
        self.assertNotIn("job control", screen.seen)
        screen.type("sleep 1234\r")
        time.sleep(0.5)
        screen.type("\x1a")
        screen.shows(r"Stopped +sleep 1234")
        screen.shows(PROMPT)
        screen.command("jobs", r"\[1\]\+ +Stopped +sleep 1234")
        screen.type("fg\r")
        screen.shows(r"\nsleep 1234")
        time.sleep(0.5)
        screen.type("\x03")
        screen.shows(PROMPT)
        screen.command("echo status $?", "status 130")
        screen.type("sleep 1235 &\r")
        screen.shows(r"\[1\] \d+")
        screen.command("kill %1; wait; echo do''ne", r"(?s:.*)done")
        screen.type("\x04")
        screen.ends(0)

    def test_ctrl_z_stops_the_job_and_not_mini_run(self):
        screen = self.shell()
        screen.type("sleep 1234\r")
        time.sleep(0.5)
        screen.type("\x1a")
        screen.shows("Stopped")
        screen.shows(PROMPT)
        with open(f"/proc/{screen.process.pid}/stat") as file:
            self.assertNotEqual(file.read().rpartition(")")[2].split()[0], "T")
        screen.command("kill -9 %1; wait; echo g''one", r"(?s:.*)gone")
        screen.type("exec sh -c 'exit 3'\r")  # bash's own exit may still take the job for a stopped one
        screen.ends(3)

    def test_raw_again_after_it_was_stopped(self):
        """SIGTSTP of mini-run, then fg: keys are the inner terminal's again (a shell at its prompt keeps ISIG)"""
        screen = Screen(self, "/bin/bash", "--norc", "--noprofile", "-i")
        raw = lambda: not screen.settings()[0][3] & (termios.ISIG | termios.ICANON)
        screen.type(f"{MINI_RUN} -it --name web cat\n")
        self.until(raw, "raw at first", 20)
        self.until(lambda: self.world.minictl("ps", "-q").stdout == "web\n", "described", 20)
        supervisor = json.loads(self.world.minictl("inspect", "--json", "web").stdout)[0]["supervisor"]
        self.world.sh(f"kill -TSTP {supervisor}")
        screen.shows("Stopped")
        self.until(lambda: not raw(), "the shell's own", 20)
        screen.type("fg\n")
        self.until(raw, "raw again", 20)
        screen.type("\x04")
        self.until(lambda: not raw(), "the shell's own", 20)

    def test_window_size(self):
        """Window size (TIOCSWINSZ/SIGWINCH)"""
        screen = Screen(self, MINI_RUN, "-it", PYTHON, "-c", SIZES, columns=101, lines=33)
        screen.shows("size 101 33")
        for columns, lines in (60, 20), (200, 50):
            screen.resize(columns, lines)
            screen.shows(f"size {columns} {lines}")
        screen.type("\x03")
        screen.wait()
        screen.assert_restored()

    def test_nothing_of_the_output_is_lost(self):
        screen = Screen(self, MINI_RUN, "-it", "seq", "30000")
        screen.ends(0)
        self.assertEqual(screen.seen.split(), [str(n) for n in range(1, 30001)])

    def test_what_is_pasted_arrives(self):
        """Even where the program does not read for a while"""
        screen = Screen(self, MINI_RUN, "-it", "/bin/sh", "-c", "stty -echo; echo ready; sleep 1; head -n 100 | cksum; exit 5")
        screen.shows("ready")
        for number in range(100):
            screen.type(f"{number:029}\n")
        screen.shows(r"\d+ 3000\r?\n")
        screen.ends(5)

    def test_t_without_i(self):
        """A terminal for the outputs; nothing is read, and the caller's terminal stays as it is"""
        screen = Screen(self, MINI_RUN, "-t", "/bin/sh", "-c", "test -t 1 && echo terminal; exec sleep 1000")
        screen.shows("terminal")
        screen.assert_restored()
        screen.type("\x03")
        screen.ends(130)

    def test_without_a_terminal(self):
        self.assertEqual(self.run_ok("-t", "/bin/sh", "-c", "test -t 1 && echo yes").split(), ["yes"])
        self.assertEqual(self.run_ok("-i", "cat", input="hello\n"), "hello\n")

    def test_a_detached_terminal(self):
        name = self.detach("-t", "/bin/sh", "-c", "test -t 1 && echo terminal")
        self.until_ended(name)
        self.assertEqual(self.ctl("logs", name).split(), ["terminal"])

    def test_the_kind_of_terminal_is_ours(self):
        """TERM goes with a terminal on standard input, which with -t is the program's own"""
        variables = ENVIRONMENT | {"TERM": "vt220"}
        show = ["/bin/sh", "-c", "echo terminal ${TERM-none}"]
        for options, said in ([], "terminal none"), (["-t"], "terminal vt220"):
            self.assertEqual(self.run_ok(*options, *show, env=variables).split(), said.split())
            name = self.detach(*options, *show, env=variables)
            self.until_ended(name)
            self.assertEqual(self.ctl("logs", name).split(), said.split())


class Restored(TerminalCase):
    """Clean restore of the caller's terminal settings, whatever ends the container."""

    def test_when_it_could_not_start(self):
        for status, arguments in (127, ["no-such-program"]), (126, ["/etc"]), (125, ["-u", "nobody-at-all", "true"]):
            screen = Screen(self, MINI_RUN, "-it", *arguments)
            screen.ends(status)
            self.assertRegex(screen.seen, r"\A[^\n]*mini-run: [^\r\n]+\r\n\Z")

    def test_when_the_program_leaves_its_own_terminal_in_disorder(self):
        screen = self.shell()
        screen.type("stty raw -echo; exit 0\r")
        screen.ends(0)

    def test_when_the_container_is_killed(self):
        """Also when the container is killed"""
        before = self.world.state()
        for command, status in (["kill", "web"], 137), (["stop", "-t", "1", "web"], None):
            screen = self.shell("--name", "web")
            self.ctl(*command)
            status_seen = screen.wait()
            self.assertIn(status_seen, (137, status or status_seen))
            screen.assert_restored()
            self.assert_same_state(before, 10)

    def test_when_its_init_is_killed(self):
        screen = self.shell("--name", "web")
        self.world.sh(f"kill -KILL {self.inspect('web')['pid']}")
        screen.ends(137)

    def test_when_mini_run_is_told_to_end(self):
        for number in signal.SIGTERM, signal.SIGINT, signal.SIGHUP:
            screen = Screen(self, MINI_RUN, "-it", "--stop-timeout", "1", "/bin/sh", "-c", "echo ready; exec sleep 1000")
            screen.shows("ready")
            screen.process.send(number)
            screen.ends(128 + number)

    def test_a_hung_up_terminal_ends_it(self):
        before = self.world.state()
        screen = self.shell("--stop-timeout", "1")
        screen.close()
        screen.process.wait(20)
        self.assert_same_state(before, 10)


class Exec(TerminalCase):
    """exec -it"""

    def test_a_shell_in_a_running_container(self):
        self.container_of()
        screen = Screen(self, MINICTL, "exec", "-it", *AS, "web", *BASH, columns=99, lines=11)
        screen.shows(PROMPT)
        self.assertNotIn("job control", screen.seen)
        self.assertNotEqual(screen.settings(), screen.before)
        screen.command("stty size", "11 99")
        screen.command("hostname", "web")
        screen.type("sleep 1234\r")
        time.sleep(0.5)
        screen.type("\x03")
        screen.shows(PROMPT)
        screen.command("echo status $?", "status 130")
        screen.resize(120, 40)
        self.until(lambda: screen.command("stty size", r"\d+ \d+")[0].strip() == "40 120", "its size", 10)
        screen.type("exit 9\r")
        screen.ends(9)
        self.assertEqual(self.running(), ["web"])

    def test_its_terminal_is_restored_when_the_container_ends(self):
        for command in ["kill", "web"], ["stop", "-t", "1", "web"]:
            self.container_of()
            screen = Screen(self, MINICTL, "exec", "-it", *AS, "web", *BASH)
            screen.shows(PROMPT)
            self.ctl(*command)
            self.assertNotEqual(screen.wait(), 0)
            screen.assert_restored()
            self.ctl("rm", "web")

    def test_when_it_could_not_start(self):
        self.container_of()
        for status, program in (127, "no-such-program"), (126, "/etc"):
            screen = Screen(self, MINICTL, "exec", "-it", "web", program)
            screen.ends(status)
            self.assertRegex(screen.seen, r"minictl: [^\r\n]+\r\n\Z")

    def test_nothing_of_the_output_is_lost(self):
        self.container_of()
        screen = Screen(self, MINICTL, "exec", "-it", "web", "seq", "30000")
        screen.ends(0)
        self.assertEqual(screen.seen.split(), [str(n) for n in range(1, 30001)])

    def test_without_a_terminal(self):
        self.container_of()
        self.assert_refused(self.world.minictl("exec", "-it", "web", "true"), says="terminal", by="minictl")
