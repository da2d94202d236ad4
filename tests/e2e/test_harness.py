# SPDX-License-Identifier: MIT
"""The ground that the other cases stand on: a World is what it says, and state() sees changes."""

import os
import subprocess

import snapshot
import traffic
from case import Case
from world import CLIENT, HOST, HOST_OTHER, OTHER


class Harness(Case):
    def machine(self):
        commands = "ip -br link; ip -br addr; ip route; cat /proc/sys/net/ipv4/ip_forward; cut -d' ' -f2,3 /proc/mounts"
        return subprocess.run(["sh", "-c", commands], capture_output=True, text=True).stdout

    def test_the_machine_itself_is_not_touched(self):
        before = self.machine()
        self.world.sh("ip link add mini0 type bridge; nft add table inet mini_run; mount -t tmpfs none /mnt;"
                      "sysctl -qw net.ipv4.ip_forward=1; hostname else; touch /run/else")
        self.assertEqual(before, self.machine())
        self.assertFalse(os.path.exists("/run/else"))

    def test_the_machines_files_are_read_only(self):
        for path in (f"{directory}/x-{os.getpid()}" for directory in ("/etc", "/opt", "/tmp", "/var/log")):
            self.assertNotEqual(self.world.run(["touch", path], check=False).returncode, 0, path)
            self.assertFalse(os.path.exists(path))
        self.world.sh(f"touch {self.world.directory}/x")

    def test_state_is_stable(self):
        before = self.world.state()
        self.assertEqual(snapshot.difference(before, self.world.state()), "")

    def test_state_sees_every_kind_of_change(self):
        before = self.world.state()
        for change, undo in {
            "ip link add d0 type bridge": "ip link delete d0",
            "ip link set eth0 alias x": "ip link set eth0 alias ''",
            "ip addr add 192.0.2.1/32 dev eth0": "ip addr delete 192.0.2.1/32 dev eth0",
            "ip route add 192.0.2.0/24 via 203.0.113.2": "ip route delete 192.0.2.0/24",
            "ip rule add pref 5 table 7": "ip rule delete pref 5",
            "nft add table inet x": "nft delete table inet x",
            "sysctl -qw net.ipv4.conf.eth0.forwarding=1": "sysctl -qw net.ipv4.conf.eth0.forwarding=0",
            "mount -t tmpfs none /mnt": "umount /mnt",
            "mkdir /run/mini-run": "rmdir /run/mini-run",
            "mkdir /sys/fs/cgroup/pids/x": "rmdir /sys/fs/cgroup/pids/x",
        }.items():
            if "cgroup/pids" in change and not os.path.isdir("/sys/fs/cgroup/pids"):
                change, undo = change.replace("/pids", ""), undo.replace("/pids", "")
            with self.subTest(change):
                self.world.sh(change)
                self.assertNotEqual(snapshot.difference(before, self.world.state()), "")
                self.world.sh(undo)
                self.assert_same_state(before)
        sleeper = self.world.popen(["sleep", "1000"])
        self.assertIn("sleep 1000", snapshot.difference(before, self.world.state()))
        sleeper.kill()

    def test_state_sees_a_translated_connection(self):
        self.world.sh("nft add table ip x; nft 'add chain ip x o { type nat hook output priority -100; }';"
                      "nft add rule ip x o tcp dport 8080 dnat to 203.0.113.1:80")
        before = self.world.state()
        self.world.serve()
        self.assertIn("page", self.world.call(traffic.outcome, "tcp", HOST, 8080))
        self.assertIn("flow tcp", snapshot.difference(before, self.world.state()))

    def test_the_way_from_the_client_to_the_other_network_is_the_host(self):
        self.world.serve(where="other")
        self.assertEqual(self.world.call(traffic.outcome, "tcp", OTHER, 80), f"page saw {HOST_OTHER}")
        self.assertEqual(self.world.call(traffic.outcome, "tcp", OTHER, 80, where="client"), "TimeoutError")
        self.world.sh("sysctl -qw net.ipv4.ip_forward=1")
        self.assertEqual(self.world.call(traffic.outcome, "tcp", OTHER, 80, where="client"), f"page saw {CLIENT}")

    def test_closing_ends_everything(self):
        marker = "987654321"
        self.world.popen(["setsid", "--fork", "sleep", marker]).wait()
        self.assertIn(marker, str(self.world.state()))
        self.world.close()
        self.doCleanups = lambda: True
        self.assertEqual(subprocess.run(["pgrep", "-f", f"sleep {marker}"], capture_output=True, text=True).stdout, "")
