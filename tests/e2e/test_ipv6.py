# SPDX-License-Identifier: MIT
"""Issue, 2: IPv6 from the start: the host's own way out, forwarding by interface or by host, and what stays closed."""

import snapshot
import traffic
from case import PYTHON, Case
from world import CLIENT6, HOST6, OTHER6

FOREVER = ["sleep", "1000"]

# A router advertisement (RFC 4861, 4.2): hop limit 64, lifetime 1800 s. The kernel fills in the checksum.
ADVERTISE = """
import socket, struct
out = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
out.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
out.bind(("fe80::ff:fe00:2", 0, 0, socket.if_nametoindex("eth0")))  # of the World's client
out.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, socket.if_nametoindex("eth0"))
out.sendto(struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0), ("ff02::1", 0))
"""


class Ipv6Case(Case):
    def advertised(self):
        """Default routes that the host learned from advertisements."""
        return [route["gateway"] for route in snapshot.ip_json(self.world, "-6", "route", "show", "default", "proto", "ra")]

    def learn(self):
        self.world.sh("ip -6 route delete default proto ra 2>/dev/null || true")
        sent = lambda: self.world.run([PYTHON, "-c", ADVERTISE], where="client", check=False).returncode == 0
        self.until(sent, "the client has no address of its link", 5)
        self.until(self.advertised, "no route was learned from the advertisement", 3)

    def forwarding(self):
        return self.world.sh("cat /proc/sys/net/ipv6/conf/all/forwarding /proc/sys/net/ipv6/conf/eth0/accept_ra").stdout.split()

    def check(self, during):
        """The host keeps its own default route learned from router advertisements, and routes for nobody else."""
        self.world.sh("sysctl -qw net.ipv6.conf.eth0.accept_ra=1; ip -6 route delete default")
        self.learn()
        self.detach("--rm", "--name", "web", "-p", "8080:80", *traffic.server())
        self.until_logged("web", "ready")
        self.assertEqual(self.forwarding(), during)
        self.assertTrue(self.advertised())
        self.learn()  # and goes on learning
        ask = lambda host, port, where: self.world.call(traffic.outcome, "tcp", host, port, where=where)
        self.assertEqual(ask(HOST6, 8080, "client"), f"page saw {CLIENT6}")
        self.world.serve("other", 7000, where="other")
        self.assertIn("other saw", ask(OTHER6, 7000, "host"))
        self.assertIn("other saw", ask(OTHER6, 7000, self.network("web")))
        self.assertNotIn("saw", ask(OTHER6, 7000, "client"))
        self.assertIn("not ours", self.world.sh("nft list chain inet mini_run transit | grep -v 'packets 0'").stdout)
        self.world.sh("ip -6 route delete default proto ra")
        self.ctl("stop", "-t", "0", "web")
        self.until(lambda: self.forwarding() == ["0", "1"], "forwarding is as before")
        self.learn()


class ByInterface(Ipv6Case):
    def test_the_host_keeps_its_own_route(self):
        self.check(["0", "1"])

    def test_a_host_without_ipv6(self):
        """Where IPv6 is off, there is IPv4"""
        self.world.sh("sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1")
        before = self.world.state()
        self.detach("--rm", "--name", "web", "-p", "8080:80", *traffic.server())
        self.until_logged("web", "ready")
        self.assertEqual(len(self.inspect("web")["networks"][0]["addresses"]), 1)
        self.assertIn("page saw", self.world.call(traffic.outcome, "tcp", "127.0.0.1", 8080))
        self.ctl("stop", "-t", "0", "web")
        self.assert_same_state(before, 10)

    def test_addresses_are_usable_at_once(self):
        """NODAD: no second lost to duplicate detection"""
        self.world.sh("sysctl -qw net.ipv6.conf.default.accept_dad=1")
        out = self.run_ok("ip", "-6", "-br", "addr", "show", "dev", "eth0", "scope", "global", "-tentative")
        self.assertIn("fd6d:696e:6972::", out)


class ByHost(Ipv6Case):
    """As before Linux 6.17: no force_forwarding, IPv6 is forwarded by the whole host or not at all."""

    def setUp(self):
        super().setUp()
        self.world.sh(f"cd {self.world.directory}; mkdir all; cd all; all=/proc/sys/net/ipv6/conf/all;"
                      "for key in forwarding disable_ipv6 accept_dad accept_ra; do touch $key; mount --bind $all/$key $key; done;"
                      "mount --rbind . $all")

    def test_the_host_keeps_its_own_route(self):
        self.check(["1", "2"])
