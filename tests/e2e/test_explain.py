# SPDX-License-Identifier: MIT
"""Issue: "minictl explain NAME: how a running container is wired; explain nft: the rules, with what is in them"."""

import re

from case import Case
from world import HOST

FOREVER = ["sleep", "1000"]


class Explain(Case):
    timeout = 120

    @staticmethod
    def lines(text):
        """The commands of a listing, and their reasons; what each run has of its own is made alike."""
        text = re.sub(r"nft -f - <<'END_OF_RULES'\n.*?END_OF_RULES\n", "nft -f configs/ruleset.nft\n", text, flags=re.DOTALL)
        text = re.sub(r"mr-[0-9a-f]{8}", "mr-RUN", text)
        return [line for line in text.splitlines() if line and not re.match(r"#!|# ----|# How |# What `mini-run`", line)]

    def commands(self, text):
        return [line for line in self.lines(text) if not line.startswith("#")]

    def explain(self, name):
        made, _, undone = self.ctl("explain", name).partition("# What undoes it when it ends, from the journals: newest first.")
        return made, undone

    def planned(self, *options):
        plan = self.world.mini_run("--dry-run", "--name", "web", *options, *FOREVER)
        self.assertEqual(plan.returncode, 0, plan.stderr)
        return self.lines(plan.stdout.partition("\n# The program, in")[0])

    def test_the_commands_are_those_of_dry_run(self):
        options = ["-p", "8080:80", "-p", "127.0.0.1:5353:53/udp", "--host-port", "3000"]
        planned = self.planned(*options)
        self.detach("--name", "web", *options, *FOREVER)
        made, undone = self.explain("web")
        self.assertEqual(self.lines(made), planned)
        for command in ("delete element inet mini_run pub4_any { tcp . 8080 }", "ip netns delete web",
                        "ip link delete mini0", "delete table inet mini_run", "forwarding=0"):
            self.assertIn(command, undone)
        before, after = undone.index("ip netns delete web"), undone.index("ip link delete mini0")
        self.assertLess(before, after, "the container goes first")

    def test_of_several_networks(self):
        """Where they are there already, --dry-run has the container's own part alone"""
        for network in "mini0", "lab0":
            self.detach("--network", network, *FOREVER)
        planned = self.planned("--network", "mini0", "--network", "lab0")
        self.detach("--name", "web", "--network", "mini0", "--network", "lab0", *FOREVER)
        made, _ = self.explain("web")
        own = made.partition("# ---- The container web")[2]
        self.assertEqual(self.lines(own), planned)
        for network in "mini0", "lab0":
            self.assertIn(f"ip link add {network} ", made)

    def test_what_was_published_later_is_there(self):
        self.detach("--name", "web", *FOREVER)
        self.ctl("port", "add", "web", "8080:80")
        made, undone = self.explain("web")
        self.assertIn("create element inet mini_run pub4_any { tcp . 8080", made)
        self.assertIn("delete element inet mini_run pub4_any { tcp . 8080 }", undone)

    def test_of_a_container_without_a_network(self):
        self.detach("--name", "web", "--network", "none", *FOREVER)
        made, undone = self.explain("web")
        self.assertIn("ip -n web link set lo up", made)
        self.assertNotIn("bridge", made)
        self.assertEqual(self.commands(undone), [])

    def test_the_undoing_commands_undo(self):
        """What is said to undo a network and the host's share does so"""
        self.detach("--name", "web", "-p", "8080:80", *FOREVER)
        _, undone = self.explain("web")
        seen = self.inspect("web")
        self.kill(seen["supervisor"])  # it would mend at once what is undone here
        for command in self.commands(undone):
            self.world.run(["sh", "-c", command], check=False)
        self.assertNotIn("mini0", self.world.sh("ip -br link").stdout)
        self.assertNotIn("table inet mini_run", self.world.sh("nft list tables").stdout)
        self.assertEqual(self.world.sh("cat /proc/sys/net/ipv4/conf/eth0/forwarding").stdout, "0\n")

    def test_the_rules_with_what_is_in_them(self):
        empty = self.ctl("explain", "nft")
        self.assertIn("(not loaded: no container runs)", empty)
        self.detach("--name", "web", "-p", "8080:80", *FOREVER)
        text = self.ctl("explain", "nft")
        self.assertNotIn("not loaded", text)
        address = self.inspect("web")["networks"][0]["addresses"][0].split("/")[0]
        self.assertRegex(text, rf"(?m)^  pub4_any   type .*\n      tcp \. 8080 : {address} \. 80   # web$")
        self.assertRegex(text, r'(?m)^  bridges   type ifname\n      "mini0"$')
        self.assertRegex(text, r'(?m)^  subnet4 .*\n      10\.210\.0\.0/22$')
        for comment in re.findall(r'comment "([^"]+)"', self.world.sh("nft list table inet mini_run").stdout):
            self.assertTrue(comment == "mini-run" or comment == "web" or f"^ {comment}" in text, comment)

    def packets(self, rule):
        return int(re.search(rf"{re.escape(rule)}: (\d+) packets", self.ctl("explain", "nft"))[1])

    def test_a_counter_rises(self):
        self.detach("--name", "web", "-p", "8080:80", "/usr/bin/python3", "-m", "http.server", "80")
        published, direct = self.packets("published port"), self.packets("other network, or a container's address itself")
        address = self.inspect("web")["networks"][0]["addresses"][0].split("/")[0]
        self.until(lambda: self.world.run(["curl", "-s", "--max-time", "2", f"http://{HOST}:8080"], where="client",
                                          check=False).returncode == 0, "the page comes", 10)
        self.assertGreater(self.packets("published port"), published)
        guard = "to a container's address, from beyond its network"
        before = self.packets(guard)
        self.world.run(["ping", "-c1", "-W1", address], where="client", check=False)
        self.assertGreater(self.packets(guard), before)
        self.assertEqual(self.packets("other network, or a container's address itself"), direct)

    def test_refusals(self):
        self.assert_refused(self.world.minictl("explain", "nobody"), by="minictl", says="no container nobody")

