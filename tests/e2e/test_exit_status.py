# SPDX-License-Identifier: MIT
"""Issue: "Exit status as in DESIGN.md 1 (all 256 statuses and signal deaths tested)"."""

import resource

from case import Case, fatal_signals


class ExitStatus(Case):
    timeout = 280

    def test_every_status_is_the_programs_own(self):
        """The program's own"""
        for status in range(256):
            result = self.world.mini_run("/bin/sh", "-c", f"exit {status}")
            self.assertEqual((result.returncode, result.stdout, result.stderr), (status, "", ""))

    def test_a_death_by_signal_is_128_and_its_number(self):
        """128+signal"""
        no_core = lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        for number in fatal_signals():
            result = self.world.mini_run("/bin/sh", "-c", f"kill -{number} $$; sleep 5", wrap=no_core)
            self.assertEqual(result.returncode, 128 + number, f"signal {number}: {result.stderr}")

    def test_125_is_our_own_failure(self):
        """125 for our own errors"""
        self.assert_refused(self.world.mini_run("--no-such-option", "true"), says="no-such-option")

    def test_a_program_that_is_not_there_is_127(self):
        """126/127 for not executable / not found"""
        self.assert_refused(self.world.mini_run("no-such-program"), 127, "no-such-program")
        self.assert_refused(self.world.mini_run("/no/such/program"), 127, "/no/such/program")

    def test_a_program_that_cannot_be_executed_is_126(self):
        """126/127 for not executable / not found"""
        plain = self.file("plain", "x\n")
        garbage = self.file("garbage", "neither a script nor a program\n", 0o755)
        for program, reason in (plain, "not executable|permission"), ("/usr", "directory"), (garbage, "format"):
            volume = [] if program == "/usr" else ["-v", f"{program}:/opt/x"]
            inside = program if program == "/usr" else "/opt/x"
            with self.subTest(reason):
                self.assert_refused(self.world.mini_run(*volume, inside), 126, reason)

    def test_what_the_program_writes_goes_where_ours_would(self):
        result = self.world.mini_run("/bin/sh", "-c", "echo out; echo err >&2; cat", input="in")
        self.assertEqual((result.stdout, result.stderr, result.returncode), ("out\nin", "err\n", 0))
