# SPDX-License-Identifier: MIT
"""Issue, 8: the plan. --dry-run changes nothing, and what is printed is what is done."""

import os
import re
import time

import differences
import snapshot
import traffic
from case import Case
from world import MINI_RUN, World

# A call that changes nothing whatever its arguments is not listed; the rest is judged by its arguments.
MUTATING = re.compile(r"""\b(?:
    mkdir(at)? | rmdir | unlink(at)? | rename(at2?)? | link(at)? | symlink(at)? | mknod(at)? | truncate | ftruncate | fallocate |
    f?chmod(at)? | f?chown(at)? | lchown | f?setxattr | utimensat |
    mount | umount2 | pivot_root | fsmount | move_mount | open_tree | mount_setattr | fsopen |
    unshare | setns | clone3? | fork | vfork | execveat | sethostname | setdomainname |
    init_module | finit_module | delete_module | kill | tgkill | pidfd_send_signal | bpf | keyctl
    )\(""", re.VERBOSE)
WRITING_OPEN = re.compile(r"\bopen(at2?)?\(.*(O_WRONLY|O_RDWR|O_CREAT|O_TRUNC)")
READ_MESSAGE = {  # netlink messages that only ask, as names and as the numbers of those that strace(1) does not name
    "NETLINK_ROUTE": re.compile(r"RTM_GET|0x(12|16|1a|1e|22)\b"),
    "NETLINK_NETFILTER": re.compile(r"NFNL_SUBSYS_\w+<<8\|\w+_GET|0xa(01|04|07|0a|0d|10)\b|0x101\b"),
    "NETLINK_SOCK_DIAG": re.compile(r""),
}


class Watch:
    """Judges the lines of strace(1) one after the other."""

    def __init__(self):
        self.protocol = {}  # descriptor -> netlink protocol

    def mutating(self, line):
        """Whether LINE shows a call that changes the host."""
        if opened := re.search(r"\bsocket\(AF_NETLINK, [^,]+, (\w+)\)\s+= (\d+)", line):
            self.protocol[opened[2]] = opened[1]
        if MUTATING.search(line) or re.search(r"\bbind\(.*AF_INET", line):
            return True
        if WRITING_OPEN.search(line):
            return not re.search(r'"/dev/(null|tty)"', line)
        if sent := re.search(r"\bsend(?:to|msg|mmsg)\((\d+)", line):
            asks = READ_MESSAGE.get(self.protocol.get(sent[1]))
            kinds = re.findall(r"nlmsg_type=([^ ,}]+)", line)
            return not (asks and kinds and all(asks.match(kind) for kind in kinds))
        return bool(re.search(r"\bp?writev?2?\((?![12],)", line))


class Plan(Case):
    timeout = 90

    def changes(self, *arguments):
        """mini-run under strace(1): how it ended, and its calls that change the host."""
        log = os.path.join(self.world.directory, "strace.log")
        result = self.world.run(["strace", "-f", "-s", "200", "-o", log, MINI_RUN, *arguments], check=False)
        lines = open(log, errors="replace").read().splitlines()
        start = next(i for i, line in enumerate(lines) if "execve(" in line)
        watch = Watch()
        return result, [line for line in lines[start + 1:] if watch.mutating(line)]

    def test_dry_run_changes_nothing(self):
        """--dry-run prints a runnable script and changes nothing (checked by strace: no mutating system call)"""
        before = self.world.state()
        result, calls = self.changes("--dry-run", "--name", "web", "-p", "8080:80", "-p", "127.0.0.1:53:53/udp",
                                   "-v", "/etc:/opt/etc:ro", "nginx")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(calls, [])
        self.assert_same_state(before)
        self.assertEqual(self.world.run(["sh", "-n"], input=result.stdout).returncode, 0)

    def test_the_watch_sees_a_real_run(self):
        """A test must be able to fail"""
        result, calls = self.changes("-p", "8080:80", "true")
        self.assertEqual(result.returncode, 0, result.stderr)
        seen = "\n".join(calls)
        for call in "clone", "mount", "sendmsg\\(|sendto\\(", "mkdir", "bind\\(":
            self.assertRegex(seen, call)

    def test_dry_run_refuses_what_the_run_would_refuse(self):
        self.world.serve("host", 8080)
        self.assert_refused(self.world.mini_run("--dry-run", "-p", "8080:80", "true"), says="8080")

    def test_explain_prints_each_command_with_its_reason(self):
        """--explain prints each command with its reason as it is done"""
        result = self.world.mini_run("--explain", "--name", "web", "-p", "8080:80", "true")
        self.assertEqual(result.returncode, 0, result.stderr)
        text = result.stderr + result.stdout
        for command in ("ip link add mini0", "type bridge", "ip netns add web", "type veth peer name eth0", "netns web",
                        "ip -n web link set lo up", "nft 'add element inet mini_run", "8080"):
            self.assertIn(command, text)
        self.assertGreaterEqual(len(re.findall(r"(?m)^\s*#", text)), 5, "each command has its reason")

    def test_explain_is_do(self):
        """sh -e of the printed script in one fresh namespace and the real thing in another give equal state"""
        options = ["--name", "web", "-p", "8080:80", "-p", "127.0.0.1:5353:53/udp", "-p", "203.0.113.1:81:80",
                   "-p", "9000-9019:9000-9019/tcp+udp", "-p", "127.0.0.1:7000-7999:7000-7999", "-p", "8000-8002:80-82",
                   "-p", "8443:443,from=192.0.2.0/24,from=2001:db8::/32,from=198.51.100.7"]
        program = ["/bin/sh", "-c", "echo ready; exec sleep 1000"]
        container = self.world.start(*options, *program)
        with World() as scripted:
            script = scripted.mini_run("--dry-run", *options, *program)
            self.assertEqual(script.returncode, 0, script.stderr)
            path = self.file("script", script.stdout)
            copy = os.path.join(scripted.directory, "script")
            os.rename(path, copy)
            shell = scripted.popen(["/bin/sh", "-e", copy], stdout=-1, stderr=-2, text=True)
            self.until(lambda: shell.poll() is not None or "sleep 1000" in str(scripted.state()), "the script's end", 20)
            if shell.poll() is not None:
                self.assertEqual(shell.returncode, 0, shell.stdout.read() + script.stdout)
            scripted_inside = scripted.network_at("/run/netns/web")
            for what, theirs, ours in [("the host", "host", "host"),
                                              ("the container", scripted_inside, container.network)]:
                with self.subTest(what):
                    self.equal_soon(what, lambda: differences.network(scripted, theirs),
                                    lambda: differences.network(self.world, ours))

    def equal_soon(self, what, theirs, ours):
        """Equal, once the kernel has checked the new IPv6 addresses for duplicates (a second or two)."""
        deadline = time.monotonic() + 10
        while difference := snapshot.difference(theirs(), ours()):
            if time.monotonic() > deadline:
                self.fail(f"{what}: - the script, + mini-run\n{difference}")
            time.sleep(0.1)

    def test_timing_prints_the_phases(self):
        """mini-run --timing prints the phases of a start in microseconds"""
        result = self.world.mini_run("--timing", "-p", "8080:80", "true")
        self.assertEqual(result.returncode, 0)
        self.assertGreaterEqual(len(re.findall(r"\w+ \d+", result.stderr)), 3, result.stderr)
