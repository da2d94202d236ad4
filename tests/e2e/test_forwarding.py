# SPDX-License-Identifier: MIT
"""Issue, 3: "Forwarding is switched on per interface, never globally, transit between the interfaces that we
opened is dropped, and the last container puts back what is still ours"."""

import os
import re
import shutil

import traffic
from case import LOCAL_HOST, Case
from world import CLIENT, HOST, HOST_OTHER, OTHER

KEEPER = ["/bin/sh", "-c", "echo ready; exec sleep 1000"]


class Forwarding(Case):
    timeout = 120

    def forwarding(self, name):
        return self.world.sh(f"cat /proc/sys/net/ipv4/conf/{name}/forwarding").stdout.strip()

    def transit(self):
        """What the client gets from the other network's server through the host, and the other way round."""
        return (self.world.call(traffic.outcome, "tcp", OTHER, 7000, where="client"),
                self.world.call(traffic.outcome, "tcp", CLIENT, 7000, where="other"))

    def servers_outside(self):
        for where in "client", "other":
            self.world.popen(traffic.server("outside", 7000), where=where)
        for address in CLIENT, OTHER:
            self.until(lambda: "outside" in self.world.call(traffic.outcome, "tcp", address, 7000), "the servers")

    def test_two_outside_interfaces_stay_closed_to_each_other(self):
        """Two outside interfaces stay closed to each other before, during and after"""
        self.servers_outside()
        closed = ("TimeoutError", "TimeoutError")
        self.assertEqual(self.transit(), closed)
        container = self.world.start("-p", "8080:80", *traffic.server())
        for host, where in (HOST, "client"), (HOST_OTHER, "other"):
            self.assertIn("page", self.world.call(traffic.outcome, "tcp", host, 8080, where=where))
        self.assertEqual(self.transit(), closed)
        self.assertEqual(self.world.sh("cat /proc/sys/net/ipv4/ip_forward").stdout, "0\n")
        container.stop()
        self.assertEqual(self.transit(), closed)

    def test_a_host_that_is_a_router_stays_one(self):
        """Restored only while it is ours"""
        self.servers_outside()
        self.world.sh("sysctl -qw net.ipv4.ip_forward=1")
        before = self.world.state()
        open_ = (f"outside saw {CLIENT}", f"outside saw {OTHER}")
        self.assertEqual(self.transit(), open_)
        container = self.world.start("-p", "8080:80", *traffic.server())
        self.assertEqual(self.transit(), open_)
        container.stop()
        self.assertEqual(self.transit(), open_)
        self.assert_same_state(before)

    def test_forwarding_that_somebody_switches_on_meanwhile_stays_on(self):
        container = self.world.start("-p", "8080:80", *traffic.server())
        self.world.sh("sysctl -qw net.ipv4.ip_forward=1")
        container.stop()
        self.until(lambda: "mini0" not in self.world.sh("ip -br link").stdout, "the bridge is gone")
        self.assertEqual([self.forwarding(name) for name in ("eth0", "eth1", "all")], ["1", "1", "1"])

    def test_values_that_somebody_else_had_set_are_left_alone(self):
        self.world.sh("sysctl -qw net.ipv4.conf.eth0.forwarding=1")
        before = self.world.state()
        self.world.start("-p", "8080:80", *traffic.server()).stop()
        self.assert_same_state(before)
        self.assertEqual(self.forwarding("eth0"), "1")

    def test_a_dockerd_started_in_between_still_works_after_our_exit(self):
        """A dockerd started in between still works after our exit"""
        self.assertTrue(shutil.which("dockerd"), "docker.io is needed (tests/packages.sh)")
        container = self.world.start("-p", "8080:80", *traffic.server())
        # dockerd writes to /etc/docker, and containerd below /opt
        self.world.sh(f"mkdir {self.world.directory}/upper {self.world.directory}/work; mount -t tmpfs none /opt;"
                      f"mount -t overlay -o lowerdir=/etc,upperdir={self.world.directory}/upper,"
                      f"workdir={self.world.directory}/work none /etc")
        top = os.path.join(self.world.directory, "docker")
        docker = self.world.popen(
            ["dockerd", "--data-root", f"{top}/data", "--exec-root", f"{top}/exec", "--pidfile", f"{top}/pid", "-H",
             f"unix://{top}/sock", "--storage-driver", "vfs"], stdout=open(f"{self.world.directory}/docker.log", "w"),
            stderr=-2)
        try:
            self.until(lambda: os.path.exists(f"{top}/pid") and "API listen" in open(f"{self.world.directory}/docker.log").read(),
                       "dockerd did not start", 40)
        except AssertionError:
            self.fail(open(f"{self.world.directory}/docker.log").read()[-3000:])
        theirs = self.world.run(["nft", "list", "table", "ip", "filter"]).stdout
        container.stop()
        self.until(lambda: "mini0" not in self.world.sh("ip -br link").stdout, "the bridge is gone")
        self.assertEqual([self.forwarding(n) for n in ("all", "eth0", "eth1", "docker0")], ["1"] * 4)
        strip = lambda text: re.sub(r"packets \d+ bytes \d+", "", text)
        self.assertEqual(strip(self.world.run(["nft", "list", "table", "ip", "filter"]).stdout), strip(theirs))
        docker.terminate()
        docker.wait(20)


class ForeignFirewall(Case):
    """Where a foreign forward chain would drop our packets, one line names it and the command that mends it."""

    def page_from_beyond(self):
        return self.world.call(traffic.outcome, "tcp", HOST, 8080, where="client")

    def test_docker(self):
        self.world.sh("iptables -P FORWARD DROP; iptables -N DOCKER-USER; iptables -A DOCKER-USER -j RETURN;"
                      "iptables -I FORWARD -j DOCKER-USER")
        container = self.world.start("-p", "8080:80", *traffic.server())
        lines = [line for line in container.err.splitlines() if "DOCKER-USER" in line]
        self.assertEqual(len(lines), 1, container.err)
        self.assertNotIn("page", self.page_from_beyond())
        command = re.search(r"(?:iptables|nft) .*", lines[0])[0].rstrip("`'\".")
        self.world.sh(command)
        self.assertEqual(self.page_from_beyond(), f"page saw {CLIENT}")
        self.assertIn("page", self.world.call(traffic.outcome, "tcp", LOCAL_HOST, 8080))
        container.stop()
        again = self.world.start("-p", "8080:80", *traffic.server())
        self.assertEqual(again.err, "", "it is mended already")

    def test_a_plain_policy(self):
        self.world.sh("nft add table inet fw; nft 'add chain inet fw forward { type filter hook forward priority 0; policy drop; }'")
        container = self.world.start("-p", "8080:80", *traffic.server())
        lines = container.err.splitlines()
        self.assertEqual(len(lines), 1, container.err)
        self.assertRegex(lines[0], r"^mini-run: .*inet fw.*forward")
        self.world.sh(re.search(r"nft .*", lines[0])[0].rstrip("`."))
        self.assertEqual(self.page_from_beyond(), f"page saw {CLIENT}")

    def test_who_starts_one_in_the_background_is_told(self):
        self.world.sh("nft add table inet fw; nft 'add chain inet fw forward { type filter hook forward priority 0; policy drop; }'")
        result = self.world.mini_run("-d", "--rm", "--name", "web", "-p", "8080:80", "sleep", "1000")
        self.assertEqual((result.returncode, result.stdout), (0, "web\n"))
        self.assertRegex(result.stderr, r"\Amini-run: .*inet fw.*forward[^\n]*\n\Z")

    def test_ufw(self):
        self.world.sh("iptables -P FORWARD DROP; iptables -N ufw-before-forward; iptables -N ufw-user-forward;"
                      "iptables -A FORWARD -j ufw-before-forward; iptables -A ufw-before-forward -j ufw-user-forward")
        container = self.world.start("-p", "8080:80", *traffic.server())
        self.assertEqual(container.err.count("\n"), 1, container.err)
        self.assertIn("ufw route allow", container.err)
        self.assertIn("mini0", container.err)

    def test_nothing_is_said_where_nothing_drops(self):
        self.world.sh("iptables -P FORWARD ACCEPT; iptables -A FORWARD -i nothing -j DROP")
        self.assertEqual(self.world.start("-p", "8080:80", *traffic.server()).err, "")
