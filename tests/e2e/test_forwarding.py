# SPDX-License-Identifier: MIT
"""Issue, 3: "Forwarding is switched on per interface, never globally, transit between the interfaces that we
opened is dropped, and the last container puts back what is still ours"."""

import shutil

import snapshot
import traffic
from case import Case
from daemons import Docker, foreign_state
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
            self.world.serve("outside", 7000, where=where)
        for address in CLIENT, OTHER:
            self.assertIn("outside", self.world.call(traffic.outcome, "tcp", address, 7000))

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
        docker = Docker(self.world)
        theirs = foreign_state(self.world)
        container.stop()
        self.until(lambda: "mini0" not in self.world.sh("ip -br link").stdout, "the bridge is gone")
        self.assertEqual([self.forwarding(n) for n in ("all", "eth0", "eth1", "docker0")], ["1"] * 4)
        self.assertEqual(snapshot.difference(theirs, foreign_state(self.world)), "")
        docker.stop()
