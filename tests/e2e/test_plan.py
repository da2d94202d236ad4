# SPDX-License-Identifier: MIT
"""Issue, 8: the plan. --dry-run changes nothing, and what is printed is what is done."""

import os
import re

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
READ_MESSAGE = re.compile(r"nlmsg_type=(RTM_GET|NFNL_SUBSYS_\w+<<8\|\w+_MSG_GET|SOCK_DIAG_BY_FAMILY|NLMSG_DONE|NLMSG_ERROR|TCPDIAG|"
                          r"NFNL_SUBSYS_CTNETLINK<<8\|IPCTNL_MSG_CT_GET)")


def mutating(line):
    """Whether LINE of strace(1) shows a call that changes the host."""
    if MUTATING.search(line):
        return True
    if WRITING_OPEN.search(line) and not re.search(r'"/dev/(null|tty)"|O_TMPFILE', line):
        return True
    if re.search(r"\bbind\(.*AF_INET", line):
        return True
    if re.search(r"\bsend(to|msg|mmsg)\(", line):
        return any(not READ_MESSAGE.match(kind) for kind in re.findall(r"nlmsg_type=[^,}]+", line)) or "nlmsg_type" not in line
    return bool(re.search(r"\bp?writev?2?\((?![12],|[12]<)", line))


class Plan(Case):
    timeout = 90

    def trace(self, *arguments):
        log = os.path.join(self.world.directory, "strace.log")
        result = self.world.run(["strace", "-f", "-s", "200", "-o", log, MINI_RUN, *arguments], check=False)
        lines = open(log, errors="replace").read().splitlines()
        start = next(i for i, line in enumerate(lines) if "execve(" in line)
        return result, [line.split(None, 1)[1] for line in lines[start + 1:]]

    def test_dry_run_changes_nothing(self):
        """--dry-run prints a runnable script and changes nothing (checked by strace: no mutating system call)"""
        before = self.world.state()
        result, calls = self.trace("--dry-run", "--name", "web", "-p", "8080:80", "-p", "127.0.0.1:53:53/udp",
                                   "-v", "/etc:/opt/etc:ro", "nginx")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual([line for line in calls if mutating(line)], [])
        self.assert_same_state(before)
        self.assertEqual(self.world.run(["sh", "-n"], input=result.stdout).returncode, 0)

    def test_the_watch_sees_a_real_run(self):
        """A test must be able to fail"""
        result, calls = self.trace("-p", "8080:80", "true")
        self.assertEqual(result.returncode, 0, result.stderr)
        seen = "\n".join(line for line in calls if mutating(line))
        for call in "clone", "mount", "sendmsg\\(|sendto\\(", "mkdir", "bind\\(":
            self.assertRegex(seen, call)

    def test_dry_run_refuses_what_the_run_would_refuse(self):
        self.world.popen(traffic.server("host", 8080))
        self.until(lambda: "host" in self.world.call(traffic.outcome, "tcp", "127.0.0.1", 8080), "the server")
        self.assert_refused(self.world.mini_run("--dry-run", "-p", "8080:80", "true"), says="8080")

    def test_explain_prints_each_command_with_its_reason(self):
        """--explain prints each command with its reason as it is done"""
        result = self.world.mini_run("--explain", "--name", "web", "-p", "8080:80", "true")
        self.assertEqual(result.returncode, 0, result.stderr)
        text = result.stderr + result.stdout
        for command in ("ip link add mini0", "type bridge", "ip netns add web", "type veth peer name eth0", "netns web",
                        "ip -n web link set lo up", "nft add element inet mini_run", "8080"):
            self.assertIn(command, text)
        self.assertGreaterEqual(len(re.findall(r"(?m)^\s*#", text)), 5, "each command has its reason")

    def test_explain_is_do(self):
        """sh -e of the printed script in one fresh namespace and the real thing in another give equal state"""
        options = ["--name", "web", "-p", "8080:80", "-p", "127.0.0.1:5353:53/udp", "-p", "203.0.113.1:81:80"]
        program = ["/bin/sh", "-c", "echo ready; exec sleep 1000"]
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
            container = self.world.start(*options, *program)
            for what, theirs, ours in [
                    ("the host", differences.network(scripted), differences.network(self.world)),
                    ("the container", differences.network(scripted, scripted_inside, rules=False),
                     differences.network(self.world, container.network, rules=False))]:
                with self.subTest(what):
                    self.assertEqual(snapshot.difference(theirs, ours), "", f"{what}: - the script, + mini-run")

    def test_timing_prints_the_phases(self):
        """mini-run --timing prints the phases of a start in microseconds"""
        result = self.world.mini_run("--timing", "-p", "8080:80", "true")
        self.assertEqual(result.returncode, 0)
        self.assertGreaterEqual(len(re.findall(r"\d+ (?:us|µs)", result.stderr)), 3, result.stderr)
