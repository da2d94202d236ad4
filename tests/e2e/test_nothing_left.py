# SPDX-License-Identifier: MIT
"""Issue, 9: nothing left, whatever ends it."""

import os
import random
import signal
import time

import snapshot
import traffic
from case import Case
from world import HOST, MINI_RUN, Container

PUBLISH = ["-p", "8080:80", "-p", "8080:80/udp"]
KEEPER = ["/bin/sh", "-c", "echo ready; exec sleep 1000"]


class Within250Milliseconds(Case):
    """Within 250 ms of the last container's exit the host's links, rules, routes and sysctls equal those before."""

    serial = True

    def after_exit(self, before):
        time.sleep(0.25)
        self.assertEqual(snapshot.difference(before, self.world.state()), "")

    def test_after_a_normal_exit(self):
        before = self.world.state()
        self.run_ok(*PUBLISH, "true")
        self.after_exit(before)

    def test_after_a_failure(self):
        before = self.world.state()
        self.assertEqual(self.world.mini_run(*PUBLISH, "no-such-program").returncode, 127)
        self.after_exit(before)
        self.assertEqual(self.world.mini_run(*PUBLISH, "/bin/sh", "-c", "exit 3").returncode, 3)
        self.after_exit(before)

    def test_after_a_stop_with_clients(self):
        before = self.world.state()
        container = self.world.start(*PUBLISH, *traffic.server())
        for protocol in "tcp", "udp":
            self.world.call(traffic.outcome, protocol, HOST, 8080, where="client")
            self.world.call(traffic.outcome, protocol, "127.0.0.1", 8080)
        container.stop()
        self.after_exit(before)

    def test_after_the_last_of_three(self):
        before = self.world.state()
        containers = [self.world.start("--name", name, *KEEPER) for name in ("one", "two", "three")]
        for container in containers[1], containers[0]:
            container.stop()
            self.assertIn("mini0", self.world.sh("ip -br link").stdout)
        containers[2].stop()
        self.after_exit(before)


class Killed(Case):
    """After SIGKILL of the program, at the latest after the next mini-run."""

    timeout = 200

    def settled(self, before, label, within=2):
        self.run_ok("true")
        try:
            self.assert_same_state(before, within)
        except AssertionError as error:
            self.fail(f"{label}: {error}")

    def test_killed_while_it_runs(self):
        before = self.world.state()
        container = self.world.start(*PUBLISH, *traffic.server())
        self.world.call(traffic.outcome, "udp", HOST, 8080, where="client")
        container.send(signal.SIGKILL)
        container.wait()
        self.settled(before, "SIGKILL")

    def test_killed_beside_another(self):
        keeper = self.world.start("--name", "keeper", "-p", "8081:80", *traffic.server())
        before = self.world.state()
        container = self.world.start(*PUBLISH, *traffic.server())
        container.send(signal.SIGKILL)
        container.wait()
        self.settled(before, "SIGKILL")
        self.assertIn("page", self.world.call(traffic.outcome, "tcp", HOST, 8081, where="client"))
        keeper.stop()

    def test_killed_at_any_moment(self):
        before = self.world.state()
        chance = random.Random(1)
        for _ in range(40):
            delay = chance.uniform(0, 0.015)
            container = Container(self.world, [*PUBLISH, "--name", "x", "sleep", "1000"])
            time.sleep(delay)
            container.send(signal.SIGKILL)
            container.wait()
            self.settled(before, f"SIGKILL after {delay * 1000:.1f} ms")

    def test_killed_at_every_tenth_call(self):
        before = self.world.state()
        log = os.path.join(self.world.directory, "strace.log")
        for number in range(3, 3000, 10):
            result = self.world.run(["strace", "-f", "-o", log, "-e", f"inject=!execve:signal=KILL:when={number}", MINI_RUN,
                                     *PUBLISH, "true"], check=False)
            self.settled(before, f"SIGKILL at call {number}")
            if result.returncode == 0:
                return

    def test_init_is_killed(self):
        before = self.world.state()
        container = self.world.start(*PUBLISH, *KEEPER)
        os.kill(container.init, signal.SIGKILL)
        self.assertEqual(container.wait(), 137)
        self.assert_same_state(before)

    def test_stopped_and_killed(self):
        """A process that is stopped cannot clean up, and cannot keep others from it"""
        before = self.world.state()
        container = self.world.start(*PUBLISH, *KEEPER)
        container.send(signal.SIGSTOP)
        self.run_ok("true")
        container.send(signal.SIGKILL)
        container.wait()
        self.settled(before, "SIGSTOP and SIGKILL")

    def test_only_what_is_ours_is_deleted(self):
        """Only what carries our name or comment is ever deleted"""
        self.world.sh("ip link add br-theirs type bridge; nft add table inet theirs;"
                      "nft 'add map inet theirs m { type inet_service : ipv4_addr; elements = { 8080 : 192.0.2.1 }; }'")
        before = self.world.state()
        self.run_ok(*PUBLISH, "true")
        self.assert_same_state(before)

    def test_a_bridge_or_table_of_somebody_else_is_not_touched(self):
        for theirs in "ip link add mini0 type bridge", "nft add table inet mini_run":
            undo = theirs.replace(" add ", " delete ").replace(" type bridge", "")
            self.world.sh(theirs)
            before = self.world.state()
            self.assert_refused(self.world.mini_run(*PUBLISH, "true"), says="mini0|mini_run")
            self.assert_same_state(before)
            self.world.sh(undo)

    def test_a_container_whose_undo_finds_everything_gone(self):
        """Undoing is idempotent"""
        container = self.world.start(*PUBLISH, *KEEPER)
        self.world.sh("nft flush ruleset; ip link delete mini0")
        container.stop()
        self.assertEqual(container.err, "")
        self.run_ok(*PUBLISH, "true")
