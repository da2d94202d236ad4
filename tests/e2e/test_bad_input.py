# SPDX-License-Identifier: MIT
"""Issue, "Bad input, each with one clear line, exit 125 (126/127 for the program), nothing changed"."""

import ctypes
import os
import re
import struct

import namespaces as ns
from case import Case
from world import MINI_RUN

BAD_COMMAND_LINES = [  # arguments, what the line must speak of
    (["-p", "8080:0", "true"], "0"),
    (["-p", "65536:80", "true"], "65536"),
    (["-p", "8080:65536", "true"], "65536"),
    (["-p", "8080:99999999999999999999", "true"], "99999999999999999999"),
    (["-p", "-1:80", "true"], "-1"),
    (["-p", "8080", "true"], "8080"),
    (["-p", "80:127.0.0.1:8080", "true"], "127"),
    (["-p", "http:80", "true"], "http"),
    (["-p", "8080:http", "true"], "http"),
    (["-p", " 8080:80", "true"], "8080"),
    (["-p", "8080:80 ", "true"], "80"),
    (["-p", "+8080:80", "true"], "8080"),
    (["-p", "0x50:80", "true"], "0x50"),
    (["-p", ":", "true"], ":"),
    (["-p", "", "true"], "-p|--publish|port"),
    (["-p", "8080:80/sctp", "true"], "sctp"),
    (["-p", "8080:80/", "true"], "protocol|/"),
    (["-p", "8080:80/TCP/udp", "true"], "protocol|/"),
    (["-p", "300.0.0.1:8080:80", "true"], "300.0.0.1"),
    (["-p", "127.0.0.01:8080:80", "true"], "127.0.0.01"),
    (["-p", "192.0.2.1:8080:80", "true"], "192.0.2.1"),
    (["-p", "8080:80", "-p", "8080:81", "true"], "8080"),
    (["-p", "8080:80", "-p", "127.0.0.1:8080:81", "true"], "8080"),
    (["-p", "8080:80", "-p", "8080:80", "true"], "8080"),
    (["-p", "8080-8090:80", "true"], "8080-8090"),
    (["--name", "", "true"], "name"),
    (["--name", "../x", "true"], "name"),
    (["--name", "a b", "true"], "name"),
    (["--name", "-x", "true"], "name"),
    (["--name", "x" * 64, "true"], "name"),
    (["--name", "x\ny\x1b[31m", "true"], "name"),
    (["--hostname", "a_b c", "true"], "host"),
    (["--hostname", "x" * 65, "true"], "host"),
    (["--network", "this-name-is-too-long", "true"], "network|interface"),
    (["--network", "lo", "true"], "lo"),
    (["--network", "a/b", "true"], "a/b"),
    (["--rootfs", "/no/such/directory", "true"], "/no/such/directory"),
    (["--rootfs", "/etc/passwd", "true"], "/etc/passwd"),
    (["--writable-root", "true"], "--rootfs"),
    (["-v", "/no/such/source:/opt/x", "true"], "/no/such/source"),
    (["-v", "/etc", "true"], "/etc"),
    (["-v", "/etc:opt", "true"], "opt"),
    (["-v", "/etc/passwd:/etc", "true"], "there is a directory"),
    (["-v", "/etc:/etc/passwd", "true"], "no directory but a file"),
    (["--dry-run", "-u", "nobody-of-that-name", "true"], "nobody-of-that-name"),
    (["-v", "/etc:/opt/x:rx", "true"], "rx"),
    (["-v", "/etc:/proc/x", "true"], "/proc"),
    (["-v", "/etc:/sys", "true"], "/sys"),
    (["-w", "relative", "true"], "relative"),
    (["-u", "nosuchuser", "true"], "nosuchuser"),
    (["-u", "root:nosuchgroup", "true"], "nosuchgroup"),
    (["-u", "4294967295", "true"], "4294967295"),
    (["-u", "4294967296", "true"], "4294967296"),
    (["-u", "-1", "true"], "-1"),
    (["-e", "=x", "true"], "=x|-e|--env"),
    (["--env-file", "/no/such/file", "true"], "/no/such/file"),
    (["--cap-add", "NOSUCH", "true"], "NOSUCH"),
    (["--seccomp", "/no/such/profile", "true"], "/no/such/profile"),
    (["--seccomp", "/etc/passwd", "true"], "/etc/passwd"),
    (["--stop-timeout", "x", "true"], "stop-timeout"),
    (["--stop-timeout", "-1", "true"], "stop-timeout|-1"),
    (["--scratch-size", "0", "true"], "scratch-size"),
    (["--scratch-size", "lots", "true"], "lots"),
    (["--add-host", "db", "true"], "db"),
    (["--add-host", "db:1.2.3", "true"], "1.2.3"),
    (["--dns", "nowhere", "true"], "nowhere"),
    (["--publsh", "8080:80", "true"], "--publish"),
    (["--no-such-option", "true"], "--no-such-option"),
    (["-p"], "-p|--publish"),
    ([], "program"),
    (["--"], "program"),
    ([""], "program|empty"),
]

READ_ONLY = "Read-only|read-only"


class CommandLine(Case):
    timeout = 120

    def test_every_slip_is_one_line(self):
        before = self.world.state()
        for arguments, says in BAD_COMMAND_LINES:
            with self.subTest(arguments):
                self.assert_refused(self.world.mini_run(*arguments), says=says if "|" in says else re.escape(says))
        self.assert_same_state(before)

    def test_a_failure_comes_alone(self):
        """One clear line: hints about a container that does not come to be are no help"""
        self.world.own_file("/etc/resolv.conf", "")
        self.assert_refused(self.world.mini_run("-u", "nosuchuser", "true"), says="nosuchuser")

    def test_options_after_the_program_are_the_programs(self):
        self.assertEqual(self.run_ok("echo", "-p", "x", "--name", "--", "--help"), "-p x --name -- --help\n")
        self.assertEqual(self.run_ok("--", "echo", "-p", "--"), "-p --\n")

    def test_a_looping_rootfs(self):
        """Missing or looping rootfs"""
        a, b = (os.path.join(self.world.directory, name) for name in "ab")
        os.symlink(a, b)
        os.symlink(b, a)
        self.assert_refused(self.world.mini_run("--rootfs", a, "true"), says=re.escape(a))

    def test_a_broken_env_file(self):
        path = self.file("env", "A=1\n=2\n")
        self.assert_refused(self.world.mini_run("--env-file", path, "true"), says=(re.escape(path), "2"))

    def test_help_and_version(self):
        for option in "--help", "-h", "--version":
            self.assertIn("mini-run", self.run_ok(option))

    def test_a_hundred_kilobytes_of_arguments_work(self):
        """100 kB of them simply work"""
        self.assertEqual(len(self.run_ok("echo", "x" * 100_000)), 100_001)
        self.assertEqual(self.run_ok("/bin/sh", "-c", "echo $#", "sh", *["x" * 9] * 10_000), "10000\n")

    def test_arguments_beyond_the_kernels_limit(self):
        """Arguments beyond the kernel's limit"""
        before = self.world.state()
        path = self.file("env", "".join(f"V{n}={'x' * 1000}\n" for n in range(9000)))
        result = self.world.mini_run("--env-file", path, "true")
        self.assertIn(result.returncode, (125, 126))
        self.assert_refused(result, result.returncode, "too (long|large|many|big)|longer|limit")
        one = self.file("one", f"V={'x' * 200_000}\n")
        result = self.world.mini_run("--env-file", one, "true")
        self.assert_refused(result, result.returncode, "too (long|large|many|big)|longer|limit")
        self.assert_same_state(before)


class Machine(Case):
    """What the machine lacks."""

    def refuse(self, result, says, before):
        self.assert_refused(result, says=says)
        self.assert_same_state(before)

    def test_no_cap_net_admin(self):
        """No CAP_NET_ADMIN"""
        before = self.world.state()
        for drop in "net_admin", "sys_admin":
            result = self.world.run(["setpriv", "--bounding-set", f"-{drop}", "--inh-caps", f"-{drop}", MINI_RUN, "-p", "8080:80",
                                     "true"], check=False)
            self.refuse(result, f"CAP_{drop.upper()}", before)

    def test_an_ordinary_user(self):
        before = self.world.state()
        binary = self.file("mini-run", "")
        with open(MINI_RUN, "rb") as source, open(binary, "wb") as target:
            target.write(source.read())
        os.chmod(binary, 0o755)
        result = self.world.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", binary, "true"], check=False)
        self.refuse(result, "root|CAP_|sudo", before)

    def test_a_read_only_run(self):
        """Read-only or full /run"""
        self.world.sh("mount -o remount,ro /run")
        before = self.world.state()
        self.refuse(self.world.mini_run("-p", "8080:80", "true"), ("/run", READ_ONLY), before)

    def test_a_full_run(self):
        """Read-only or full /run"""
        for options in "size=4k", "nr_inodes=1", "nr_inodes=3", "nr_inodes=5":
            with self.subTest(options):
                self.world.sh(f"mount -t tmpfs -o {options} none /run; head -c 4096 /dev/zero > /run/fill || true")
                before = self.world.state()
                result = self.world.mini_run("-p", "8080:80", "true")
                if result.returncode != 0:
                    self.refuse(result, ("/run", "No space left"), before)
                self.assert_same_state(before)
                self.world.sh("umount /run")

    def test_no_nf_tables(self):
        """Kernel without nf_tables (say which option)"""
        before = self.world.state()
        self.refuse(self.world.mini_run("-p", "8080:80", "true", wrap=refuse_nfnetlink), "CONFIG_NF_TABLES", before)

    def fail_call_with(self, calls, text, error, option):
        """The call of CALLS whose arguments contain TEXT fails as on a kernel without OPTION."""
        before = self.world.state()
        log = os.path.join(self.world.directory, "strace.log")
        self.world.run(["strace", "-f", "-s", "300", "-o", log, "-e", f"trace={calls}", MINI_RUN, "-p", "8080:80", "true"])
        counts = {}
        for line in open(log, errors="replace"):
            pid, call = line.split()[0], re.match(r"\d+ +(\w+)\(", line)
            if call:
                counts[pid, call[1]] = counts.get((pid, call[1]), 0) + 1
                if text in line:
                    break
        else:
            self.fail(f"no call of {calls} names {text}")
        self.assert_same_state(before)
        inject = f"inject={call[1]}:error={error}:when={counts[pid, call[1]]}"
        result = self.world.run(["strace", "-f", "-o", "/dev/null", "-e", f"trace={call[1]}", "-e", inject, MINI_RUN,
                                 "-p", "8080:80", "true"], check=False)
        self.refuse(result, option, before)

    def test_no_overlay(self):
        """Kernel without overlay (say which option)"""
        self.fail_call_with("mount,fsopen", '"overlay"', "ENODEV", "CONFIG_OVERLAY_FS")

    def test_no_veth(self):
        """Kernel without veth (say which option)"""
        self.fail_call_with("sendto,sendmsg", '"veth"', "EOPNOTSUPP", "CONFIG_VETH")

    def test_no_bridge(self):
        self.fail_call_with("sendto,sendmsg", '"bridge"', "EOPNOTSUPP", "CONFIG_BRIDGE")


def refuse_nfnetlink():
    """socket(AF_NETLINK, any, NETLINK_NETFILTER) gives EPROTONOSUPPORT from here on, as a kernel without it."""
    number = {"x86_64": 41, "aarch64": 198}[os.uname().machine]
    load, jump_equal, give = 0x20, 0x15, 0x06
    program = b"".join(struct.pack("HBBI", *step) for step in [
        (load, 0, 0, 0), (jump_equal, 0, 5, number),
        (load, 0, 0, 16), (jump_equal, 0, 3, 16),
        (load, 0, 0, 32), (jump_equal, 0, 1, 12),
        (give, 0, 0, 0x00050000 | 93),
        (give, 0, 0, 0x7FFF0000)])
    steps = ctypes.create_string_buffer(program)
    filter_ = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(steps))
    ns.check(ns.libc.prctl(22, 2, ctypes.c_char_p(filter_), 0, 0), "seccomp")
