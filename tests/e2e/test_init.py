# SPDX-License-Identifier: MIT
"""Issue, 7: "Our init reaps, forwards, keeps the container up as DESIGN.md 5 says"."""

import time

import traffic
from case import Case
from world import HOST

ORPHANS = r"""
import os, time
for _ in range(1000):
    child = os.fork()
    if child == 0:
        if os.fork() == 0:
            os._exit(0)
        os._exit(0)
    os.waitpid(child, 0)
def zombies():
    found = 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            found += open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] == "Z"
        except OSError:
            pass
    return found
def processes():
    return len([p for p in os.listdir("/proc") if p.isdigit()])
deadline = time.monotonic() + 5
while (zombies() or processes() != 2) and time.monotonic() < deadline:
    time.sleep(0.01)
print("zombies", zombies(), "processes", processes())
"""


class Init(Case):
    def test_nginx_stays_published_with_its_default_daemon_on(self):
        """nginx with its default daemon on stays published, and says in one line that it went to the background"""
        before = self.world.state()
        container = self.world.start("--publish", "8080:80", "nginx", ready="background")
        self.assertEqual(container.err.count("\n"), 1, container.err)
        self.assertRegex(container.err, r"^mini-run: .*nginx.*background")
        self.until(lambda: "nginx" in self.world.call(traffic.outcome, "tcp", HOST, 8080), "the page")
        time.sleep(0.5)
        self.assertIsNone(container.process.poll(), container.err)
        start = time.monotonic()
        container.stop()
        self.assertLess(time.monotonic() - start, 3)
        self.assert_same_state(before)

    def test_the_container_ends_when_the_daemon_ends(self):
        container = self.world.start("/bin/sh", "-c", "setsid -f sleep 1", ready="background")
        self.assertEqual(container.wait(5), 0)

    def test_a_program_that_fails_ends_the_container_at_once(self):
        """sh -c 'sleep 1000 & exit 3' ends at once with 3"""
        before = self.world.state()
        start = time.monotonic()
        for background in "sleep 1000 &", "setsid sleep 1000 &", "setsid -f sleep 1000;":
            self.assertEqual(self.world.mini_run("/bin/sh", "-c", f"{background} exit 3").returncode, 3)
        self.assertLess(time.monotonic() - start, 3)
        self.assert_same_state(before)

    def test_a_job_left_in_the_programs_own_session_does_not_keep_it_up(self):
        """A live process left outside its session"""
        start = time.monotonic()
        self.assertEqual(self.world.mini_run("/bin/sh", "-c", "sleep 1000 & exit 0").returncode, 0)
        self.assertLess(time.monotonic() - start, 2)

    def test_a_thousand_orphans_are_reaped(self):
        """1000 orphans reaped, no zombies"""
        self.assertEqual(self.python(ORPHANS, timeout=60), "zombies 0 processes 2\n")

    def test_process_1_is_ours_and_the_program_is_not(self):
        self.assertNotEqual(self.run_ok("/bin/sh", "-c", "echo $$").strip(), "1")

    def test_the_program_cannot_kill_init(self):
        self.assertEqual(self.world.mini_run("/bin/sh", "-c", "kill -9 1; exit 9").returncode, 9)
