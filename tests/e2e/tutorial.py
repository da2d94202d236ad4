# SPDX-License-Identifier: MIT
"""The tutorial's commands, run one after the other in one shell, and what they print.

    ```console
    $ command
    what it prints, ... for lines that are left out
    ```

Run as a program, it writes what the commands print now into the page.
"""

import os
import re
import subprocess

PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/tutorial.md")
BLOCK = re.compile(r"(?ms)^```console\n(.*?)^```\n")


def sessions(text):
    """The page in parts: text, and [(command, output), ...] of a block."""
    parts = BLOCK.split(text)
    for number, part in enumerate(parts):
        if number % 2 == 0:
            yield part
            continue
        commands = []
        for line in part.splitlines():
            if line.startswith("$ "):
                commands.append((line[2:], []))
            else:
                commands[-1][1].append(line)
        yield [(command, "\n".join(output)) for command, output in commands]


class Shell:
    """What the reader types in. The first command is the shell itself."""

    END = "end of the output"

    def __init__(self, popen):
        self.popen = popen
        self.process = None

    def run(self, command):
        if self.process is None:
            argv = [*command.removeprefix("sudo ").split(), "--norc"]
            self.process = self.popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            return ""
        self.process.stdin.write(f"{command}\necho {self.END}\n")
        self.process.stdin.flush()
        output = []
        while (line := self.process.stdout.readline()) and line != f"{self.END}\n":
            output.append(line.rstrip())
        return "\n".join(output)

    def close(self):
        if self.process is not None:
            self.process.stdin.close()
            self.process.stdout.close()
            self.process.wait(10)


# What is another each time, and what stands for it.
CHANGING = (
    (r"\b([0-9a-f]{2}:){5}[0-9a-f]{2}\b", "MAC"), (r"\bfe80::[0-9a-f:]+", "LINK-LOCAL"), (r"(?m)^\d+: ", "N: "),
    (r"@if\d+", "@ifN"), (r"\btime[= ][\d.]+ ?ms", "time N ms"), (r"\d[\d.]*/[\d.]+/[\d.]+/[\d.]+ ms", "N ms"),
    (r"\bmr-[0-9a-f]{8}\b", "mr-N"), (r"\[\d\d/\w+/\d{4} [\d:]+\]", "[DATE]"), (r"after \d+ ms", "after N ms"),
    (r" +", " "), (r"STALE|REACHABLE|DELAY|PROBE", "STATE"), (r"state \w+ priority", "state S priority"), (r"\b([sd])port=\d{5}\b", r"\1port=N"), (r"\(id: \d+\)", "(id: N)"),
)


def same(output, expected):
    """Whether OUTPUT is what EXPECTED says."""
    def plain(text):
        for pattern, stands in CHANGING:
            text = re.sub(pattern, stands, text)
        return text.strip()
    parts = [re.escape(part.strip("\n")) for part in re.split(r"(?m)^\.\.\.$", plain(expected))]
    return re.fullmatch(r"[\s\S]*".join(parts), plain(output)) is not None


def write():
    text = ""
    shell = Shell(subprocess.Popen)
    with open(PAGE) as page:
        parts = list(sessions(page.read()))
    for part in parts:
        if isinstance(part, str):
            text += part
            continue
        text += "```console\n"
        for command, expected in part:
            output = shell.run(command)
            shown = expected if expected and same(output, expected) else output
            text += f"$ {command}\n" + (f"{shown}\n" if shown else "")
        text += "```\n"
    shell.close()
    with open(PAGE, "w") as page:
        page.write(text)


if __name__ == "__main__":
    write()
