# SPDX-License-Identifier: MIT
"""minictl doctor: each finding is provoked, and the command that it names mends it."""

import json
import os
import signal

from case import Case
from world import MINICTL

ANSWERS = r"""
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("203.0.113.53", 53))
while True:
    question, peer = server.recvfrom(512)
    server.sendto(question[:2] + b"\x81\x80" + question[4:], peer)
"""


class Doctor(Case):
    timeout = 120

    def setUp(self):
        super().setUp()
        self.world.sh("ip addr add 203.0.113.53/24 dev eth0", where="client")
        self.name_server = self.world.popen(["/usr/bin/python3", "-c", ANSWERS], where="client")
        self.until(lambda: "203.0.113.53:53" in self.world.run(["ss", "-uln"], where="client").stdout, "the name server")

    def doctor(self):
        result = self.world.minictl("doctor", "--json")
        self.assertEqual(result.stderr, "")
        checks = json.loads(result.stdout)
        self.assertEqual(result.returncode, 0 if all(check["ok"] for check in checks) else 1)
        return checks

    def assert_well(self):
        self.assertEqual([check for check in self.doctor() if not check["ok"]], [])

    def found(self, check, *says):
        """The only finding, of CHECK, which says SAYS; the command that mends it."""
        findings = [entry for entry in self.doctor() if not entry["ok"]]
        self.assertEqual([entry["check"] for entry in findings], [check], findings)
        for text in says:
            self.assertIn(text, findings[0]["finding"])
        self.assertNotIn("\n", findings[0]["finding"] + findings[0]["command"])
        return findings[0]["command"]

    def mended_by(self, command):
        """COMMAND is run as it is printed, and all is well."""
        self.world.sh(command.replace("minictl", MINICTL))
        self.assert_well()

    def address(self):
        """The IPv4 address of web."""
        shown = self.ctl("exec", "web", "ip", "-4", "-o", "address", "show", "eth0")
        return shown.split()[3].partition("/")[0]

    def start_web(self):
        self.detach("--name", "web", "-p", "8080:80", "sleep", "1000")
        self.world.sh("sleep 0.5")

    def stop_supervisors(self):
        """Those that would mend sleep."""
        pids = [self.inspect(name)["supervisor"] for name in self.running()]
        for pid in pids:
            self.world.sh(f"kill -STOP {pid}")
        self.addCleanup(lambda: self.world.sh(f"kill -CONT {' '.join(map(str, pids))} || true"))

    def test_a_healthy_host_and_nothing_changes(self):
        before = self.world.state()
        result = self.world.minictl("doctor")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        lines = result.stdout.splitlines()
        self.assertTrue(all(line.startswith("ok ") for line in lines), result.stdout)
        self.assert_same_state(before)
        for check in self.doctor():
            self.assertEqual(sorted(check), ["check", "command", "finding", "ok"])
            self.assertEqual((check["ok"], check["command"]), (True, ""))
        self.start_web()
        before = self.world.state()
        self.assert_well()
        self.assert_same_state(before)

    def test_text_names_the_command(self):
        self.world.sh("ip link add mini0 type bridge")
        result = self.world.minictl("doctor")
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stdout, r"(?m)^WRONG  leftovers +an interface mini0 .*\n +mend it: +ip link delete mini0$")

    def test_own_errors(self):
        self.assert_refused(self.world.minictl("doctor", "--nonsense"), by="minictl")
        self.assert_refused(self.world.run(["setpriv", "--reuid=65534", MINICTL, "doctor"], check=False), says="root",
                            by="minictl")

    def test_kernel_features(self):
        library = self.world.sh("ldconfig -p | sed -n 's/.*libnftables.so.1.*=> //p' | head -1").stdout.strip()
        self.world.sh(f"mount --bind /dev/null {os.path.realpath(library)}")
        self.found("kernel", "CONFIG_NF_TABLES", "libnftables")

    def test_what_somebody_removed(self):
        self.start_web()
        self.stop_supervisors()
        for removal, check in (("nft delete table inet mini_run", "network"), ("ip link set mini0 down", "network"),
                               ("ip addr flush dev mini0", "network"),
                               ("sysctl -qw net.ipv4.conf.mini0.forwarding=0", "forwarding"),
                               ("sysctl -qw net.ipv4.conf.eth0.forwarding=0", "forwarding")):
            with self.subTest(removal):
                self.world.sh(removal)
                command = self.found(check)
                self.assertEqual(command, "minictl repair")
                self.mended_by(command)

    def test_firewalls(self):
        self.world.sh("nft add table inet fw; nft 'add chain inet fw f { type filter hook forward priority 0; policy drop; }'")
        self.mended_by(self.found("firewall", "inet fw f"))
        self.start_web()
        self.stop_supervisors()
        self.assert_well()
        self.world.sh("iptables -P FORWARD DROP; iptables -N DOCKER-USER; iptables -I FORWARD -j DOCKER-USER")
        self.mended_by(self.found("firewall", "mini0"))
        self.world.sh("iptables-legacy -P FORWARD DROP")
        self.mended_by(self.found("firewall", "iptables-legacy"))

    def test_a_route_that_came_later(self):
        self.start_web()
        address = self.address()
        self.world.sh("ip link add tun9 type veth peer name tun8; ip link set tun9 up; ip link set tun8 up;"
                      f"ip route add {address.rpartition('.')[0]}.0/25 dev tun9")
        command = self.found("routes", "tun9", "mini0")
        self.assertEqual(command, "minictl stop web")
        self.mended_by(command)
        self.ctl("rm", "web")
        self.start_web()
        self.assertNotEqual(self.address(), address)
        self.assert_well()
        # one that is asked first, as some VPNs have it
        self.world.sh("ip route add 10.0.0.0/8 dev tun9 table 52; ip rule add lookup 52 pref 5270")
        self.assertEqual(self.found("routes", "tun9"), "minictl stop web")

    def test_mtu(self):
        self.start_web()
        self.world.sh("ip link set eth0 mtu 1280")
        self.mended_by(self.found("mtu", "1280", "1500"))
        self.assertIn("mtu 1280", self.ctl("exec", "web", "ip", "link", "show", "eth0"))

    def test_leftovers(self):
        self.start_web()
        supervisor = self.inspect("web")["supervisor"]
        self.kill(supervisor)
        self.mended_by(self.found("leftovers", "web"))
        self.world.sh("ip link add mini0 type bridge")
        self.mended_by(self.found("leftovers", "mini0"))
        self.world.sh("nft add table inet mini_run")
        self.mended_by(self.found("leftovers", "mini_run"))
        self.ctl("rm", "web")
        self.start_web()
        self.world.sh("echo nonsense | tee -a /run/mini-run/*/network-mini0/journal")
        self.ctl("repair")
        self.mended_by(self.found("leftovers", "journal.damaged"))
        self.stop_supervisors()
        self.world.sh("echo nonsense | tee /run/mini-run/*/network-mini0/up")
        self.mended_by(self.found("leftovers", "network-mini0/up"))

    def test_resolver(self):
        self.name_server.send_signal(signal.SIGKILL)
        self.name_server.wait()
        command = self.found("resolver", "203.0.113.53")
        self.assertIn("mini-run --dns", command)
        self.world.own_file("/etc/resolv.conf", "nameserver 127.0.0.1\n")
        self.found("resolver", "127.0.0.1")  # a resolver on the loopback serves containers, too: none is there
        self.world.own_file("/etc/resolv.conf", "search lan\n")
        self.found("resolver", "names no name server")

    def limit(self, path, used):
        """The machine's limit at PATH reads as what is USED, in this World."""
        self.world.own_file(path, f"{used}\n")

    def test_limits(self):
        self.start_web()
        ports = "".join(f"link add a{i} master mini0 type veth peer name b{i}\nlink set b{i} master mini0\n" for i in range(465))
        self.world.run(["ip", "-batch", "-"], input=ports)
        self.assertIn("--network mini1", self.found("limits", "mini0", "1023"))

    def test_other_limits(self):
        self.start_web()
        self.world.sh("for i in 1 2 3 4 5 6 7 8; do ping -c1 -W1 203.0.113.2 >/dev/null; done")
        flows = int(self.world.sh("cat /proc/sys/net/netfilter/nf_conntrack_count").stdout)
        self.assertGreater(flows, 3)
        self.limit("/proc/sys/net/netfilter/nf_conntrack_max", flows)
        self.assertRegex(self.found("limits", "known connections"), r"^sysctl -w net\.netfilter\.nf_conntrack_max=\d+$")
        self.world.sh("umount /proc/sys/net/netfilter/nf_conntrack_max")
        self.world.sh(f"cd {self.world.directory}; mkdir -p neigh/default; echo 1 > neigh/default/gc_thresh3;"
                      "mount --bind neigh /proc/sys/net/ipv4/neigh")
        self.assertRegex(self.found("limits", "neighbours"), r"^sysctl -w net\.ipv4\.neigh\.default\.gc_thresh3=2$")
        self.world.sh("umount /proc/sys/net/ipv4/neigh")
        self.limit("/proc/sys/fs/file-max", 3)
        self.assertRegex(self.found("limits", "descriptors"), r"^sysctl -w fs\.file-max=6$")

    def test_the_pool(self):
        routes = [f"10.210.{i}.0/22" for i in range(0, 256, 4)] + [f"172.30.{i}.0/22" for i in range(0, 256, 4)]
        routes += [f"192.168.{i}.0/22" for i in range(192, 256, 4)] + [f"198.{j}.{i}.0/22" for j in (18, 19) for i in range(0, 256, 4)]
        self.world.run(["ip", "-batch", "-"], input="".join(f"route add {route} dev eth1\n" for route in routes))
        self.mended_by(self.found("limits", "no subnet is free"))

    def test_room_in_run(self):
        self.world.sh("head -c 60000k /dev/zero > /run/big")
        self.mended_by(self.found("run", "/run"))
