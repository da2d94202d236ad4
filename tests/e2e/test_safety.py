# SPDX-License-Identifier: MIT
"""Issue, 6: "Safe. DESIGN.md 6 to the letter"."""

import json
import os
import signal
import time

from case import PYTHON, Case
from world import MINI_RUN

CAPABILITIES = {"chown": 0, "dac_override": 1, "fowner": 3, "fsetid": 4, "kill": 5, "setgid": 6, "setuid": 7, "setpcap": 8,
                "net_bind_service": 10, "sys_chroot": 18, "setfcap": 31}
ELEVEN = sum(1 << bit for bit in CAPABILITIES.values())

# Attempts that must fail; each is harmless where it does not.
ATTEMPTS = r"""
import ctypes, os, socket
libc = ctypes.CDLL(None, use_errno=True)
def attempt(name, call):
    try:
        result = call()
        if isinstance(result, int) and result < 0:
            raise OSError(ctypes.get_errno(), "")
        print("possible", name)
    except OSError:
        pass
attempt("mount", lambda: libc.mount(b"none", b"/opt", b"tmpfs", 0, None))
attempt("mknod", lambda: os.mknod("/opt/disk", 0o60600, os.makedev(254, 0)))
attempt("raw socket", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1).fileno())
attempt("packet socket", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).fileno())
attempt("vsock", lambda: socket.socket(40, socket.SOCK_STREAM).fileno())
attempt("alg", lambda: socket.socket(38, socket.SOCK_SEQPACKET).fileno())
attempt("sethostname", lambda: libc.sethostname(b"x", 1))
attempt("bpf", lambda: libc.syscall(321, 0, 0, 0))
attempt("io_uring", lambda: libc.syscall(425, 1, ctypes.create_string_buffer(120)))
attempt("keyctl", lambda: libc.syscall(250, 0, -3, 1))
attempt("ptrace init", lambda: libc.ptrace(16, 1, 0, 0))
attempt("init's memory", lambda: os.open("/proc/1/mem", os.O_RDONLY))
attempt("init's binary", lambda: os.open("/proc/1/exe", os.O_RDONLY))
attempt("init's binary for writing", lambda: os.open("/proc/1/exe", os.O_WRONLY))
attempt("init's root", lambda: len(os.listdir("/proc/1/root")))
for number in os.listdir("/proc/1/fd"):
    attempt("init's descriptors", lambda: len(os.readlink(f"/proc/1/fd/{number}")))
attempt("unshare user", lambda: libc.unshare(0x10000000))
print("end")
"""


class Safety(Case):
    def status(self, *options):
        lines = self.run_ok(*options, "cat", "/proc/self/status").splitlines()
        return {key: value.strip() for key, value in (line.split(":", 1) for line in lines)}

    def test_eleven_capabilities_no_new_privileges_and_a_filter(self):
        status = self.status()
        for name in "CapPrm", "CapEff", "CapBnd":
            self.assertEqual(int(status[name], 16), ELEVEN, name)
        for name in "CapInh", "CapAmb":
            self.assertEqual(int(status[name], 16), 0, name)
        self.assertEqual((status["NoNewPrivs"], status["Seccomp"]), ("1", "2"))
        self.assertEqual(status["Groups"], "")

    def test_capabilities_added_and_dropped(self):
        self.assertEqual(int(self.status("--cap-add", "NET_RAW")["CapEff"], 16), ELEVEN | 1 << 13)
        self.assertEqual(int(self.status("--cap-drop", "ALL")["CapEff"], 16), 0)
        self.assertEqual(int(self.status("--cap-drop", "all", "--cap-add", "CAP_CHOWN")["CapBnd"], 16), 1)

    def test_a_user_has_no_capabilities(self):
        status = self.status("-u", "1234:5")
        self.assertEqual((int(status["CapEff"], 16), int(status["CapPrm"], 16), int(status["CapAmb"], 16)), (0, 0, 0))
        self.assertEqual(status["Groups"], "")

    def test_the_filter_can_be_left_out(self):
        """--seccomp FILE|unconfined"""
        self.assertEqual(self.status("--seccomp", "unconfined")["Seccomp"], "0")
        path = self.file("allow.json", '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": '
                         '[{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]}')
        result = self.world.mini_run("--seccomp", path, "mkdir", "/opt/x")
        self.assertIn("not permitted", result.stderr)

    def test_what_a_container_must_not_do(self):
        self.assertEqual(self.python(ATTEMPTS), "end\n")

    def test_the_attempts_are_real(self):
        """A test must be able to fail: most of the attempts succeed on the host."""
        done = self.world.run([PYTHON, "-c", ATTEMPTS]).stdout
        for name in "mount", "unshare user", "raw socket", "sethostname", "init's root", "init's descriptors":
            self.assertIn(f"possible {name}\n", done)

    def test_no_descriptor_is_inherited(self):
        """Clean descriptors"""
        def wrap():
            for number in range(20, 200):
                os.dup2(os.open("/", os.O_RDONLY), number, inheritable=True)
        listing = "import os; print(sorted(os.readlink(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd') "\
                  "if int(n) > 2 and os.path.exists(f'/proc/self/fd/{n}')))"
        out = self.python(listing, wrap=wrap, close_fds=False)
        self.assertEqual(eval(out), [], "only the directory that is being listed, which is closed by then")

    def test_init_and_program_hold_none_of_ours(self):
        """init and program inherit none of its descriptors"""
        container = self.world.start("-p", "8080:80", "/bin/sh", "-c", "echo ready; exec sleep 1000")
        time.sleep(0.3)  # while sleep(1) is being loaded it has its libraries open
        for pid in container.descendants():
            if os.readlink(f"/proc/{pid}/ns/pid") == os.readlink("/proc/self/ns/pid"):
                continue
            for number in os.listdir(f"/proc/{pid}/fd"):
                target = os.readlink(f"/proc/{pid}/fd/{number}")
                if int(number) > 2:
                    self.assertRegex(target, r"^(anon_inode:|pipe:|socket:)", f"process {pid}, descriptor {number}")

    def test_the_environment_starts_from_nothing(self):
        """Clean environment"""
        out = self.run_ok("env", env={"PATH": "/x:/usr/bin:/bin", "SECRET": "1", "SUDO_USER": "x", "LD_LIBRARY_PATH": "/x"})
        names = {line.split("=")[0] for line in out.splitlines()}
        self.assertLessEqual(names, {"PATH", "HOME", "HOSTNAME", "TERM"})
        self.assertEqual(self.run_ok("/bin/sh", "-c", "tr '\\0' '\\n' < /proc/1/environ 2>/dev/null; true",
                                     env={"PATH": "/usr/bin:/bin", "SECRET": "1"}).count("SECRET"), 0)

    def test_the_working_directory_is_inside(self):
        """CVE-2024-21626: chdir after the pivot and getcwd verified"""
        self.assertEqual(self.run_ok("pwd", cwd="/usr"), "/\n")
        for directory in "/proc/self/fd/3", "/proc/1/cwd", "/proc/self/fd/7":
            result = self.world.mini_run("-w", directory, "/bin/sh", "-c", "ls -d ../../../tmp/mini-run-e2e* /work 2>/dev/null")
            self.assertEqual(result.stdout, "")

    def test_the_binary_cannot_be_overwritten_from_inside(self):
        """The binary cannot be overwritten from inside through /proc"""
        before = os.stat(MINI_RUN)
        attempt = "import os, sys\nfor pid in filter(str.isdigit, os.listdir('/proc')):\n" \
                  " if pid == str(os.getpid()): continue\n" \
                  " try: os.close(os.open(f'/proc/{pid}/exe', os.O_WRONLY)); print('opened', pid)\n except OSError: pass"
        for options in [], ["--cap-add", "SYS_PTRACE"], ["--cap-add", "ALL", "--seccomp", "unconfined"]:
            self.assertEqual(self.python(attempt, *options), "")
            self.assertEqual(os.stat(MINI_RUN).st_mtime_ns, before.st_mtime_ns)

    def test_no_program_of_ours_is_executed_inside(self):
        """A program or an interpreter of the container's that leads to /proc/self/exe: it must not be our file"""
        script = os.path.join(self.world.directory, "script")
        with open(script, "w") as file:
            file.write("#!/proc/self/exe --version\n")
        os.chmod(script, 0o755)
        name = self.detach("--rm", "-v", f"{script}:/script", "sleep", "1000")
        for program in ["/proc/self/exe", "--version"], ["/proc/thread-self/exe", "--version"], ["/script"]:
            for result in (self.world.mini_run("-v", f"{script}:/script", *program), self.world.minictl("exec", name, *program)):
                self.assertEqual((result.returncode, result.stdout, result.stderr), (127, "", ""))

    def test_a_filter_that_refuses_what_a_start_needs(self):
        """Said at once: nobody waits for the program's end to learn that it has begun"""
        profile = os.path.join(self.world.directory, "profile.json")
        with open(profile, "w") as file:
            json.dump({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["fcntl"], "action": "SCMP_ACT_ERRNO"}]}, file)
        self.assert_refused(self.world.mini_run("--seccomp", profile, "sleep", "1000"), 126, ["not permitted"])

    def test_odd_callers(self):
        """Faults: a message or success; never a signal, a hang or a leftover"""
        import resource
        before = self.world.state()
        cases = {
            "closed descriptors": lambda: os.closerange(0, 3),
            "few descriptors": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (8, 8)),
            "no file size": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)),
            "small stack": lambda: resource.setrlimit(resource.RLIMIT_STACK, (256 << 10, 256 << 10)),
            "odd umask": lambda: os.umask(0o777),
        }
        for name, wrap in cases.items():
            with self.subTest(name):
                result = self.world.mini_run("-p", "8080:80", "true", wrap=wrap)
                self.assertIn(result.returncode, (0, 125), result.stderr)
                self.assert_same_state(before)
        result = self.world.mini_run("-p", "8080:80", "/bin/true", env={})
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_a_deleted_working_directory(self):
        gone = os.path.join(self.world.directory, "gone")
        os.mkdir(gone)
        self.assertEqual(self.run_ok("pwd", cwd=gone, wrap=lambda: os.rmdir(gone)), "/\n")

    def test_init_dies_with_mini_run(self):
        """Init dies with it (PDEATHSIG)"""
        container = self.world.start("/bin/sh", "-c", "echo ready; exec sleep 1000")
        pids = container.descendants()
        container.send(signal.SIGKILL)
        container.wait()
        self.until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids), "the container is dead", 1)
