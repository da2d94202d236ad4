# SPDX-License-Identifier: MIT
"""Issue, 4: published ranges, and ports that are published for some clients only."""

import json
import re
import subprocess

import snapshot
import traffic
from case import LOCAL_HOST, PYTHON, Case
from world import CLIENT, CLIENT6, HOST, HOST6, HOST_OTHER, HOST_OTHER6, MINI_RUN

FOREVER = ["/bin/sh", "-c", "echo ready; exec sleep 1000"]
REFUSED = "ConnectionRefusedError"


class PortCase(Case):
    timeout = 120

    def ask(self, protocol, host, port, where="host", timeout=2):
        return self.world.call(traffic.outcome, protocol, host, port, timeout, where=where)

    def bridge(self, family):
        return next(info["local"] for link in snapshot.ip_json(self.world, family, "addr", "show", "dev", "mini0")
                    for info in link["addr_info"] if info.get("scope") == "global")

    def rules(self):
        """How many there are, in all chains."""
        listing = self.world.sh("nft -a list table inet mini_run").stdout
        return len(re.findall(r"^\t\t(?!type|comment|flags|elements|policy).*# handle \d+$", listing, re.MULTILINE))

    def elements(self, name):
        return self.world.sh(f"nft list map inet mini_run {name} || nft list set inet mini_run {name}").stdout


class Range(PortCase):
    """Every way to a port of a range, of any length."""

    bridge_nf = 0

    def test_every_way_to_a_port_of_a_range(self):
        """identity range = one element; tcp+udp; addresses incl. IPv6"""
        page = self.world.start("-p", "8000-17999:8000-17999/tcp+udp", *traffic.server(port=8123))
        neighbour = self.world.start(*FOREVER)
        bridge, bridge6 = self.bridge("-4"), self.bridge("-6")
        loopback6 = [("host", "::1", None)] if self.bridge_nf == 0 else []
        ways = [("client", HOST, CLIENT), ("client", HOST6, CLIENT6), ("client", HOST_OTHER, CLIENT),
                ("host", LOCAL_HOST, bridge), ("host", HOST, None), ("host", HOST6, None), ("host", bridge, None), *loopback6,
                (neighbour.network, HOST, None), (neighbour.network, HOST6, None), (neighbour.network, bridge, None),
                (page.network, HOST, None), (page.network, HOST6, None), (page.network, bridge6, None)]
        for protocol in "tcp", "udp":
            for where, host, peer in ways:
                with self.subTest(f"{protocol} to {host} from {where if isinstance(where, str) else 'a container'}"):
                    self.assertRegex(self.ask(protocol, host, 8123, where), f"^page saw {re.escape(peer or '')}")
        for port in 7999, 8124, 18000:
            self.assertEqual(self.ask("tcp", HOST, port, "client", 0.5), REFUSED)
        for digit in "46":
            self.assertEqual(self.elements(f"pub{digit}_range").count("8000-17999"), 2)

    def test_shifted(self):
        """shifted = elements in one transaction"""
        self.world.start("-p", "9000-9009:80-89/tcp+udp", *traffic.server("shifted", port=83))
        for where, host in ("client", HOST), ("client", HOST6), ("host", LOCAL_HOST):
            for protocol in "tcp", "udp":
                self.assertRegex(self.ask(protocol, host, 9003, where), "^shifted saw")
            self.assertEqual(self.ask("tcp", host, 9004, where, 0.5), REFUSED)

    def test_an_address_of_its_own(self):
        web = self.world.start("-p", f"{HOST}:10000-19999:10000-19999", "-p", f"[{HOST6}]:10000-19999:10000-19999",
                               *traffic.server(port=12345))
        self.assertRegex(web.err, "20000 of the published ports were checked, but are not held")
        self.assertEqual(self.ask("tcp", HOST, 12345, "client"), f"page saw {CLIENT}")
        self.assertEqual(self.ask("tcp", HOST6, 12345, "client"), f"page saw {CLIENT6}")
        for host, port in (HOST, 9999), (HOST, 20000), (HOST6, 12346), (HOST_OTHER, 12345), (LOCAL_HOST, 12345):
            self.assertEqual(self.ask("tcp", host, port, timeout=0.5), REFUSED)

    def test_the_number_of_rules_never_changes(self):
        self.world.start("-p", "8080:80", *FOREVER)
        rules = self.rules()
        self.assertGreater(rules, 20)
        self.world.start("-p", "8000-8079:8000-8079", "-p", "9000-9099:80-179", "-p", f"{HOST}:7000:80", "-p",
                         "7001:80/udp,from=192.0.2.0/24,from=2001:db8::/32", "-p", "30000-39999:30000-39999", *FOREVER)
        self.assertEqual(self.rules(), rules)

    def test_a_flush_of_all_rules_is_mended(self):
        """ENOENT: install the rule set again, replay every running container's elements"""
        limit = f",from={CLIENT}"
        self.world.start("-p", "8100-8109:8100-8109", "-p", f"8200:8100{limit}", *traffic.server("one", 8100))
        names = "pub4_range", "pub6_range", "limited4", "from4"
        elements = {name: self.elements(name) for name in names}
        self.world.sh("nft flush ruleset")
        self.world.start("-p", "8081:80", "/bin/sh", "-c", "echo ready; exec sleep 1000")
        self.assertEqual(self.ask("tcp", HOST, 8100, "client"), f"one saw {CLIENT}")
        self.assertEqual(self.ask("tcp", HOST, 8200, "client"), f"one saw {CLIENT}")
        self.assertEqual(self.ask("tcp", HOST_OTHER, 8200, "other", 0.5), REFUSED)
        for name in names:
            self.assertEqual(self.elements(name), elements[name])


class RangeWithBridgeNetfilter(Range):
    bridge_nf = 1


class Owner(PortCase):
    """A port of a range has one owner: one line that names it, exit 125, nothing changed."""

    def refused(self, ports, number):
        with self.subTest(ports):
            says = (rf"\b{number}/(tcp|udp) is taken", r"\bweb\b")
            self.assert_refused(self.world.mini_run("-p", ports, "true"), says=says)
            self.assert_refused(self.world.mini_run("--dry-run", "-p", ports, "true"), says=says)

    def test_a_port_of_a_range(self):
        """Also of one that is too long to be held, and the other way round"""
        self.world.start("--name", "web", "-p", "8000-8009:8000-8009", "-p", "9000-9999:9000-9999", *FOREVER)
        before = self.world.state()
        for ports, number in (("8005:80", 8005), ("127.0.0.1:9005:80", 9005), ("8009-8010:8009-8010", 8009),
                              ("9990-19990:9990-19990", 9990), (f"[{HOST6}]:9000:80", 9000), ("9998-9999:80-81", 9998),
                              ("9500:80,from=192.0.2.1", 9500)):
            self.refused(ports, number)
        self.assert_same_state(before)
        self.run_ok("-p", "8000-9999:8000-9999/udp", "true")
        self.run_ok("-p", "8010-8999:8010-8999", "true")

    def test_a_range_over_a_port(self):
        self.world.start("--name", "web", "-p", "127.0.0.1:8080:80", "-p", "8081:80/udp", "-p", "5000-5099:6000-6099", *FOREVER)
        before = self.world.state()
        for ports, number in (("8000-8999:8000-8999", 8080), ("8080-8089:8080-8089", 8080), ("8081-9000:8081-9000/udp", 8081),
                              ("5098-5200:5098-5200", "(5098|5099)"), ("127.0.0.1:5099:80", 5099), ("5099:80", 5099)):
            self.refused(ports, number)
        self.assert_same_state(before)

    def test_a_range_over_a_program(self):
        server = self.world.serve("host", 8080)
        for port in "8000-8999:8000-8999", "8080-8089:8080-8089":
            self.assert_refused(self.world.mini_run("-p", port, "true"), says=("8080/tcp is taken", "python3"))
        server.kill()

    def test_up_to_64_ports_are_held(self):
        for last, held in (8063, True), (8064, False):
            web = self.world.start("-p", f"8000-{last}:8000-{last}", *FOREVER)
            bind = self.world.run([PYTHON, "-c", "import socket\nsocket.create_server(('0.0.0.0', 8042))"], check=False)
            self.assertEqual(bind.returncode != 0, held, bind.stderr)
            self.assertEqual("are not held" in web.err, not held, web.err)
            web.stop()

    def test_two_at_once(self):
        """Both look before either has added: one of them at most has the ports"""
        before = self.world.state()
        for _ in range(5):
            both = [self.world.popen([MINI_RUN, "-p", ports, "sleep", "0.5"], stderr=subprocess.DEVNULL)
                    for ports in ("9000-9999:9000-9999", "9500:80")]
            self.assertLessEqual(sum(each.wait() == 0 for each in both), 1)
        self.assert_same_state(before)


class Live(PortCase):
    """minictl port add and rm"""

    def refused(self, *arguments, says):
        self.assert_refused(self.world.minictl(*arguments), says=says, by="minictl")

    def test_a_range_is_one(self):
        self.detach("--name", "web", "--wait", "-p", "8080:12345", *traffic.server(port=12345))
        self.detach("--name", "db", *FOREVER)
        self.assertEqual(self.ctl("port", "add", "web", "10000-19999:10000-19999"), "10000-19999->10000-19999/tcp\n")
        self.assertIn("page saw", self.ask("tcp", HOST, 12345, "client"))
        self.assertEqual(json.loads(self.ctl("port", "--json", "web"))["web"][1],
                         {"host_port": 10000, "container_port": 10000, "count": 10000, "protocol": "tcp"})
        self.assertIn("10000-19999->10000-19999/tcp", self.ctl("ps"))
        self.refused("port", "add", "db", "8000-12000:8000-12000", says="(8080|10000)/tcp is taken.*web")
        self.refused("port", "add", "db", "12345:80", says="12345/tcp is taken.*web")
        self.refused("port", "add", "web", "12345:80", says="12345/tcp is taken.*web")
        self.refused("port", "rm", "web", "12345", says="part of the range.*as a whole: 10000-19999/tcp")
        self.ctl("port", "rm", "web", "10000-19999")
        self.assertEqual(self.ask("tcp", HOST, 12345, "client"), REFUSED)
        self.assertEqual(self.ctl("port", "web"), "8080->12345/tcp\n")
        self.ctl("port", "add", "db", "12345:80")

    def test_for_whom(self):
        self.detach("--name", "web", "--wait", "-p", "8080:80", *traffic.server())
        added = self.ctl("port", "add", "web", "8081:80,from=198.18.0.0/15")
        self.assertEqual(added, "8081->80/tcp,from=198.18.0.0/15\n")
        self.assertEqual(self.ask("tcp", HOST, 8081, "client"), REFUSED)
        self.assertIn("from=198.18.0.0/15", self.ctl("ps"))
        self.assertEqual(self.inspect("web")["ports"][1]["from"], ["198.18.0.0/15"])
        self.ctl("port", "rm", "web", "8081")
        self.ctl("port", "add", "web", f"8081:80,from={CLIENT}")
        self.assertIn("page saw", self.ask("tcp", HOST, 8081, "client"))
        self.ctl("port", "rm", "web", "8081")
        self.assertEqual(self.ask("tcp", HOST, 8081, "client"), REFUSED)
        for name in "limited4", "limited6", "from4", "from6":
            self.assertNotIn("8081", self.elements(name))

    def test_a_range_is_served_when_one_of_its_ports_is(self):
        self.detach("--name", "web", "--wait=5", "-p", "8000-8099:8000-8099", *traffic.server(port=8042))
        result = self.world.mini_run("-d", "--wait=0", "-p", "7000-7099:7000-7099", *FOREVER)
        self.assertEqual(result.returncode, 125)
        self.assertIn("port 7000-7099/tcp is not listened to", result.stderr)

    def test_it_ends_with_a_supervisor_that_was_killed(self):
        """kill -9 of anything leaves nothing that the next command does not clear"""
        before = self.world.state()
        self.detach("--rm", "--name", "web", "-p", "8000-8999:8000-8999", "-p", f"80:80/tcp+udp,from={CLIENT}", *FOREVER)
        self.ctl("port", "add", "web", "9000-9999:9000-9999,from=2001:db8::/32")
        self.kill(self.inspect("web")["supervisor"])
        self.assertEqual(self.ctl("ps", "-q"), "")
        self.assert_same_state(before, 10)


class From(PortCase):
    """,from=CIDR allow-list"""

    bridge_nf = 0

    def test_only_these_clients(self):
        limit = f",from={CLIENT}/32,from={CLIENT6}"
        web = self.world.start("-p", f"8080:80/tcp+udp{limit}", "-p", f"80-89:80-89{limit}", "-p", f"{HOST}:8082:80,from={CLIENT}",
                               "-p", "8081:80", *traffic.server())
        neighbour = self.world.start(*FOREVER)
        for protocol in "tcp", "udp":
            self.assertEqual(self.ask(protocol, HOST, 8080, "client"), f"page saw {CLIENT}")
            self.assertEqual(self.ask(protocol, HOST6, 8080, "client"), f"page saw {CLIENT6}")
            for host in LOCAL_HOST, HOST, HOST6:  # the host itself is not kept out
                self.assertIn("page saw", self.ask(protocol, host, 8080))
            for where, host in ("other", HOST_OTHER), ("other", HOST_OTHER6), (neighbour.network, HOST), (web.network, HOST6):
                self.assertNotIn("page", self.ask(protocol, host, 8080, where, 0.3))
        self.assertEqual(self.ask("tcp", HOST, 80, "client"), f"page saw {CLIENT}")
        self.assertEqual(self.ask("tcp", HOST, 8082, "client"), f"page saw {CLIENT}")
        for where, host in ("other", HOST_OTHER), ("other", HOST_OTHER6), (neighbour.network, HOST):
            for port in 8080, 80, 8082:
                self.assertEqual(self.ask("tcp", host, port, where, 0.5), REFUSED)
        self.assertIn("page saw", self.ask("tcp", HOST_OTHER, 8081, "other"))

    def test_of_one_family_it_serves_that_only(self):
        self.world.start("-p", f"8080:80,from={CLIENT}", "-p", "8081:80,from=2001:db8::/32", *traffic.server())
        self.assertIn("page saw", self.ask("tcp", HOST, 8080, "client"))
        self.assertEqual(self.ask("tcp", HOST6, 8080, "client", 0.5), REFUSED)
        self.assertEqual(self.ask("tcp", HOST, 8081, "client", 0.5), REFUSED)
        self.assertIn("page saw", self.ask("tcp", HOST6, 8081, "client"))
        self.assertNotIn("8080", self.elements("pub6_any"))

    def test_nothing_of_it_is_left(self):
        before = self.world.state()
        web = self.world.start("-p", f"8080:80/tcp+udp,from={CLIENT},from=2001:db8::/32", "-p", "8000-8063:8000-8063,from=0.0.0.0/0",
                               "-p", "9000-9999:9000-9999/udp", *FOREVER)
        web.stop()
        self.assert_same_state(before)

    def test_where_it_would_let_nobody_in(self):
        for ports, says in ((f"{HOST}:80:80,from=2001:db8::/32", "nobody comes from 2001:db8::/32 to an IPv4 address"),
                            ("127.0.0.1:80:80,from=10.0.0.0/8", "only this host reaches that address"),
                            ("80:80,from=10.0.0.1/8", "within the network 10.0.0.0/8")):
            self.assert_refused(self.world.mini_run("-p", ports, "true"), says=says)


class FromWithBridgeNetfilter(From):
    bridge_nf = 1
