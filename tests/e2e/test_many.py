# SPDX-License-Identifier: MIT
"""Issue: many at once: parallel starts and stops without a failure, a leak, or anything twice."""

import json
import re
import subprocess

from case import Case
from world import MINI_RUN, MINICTL, descendants

MANY = 64
FOREVER = ["sleep", "1000"]


class Many(Case):
    timeout = 400

    def all_of(self, commands, timeout=200):
        """Runs all of them at the same time; (exit status, output, error) of each."""
        started = [self.world.popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for command in commands]
        results = []
        for process in started:
            out, err = process.communicate(timeout=timeout)
            results.append((process.returncode, out, err))
        return results

    def all_well(self, commands):
        results = self.all_of(commands)
        told = r"(mini-run: published [^\n]+\n)*"  # the chosen port, no failure
        failed = [result for result in results if result[0] or not re.fullmatch(told, result[2])]
        self.assertEqual(failed, [], "these failed")
        return [out for _, out, _ in results]

    def listed(self):
        return json.loads(self.ctl("ps", "--json", timeout=60))

    def test_parallel_starts_and_stops(self):
        """64 parallel starts and stops, three rounds: no failure, no leak, no address or port twice"""
        before = self.world.state()
        for stop_each in True, False, True:
            names = self.all_well([[MINI_RUN, "-d", "--rm", "-p", "0:80", *FOREVER]] * MANY)
            names = [re.sub(r"\n\Z", "", name) for name in names]
            found = self.listed()
            self.assertEqual(sorted(names), sorted(each["name"] for each in found))
            self.assertEqual(len(set(names)), MANY, "a name twice")
            self.assertEqual(len({each["address"] for each in found}), MANY, "an address twice")
            self.assertEqual(len({each["ports"][0]["host_port"] for each in found}), MANY, "a port twice")
            if stop_each:
                self.all_well([[MINICTL, "stop", "-t", "60", name] for name in names])
            else:
                self.ctl("stop", "-t", "60", *names, timeout=120)
            self.assert_same_state(before, 30)

    def test_starts_and_ends_that_overlap(self):
        """The last one leaves while the next one comes"""
        before = self.world.state()
        for _ in range(3):
            self.all_well([[MINI_RUN, "true"], [MINI_RUN, "-d", "--rm", "true"]] * (MANY // 2))
        self.assert_same_state(before, 30)

    def test_one_port_for_all(self):
        """Of 64 that want one port exactly one wins and the 63 others name it"""
        results = self.all_of([[MINI_RUN, "-d", "-p", "8080:80", *FOREVER]] * MANY)
        won = [out.strip() for status, out, _ in results if status == 0]
        self.assertEqual(len(won), 1, results)
        self.assertEqual(self.running(), won)
        for status, out, err in results:
            if status:
                self.assertEqual((status, out), (125, ""))
                self.assertRegex(err, rf"\Amini-run: [^\n]*8080[^\n]*{re.escape(won[0])}\b[^\n]*\n\Z")

    def test_one_name_for_all(self):
        results = self.all_of([[MINI_RUN, "-d", "--name", "web", *FOREVER]] * MANY)
        self.assertEqual(sorted(status for status, _, _ in results), [0] + [125] * (MANY - 1), results)
        self.assertEqual(self.running(), ["web"])

    def test_a_port_for_each(self):
        """64 with port 0 get 64 ports"""
        self.all_well([[MINI_RUN, "-d", "--rm", "-p", "0:80", "-p", "0:80/udp", *FOREVER]] * MANY)
        ports = [port for each in self.listed() for port in each["ports"]]
        for protocol in "tcp", "udp":
            chosen = {port["host_port"] for port in ports if port["protocol"] == protocol}
            self.assertEqual(len(chosen), MANY)
            self.assertNotIn(0, chosen)

    def test_all_are_killed_at_once(self):
        """SIGKILL of 64 supervisors: the next command sweeps them all"""
        before = self.world.state()
        self.all_well([[MINI_RUN, "-d", "--rm", "-p", "0:80", *FOREVER]] * MANY)
        known = json.loads(self.ctl("inspect", "--json", *self.running(), timeout=60))
        self.kill(*(each["supervisor"] for each in known))
        self.assertEqual(self.ctl("ps", "-aq", timeout=60), "")
        self.assert_same_state(before, 30)

    def test_commands_beside_starts(self):
        """Whoever looks meanwhile sees no halves"""
        starts = [[MINI_RUN, "-d", "--rm", *FOREVER], [MINICTL, "ps", "--json"], [MINICTL, "network"], [MINICTL, "repair"]]
        outputs = self.all_well(starts * (MANY // 4))
        for text in outputs[1::4]:
            for each in json.loads(text):
                self.assertTrue(each["address"] and each["command"] == FOREVER, each)
        self.assertEqual(len(self.running()), MANY // 4)
