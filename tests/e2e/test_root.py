# SPDX-License-Identifier: MIT
"""Issue, 5: the root."""

import os
import re

import snapshot
import traffic
from case import LOCAL_HOST, PYTHON, Case


class HostRoot(Case):
    """Without --rootfs: the host's root, copy-on-write."""

    def test_nginx_of_debian_answers_with_its_own_configuration(self):
        """Debian's nginx with its own configuration answers and leaves the host's logs untouched"""
        logs = lambda: {name: os.stat(f"/var/log/nginx/{name}") for name in os.listdir("/var/log/nginx")}
        before = logs()
        container = self.world.start("-p", "8080:80", "nginx", "-g", "daemon off;", ready=None)
        ask = lambda: self.world.call(traffic.outcome, "tcp", LOCAL_HOST, 8080)
        self.until(lambda: "nginx" in ask(), "the page")
        workers = {os.stat(f"/proc/{pid}").st_uid for pid in container.descendants()
                   if b"nginx: worker" in open(f"/proc/{pid}/cmdline", "rb").read()}
        self.assertEqual(workers, {33}, "the workers run as www-data")
        container.stop()
        self.assertEqual({k: (v.st_size, v.st_mtime_ns, v.st_ino) for k, v in before.items()},
                         {k: (v.st_size, v.st_mtime_ns, v.st_ino) for k, v in logs().items()})
        self.assertFalse(os.path.exists("/run/nginx.pid"))

    def test_writes_stay_inside(self):
        """Copy-on-write"""
        self.run_ok("/bin/sh", "-ec", "echo x > /etc/mini-run-was-here; echo x >> /etc/passwd; mkdir /opt/mini-run-x;"
                    "rm /usr/bin/env; echo x > /var/mini-run-x")
        for path in "/etc/mini-run-was-here", "/opt/mini-run-x", "/var/mini-run-x":
            self.assertFalse(os.path.exists(path), path)
        self.assertTrue(os.path.exists("/usr/bin/env"))
        self.assertNotIn("\nx\n", open("/etc/passwd").read())

    def test_the_scratch_layer_is_bounded(self):
        """In bounded memory"""
        result = self.world.mini_run("--scratch-size", "8m", "/bin/sh", "-c",
                                     "head -c 100000000 /dev/zero > /opt/big; stat -c %s /opt/big")
        self.assertIn("No space left", result.stderr)
        self.assertLess(int(result.stdout), 9 << 20)

    def test_secrets_and_other_peoples_files_are_hidden(self):
        """By the allow-list of DESIGN.md 6"""
        home = self.file("secret", "secret")
        listed = self.run_ok("/bin/sh", "-c", f"cat /etc/shadow /etc/gshadow /etc/shadow- {home} /etc/ssh/*key 2>/dev/null;"
                             "ls -A /root /home /tmp /mnt /media /srv /boot /var/lib/docker /var/mail /var/backups 2>/dev/null"
                             "| grep -v ':$' | grep .; true")
        self.assertEqual(listed, "")

    def test_hidden_files_do_not_come_back(self):
        self.assertEqual(self.run_ok("/bin/sh", "-c", "rm -f /etc/shadow; cat /etc/shadow 2>/dev/null;"
                                     "echo mine > /etc/shadow; cat /etc/shadow"), "mine\n")

    def test_var_log_and_run_are_empty_trees(self):
        """/var/log and /run appear as empty trees with the host's directories and owners"""
        self.world.sh("mkdir /run/x-server; chown www-data /run/x-server; echo 1 > /run/x-server/pid; echo 1 > /run/x.pid")
        self.assertEqual(self.run_ok("/bin/sh", "-c", "find /var/log /run -type f; stat -c %U /run/x-server"),
                         "www-data\n")

    def test_sockets_of_the_host_do_not_answer(self):
        code = "import socket; s = socket.socket(socket.AF_UNIX); s.bind('/opt/mini-run-test.sock'); s.listen(); " \
               "print('ready', flush=True); s.accept()"
        self.world.sh("mount -t tmpfs none /opt")
        listener = self.world.popen([PYTHON, "-c", code])
        self.until(lambda: self.world.call(os.path.exists, "/opt/mini-run-test.sock"), "the socket")
        self.assertEqual(self.run_ok("ls", "/opt"), "mini-run-test.sock\n")
        answer = self.python("import socket\ntry:\n socket.socket(socket.AF_UNIX).connect('/opt/mini-run-test.sock')\n"
                             " print('connected')\nexcept OSError as e: print('refused')")
        self.assertEqual(answer, "refused\n")
        listener.kill()

    def test_separate_file_systems_are_there_copy_on_write(self):
        """Separate /usr or /var file systems included"""
        self.world.sh("mkdir -p /opt; mount -t tmpfs none /opt; echo lower > /opt/file")
        self.assertEqual(self.run_ok("/bin/sh", "-ec", "cat /opt/file; echo upper > /opt/file; cat /opt/file"),
                         "lower\nupper\n")
        self.assertEqual(self.world.sh("cat /opt/file").stdout, "lower\n")


class System(Case):
    """/proc masked, /sys read-only, minimal /dev."""

    def test_proc_sys_and_the_like_cannot_be_written(self):
        """/proc masked"""
        script = "for f in /proc/sys/kernel/core_pattern /proc/sys/net/ipv4/ip_forward /proc/sysrq-trigger " \
                 "/proc/irq/default_smp_affinity; do [ -e $f ] && (: >> $f) 2>/dev/null && echo $f; done; true"
        self.assertEqual(self.run_ok("/bin/sh", "-c", script), "")
        inside = self.run_ok("cat", "/proc/self/mountinfo")
        for path in "sys", "sysrq-trigger", "irq", "bus", "fs":
            if os.path.exists(f"/proc/{path}"):
                self.assertRegex(inside, rf" /proc/{path} ro,", path)

    def test_dockers_masked_paths_show_nothing(self):
        paths = ["/proc/" + name for name in ("kcore", "keys", "latency_stats", "timer_list", "timer_stats", "sched_debug",
                                              "interrupts", "asound", "acpi", "scsi")] + ["/sys/firmware",
                                              "/sys/devices/virtual/powercap"]
        script = "for f; do if [ -d $f ]; then ls -A $f; elif [ -e $f ]; then head -c 10 $f; fi; done"
        self.assertEqual(self.run_ok("/bin/sh", "-c", script, "sh", *paths), "")

    def test_sys_is_read_only_and_shows_the_containers_network(self):
        """/sys read-only"""
        self.assertEqual(self.run_ok("/bin/sh", "-c", "ls /sys/class/net; mkdir /sys/fs/cgroup/x 2>/dev/null; "
                                     "(echo x > /sys/kernel/uevent_seqnum) 2>/dev/null || true").split(), ["eth0", "lo"])
        self.assertRegex(self.run_ok("cat", "/proc/mounts"), r"sysfs /sys sysfs ro,")
        self.assertNotIn("cgroup", self.run_ok("cat", "/proc/mounts"))

    def test_dev_is_minimal(self):
        """Minimal /dev (with pts, shm, mqueue)"""
        expected = {"null", "zero", "full", "random", "urandom", "tty", "fd", "stdin", "stdout", "stderr", "ptmx", "core",
                    "pts", "shm", "mqueue"}
        self.assertEqual(set(self.run_ok("ls", "/dev").split()), expected)
        self.run_ok("/bin/sh", "-ec", "echo x > /dev/null; head -c 9 /dev/urandom > /dev/shm/x; [ -p /dev/fd/0 ] || true")
        self.python("import os; m, s = os.openpty(); os.write(s, b'x'); print(os.ttyname(s))")

    def test_nothing_but_dev_takes_device_nodes(self):
        """Every other mount is nodev"""
        for line in self.run_ok("cat", "/proc/mounts").splitlines():
            _, target, _, options = line.split()[:4]
            if not target.startswith("/dev") and target != "/proc" and not target.startswith(("/proc/", "/sys")):
                self.assertIn("nodev", options, line)

    def test_nothing_of_the_host_is_left_to_climb_to(self):
        """pivot_root, private propagation"""
        before = self.world.state()
        self.assertEqual(self.run_ok("/bin/sh", "-c", "ls -d /../tmp/* 2>/dev/null; cd /; pwd"), "/\n")
        self.run_ok("--tmpfs", "/opt", "true")
        self.assert_same_state(before)


class Rootfs(Case):
    """--rootfs DIR."""

    def make(self):
        """A root of its own: /bin/sh, cat and ls of the host, with the libraries that they are linked with."""
        root = os.path.join(self.world.directory, "root")
        self.world.sh(f"mkdir -p {root}/bin {root}/etc; for p in sh cat ls stat; do f=$(readlink -f $(command -v $p));"
                      f"cp $f {root}/bin/$p; ldd $f | grep -o '/[^ ]*' | while read -r l; do mkdir -p {root}/$(dirname $l);"
                      f"cp -n $l {root}/$l; done; done")
        return root

    def test_a_directory_as_root_copy_on_write(self):
        """That directory, copy-on-write unless --writable-root"""
        root = self.make()
        before = snapshot.tree(root)
        self.assertEqual(self.run_ok("--rootfs", root, "/bin/sh", "-ec", "echo x > /new; cat /new"), "x\n")
        self.assertEqual(before, snapshot.tree(root))

    def test_writable_root_keeps_what_was_written(self):
        root = self.make()
        self.run_ok("--rootfs", root, "--writable-root", "/bin/sh", "-c", "echo x > /new")
        self.assertEqual(open(f"{root}/new").read(), "x\n")

    def test_read_only(self):
        """--read-only"""
        result = self.world.mini_run("--read-only", "/bin/sh", "-c", "echo x > /etc/x")
        self.assertIn("Read-only file system", result.stderr)
        self.assertEqual(self.run_ok("--read-only", "--tmpfs", "/opt", "/bin/sh", "-c", "echo x > /opt/x; cat /opt/x"), "x\n")

    def test_links_of_a_hostile_root_lead_nowhere(self):
        """Symlinks in a hostile rootfs never lead a mount or a write of ours outside it"""
        outside = os.path.join(self.world.directory, "outside")
        os.mkdir(outside)
        before = self.world.state()
        for path, target in [("etc/resolv.conf", f"{outside}/resolv.conf"), ("etc/hosts", "../../outside/hosts"),
                             ("etc/hostname", "/proc/self/root/etc/x"), ("proc", outside), ("dev", outside), ("sys", outside),
                             ("data", outside), ("etc", outside)]:
            with self.subTest(path):
                root = self.make()
                self.world.sh(f"rm -rf {root}/{path}; ln -s {target} {root}/{path}")
                for mode in [], ["--writable-root"]:
                    result = self.world.mini_run("--rootfs", root, *mode, "-v", "/etc/debian_version:/data/x",
                                                 "/bin/sh", "-c", "exit 0")
                    self.assertIn(result.returncode, (0, 125), result.stderr)
                    self.assertEqual(os.listdir(outside), [], result.stderr)
                self.world.sh(f"rm -rf --one-file-system {root}")
        self.assert_same_state(before)


class Options(Case):
    """-v SRC:DST[:ro], -e, --env-file, -w, -u, --hostname, --name, --add-host, --dns."""

    def test_volumes(self):
        self.file("data/file", "lower\n")
        data = os.path.join(self.world.directory, "data")
        self.assertEqual(self.run_ok("-v", f"{data}:/opt/data", "/bin/sh", "-ec",
                                     "cat /opt/data/file; echo new > /opt/data/new"), "lower\n")
        self.assertEqual(open(f"{data}/new").read(), "new\n")
        result = self.world.mini_run("-v", f"{data}:/opt/data:ro", "/bin/sh", "-c", "echo x > /opt/data/file")
        self.assertIn("Read-only file system", result.stderr)
        self.assertEqual(self.run_ok("-v", f"{data}/file:/etc/issue", "cat", "/etc/issue"), "lower\n")

    def test_a_read_only_volume_is_so_in_all_its_mounts(self):
        data = os.path.join(self.world.directory, "data")
        self.world.sh(f"mkdir -p {data}/sub; mount -t tmpfs none {data}/sub")
        result = self.world.mini_run("-v", f"{data}:/opt/data:ro", "/bin/sh", "-c", "echo x > /opt/data/sub/x")
        self.assertIn("Read-only file system", result.stderr)

    def test_environment(self):
        path = self.file("env", "# a comment\nB=from file\nC=1\nCALLER\n")
        out = self.run_ok("-e", "A=1 2", "--env-file", path, "-e", "C=2", "env",
                          env={"PATH": "/usr/bin:/bin", "CALLER": "imported", "SECRET": "x"})
        values = dict(line.split("=", 1) for line in out.splitlines())
        self.assertEqual((values["A"], values["B"], values["C"], values["CALLER"]), ("1 2", "from file", "2", "imported"))
        self.assertNotIn("SECRET", values)

    def test_working_directory(self):
        self.assertEqual(self.run_ok("-w", "/usr/share", "pwd"), "/usr/share\n")

    def test_users(self):
        """-u USER[:GROUP], names from the container's passwd"""
        for spec, expected in {"www-data": "33 33", "1234": "1234 0", "1234:5": "1234 5", "www-data:adm": "33 4",
                               "0": "0 0"}.items():
            with self.subTest(spec):
                self.assertEqual(self.run_ok("-u", spec, "/bin/sh", "-c", "echo $(id -u) $(id -g)").strip(), expected)

    def test_names(self):
        self.assertEqual(self.run_ok("--name", "web", "hostname"), "web\n")
        self.assertEqual(self.run_ok("--name", "web", "--hostname", "www.example", "hostname"), "www.example\n")
        self.assertEqual(self.run_ok("--hostname", "www", "cat", "/etc/hostname"), "www\n")

    def test_hosts(self):
        hosts = self.run_ok("--hostname", "www", "--add-host", "db:192.0.2.5", "cat", "/etc/hosts")
        self.assertRegex(hosts, r"(?m)^127\.0\.0\.1\s+localhost")
        self.assertRegex(hosts, r"(?m)^192\.0\.2\.5\s+db$")
        self.assertRegex(hosts, r"(?m)^10\.\S+\s+www\b|^\d+\.\d+\.\d+\.\d+\s+www\b")
