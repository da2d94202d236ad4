# SPDX-License-Identifier: MIT
"""docs/tutorial.md: every command of it prints what the page shows."""

import os

import tutorial
from case import Case
from world import ENVIRONMENT, MINI_RUN, PATH


class Tutorial(Case):
    timeout = 120

    def test_every_command_prints_what_the_page_shows(self):
        where_built = os.path.dirname(MINI_RUN)
        shell = tutorial.Shell(lambda argv, **options: self.world.popen(
            argv, env=ENVIRONMENT | {"PATH": f"{where_built}:{PATH}"}, **options))
        self.addCleanup(shell.close)
        with open(tutorial.PAGE) as page:
            parts = list(tutorial.sessions(page.read()))
        for part in parts:
            for command, expected in [] if isinstance(part, str) else part:
                with self.subTest(command):
                    output = shell.run(command)
                    self.assertTrue(tutorial.same(output, expected), f"it printed\n{output}\nand the page says\n{expected}")
