# SPDX-License-Identifier: MIT
"""Issue: "bash completes commands, options and the names of containers"."""

import os
import re
import subprocess

from case import Case
from world import ENVIRONMENT, MINI_RUN, PATH, REPOSITORY

BUILD = os.path.dirname(MINI_RUN)
ASK = """
source {file}
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
{function}
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


class Completion(Case):
    def complete(self, *words):
        """What is offered for the last of WORDS, the first being the command."""
        script = ASK.format(file=f"{REPOSITORY}/docs/completion/{words[0]}.bash",
                            function="_" + words[0].replace("-", "_"))
        result = self.world.run(["bash", "-uc", script, "bash", *words],
                                env=ENVIRONMENT | {"PATH": f"{BUILD}:{PATH}"})
        self.assertEqual(result.stderr, "")
        return set(result.stdout.split())

    def minictl(self, *arguments):
        return self.world.run([f"{BUILD}/minictl", *arguments]).stdout

    def run_three(self):
        for name, port in ("web", "8080:80"), ("wiki", "127.0.0.1:5353:53/udp"), ("old", "8082:80"):
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            self.assertEqual(self.world.popen([MINI_RUN, "-d", "--name", name, "-p", port, "sleep", "1000"],
                                              **quiet).wait(timeout=10), 0)
        self.minictl("stop", "-t", "0", "old")

    def test_a_command_is_completed(self):
        self.assertEqual(self.complete("minictl", "p"), {"ps", "prune", "port"})
        self.assertEqual(self.complete("minictl", "--v"), {"--version"})

    def test_every_command_and_option_of_the_help_is_offered(self):
        listed = re.findall(r"^  (\w+) +", self.minictl("--help").partition("Commands:")[2], re.MULTILINE)
        self.assertEqual(self.complete("minictl", ""), set(listed))
        for command in listed:
            with self.subTest(command):
                options = re.findall(r"--[a-z]+", self.minictl(command, "--help").partition("Options:")[2])
                self.assertEqual(self.complete("minictl", command, "-"), set(options))

    def test_every_option_of_mini_run_is_offered(self):
        options = set(re.findall(r"^ +(?:-\w, )?(--[a-z0-9-]+)", self.run_ok("--help"), re.MULTILINE))
        self.assertEqual(self.complete("mini-run", "-"), options)

    def test_names_are_of_all_containers_or_of_those_that_run(self):
        self.run_three()
        for command in "inspect", "logs", "wait", "rm":
            self.assertEqual(self.complete("minictl", command, ""), {"web", "wiki", "old"}, command)
        for command in "stop", "kill", "exec":
            self.assertEqual(self.complete("minictl", command, ""), {"web", "wiki"}, command)
        self.assertEqual(self.complete("minictl", "stop", "-t", "3", "we"), {"web"})
        self.assertEqual(self.complete("minictl", "stop", "-t", ""), set())
        self.assertEqual(self.complete("minictl", "kill", "-s", "H"), {"HUP"})
        self.assertEqual(self.complete("minictl", "explain", ""), {"nft", "web", "wiki"})
        self.assertEqual(self.complete("minictl", "graph", "--format", "s"), {"svg"})
        self.assertEqual(self.complete("minictl", "exec", "-it", "-u", "nobody", "we"), {"web"})
        self.assertEqual(self.complete("minictl", "exec", "--env", "A", "=", "b", "wi"), {"wiki"})
        self.assertEqual(self.complete("minictl", "exec", "web", "ls", "-"), set())

    def test_ports_are_those_that_are_published(self):
        self.run_three()
        self.assertEqual(self.complete("minictl", "port", ""), {"add", "rm", "web", "wiki"})
        self.assertEqual(self.complete("minictl", "port", "web", "w"), {"web", "wiki"})
        self.assertEqual(self.complete("minictl", "port", "add", "w"), {"web", "wiki"})
        self.assertEqual(self.complete("minictl", "port", "rm", "web", ""), {"8080"})
        self.assertEqual(self.complete("minictl", "port", "rm", "wiki", ""), {"5353/udp"})
        self.minictl("port", "rm", "wiki", "5353/udp")

    def test_networks(self):
        self.run_three()
        self.assertEqual(self.complete("minictl", "network", "dis"), {"disconnect"})
        self.assertEqual(self.complete("minictl", "network", "connect", ""), {"mini0"})
        self.assertEqual(self.complete("minictl", "network", "connect", "mini0", "w"), {"web", "wiki"})
        self.assertEqual(self.complete("mini-run", "--network", ""), {"none", "host", "mini0"})
        for action in "create", "connect":
            options = re.findall(r"--[a-z0-9]+", self.minictl("network", action, "--help").partition("Options:")[2])
            self.assertEqual(self.complete("minictl", "network", action, "-"), set(options))

    def test_the_values_of_mini_run_and_its_program(self):
        self.assertEqual(self.complete("mini-run", "--cap-add", "NET_B"), {"NET_BIND_SERVICE"})
        self.assertEqual(self.complete("mini-run", "--cap-drop", "=", "AL"), {"ALL"})
        self.assertIn("root", self.complete("mini-run", "-u", "roo"))
        self.assertEqual(self.complete("mini-run", "--rootfs", "/us"), {"/usr"})
        self.assertEqual(self.complete("mini-run", "-p", "80"), set())
        self.assertIn("bash", self.complete("mini-run", "-itp", "8080", ":", "80", "bas"))
        self.assertIn("bash", self.complete("mini-run", "--", "bas"))
        self.assertEqual(self.complete("mini-run", "bash", "-"), set())

    def test_they_can_be_sourced_under_strict_options(self):
        """Sourced by whoever types: with the options that his shell may have"""
        for name in "minictl", "mini-run":
            self.world.run(["bash", "-euc", f"source {REPOSITORY}/docs/completion/{name}.bash"])
