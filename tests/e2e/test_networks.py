# SPDX-License-Identifier: MIT
"""Issue, 1: networks as things: described, joined, several at once, left; and what their kinds allow."""

import json
import os

import snapshot
import traffic
from case import PYTHON, Case
from world import CLIENT, HOST, HOST6

FOREVER = ["sleep", "1000"]


class NetworkCase(Case):
    timeout = 120

    def setUp(self):
        super().setUp()
        own = f"{self.world.directory}/own-etc"  # descriptions are files of /etc
        self.world.sh(f"mkdir {own}; cp -a /etc/. {own}/; mount --bind {own} /etc")
        self.opened = []
        self.before = self.world.state()

    def create(self, name, *options):
        self.assertEqual(self.ctl("network", "create", name, *options), f"{name}\n")

    def refused(self, *arguments, says=()):
        self.assert_refused(self.world.minictl(*arguments), 125, says, by="minictl")

    def place(self, name, number=0):
        return self.inspect(name)["networks"][number]

    def address(self, name, number=0, family=0):
        return self.place(name, number)["addresses"][family].split("/")[0]

    def network(self, name):
        """As Case.network(), but closed at the test's end: an open namespace keeps its veth."""
        where = super().network(name)
        self.opened.append(where["net"])
        return where

    def assert_same_state(self, *arguments):
        while self.opened:
            os.close(self.opened.pop())
        super().assert_same_state(*arguments)

    def ask(self, host, port=80, where="host", timeout=1):
        return self.world.call(traffic.outcome, "tcp", host, port, timeout, where=where)

    def serve(self, name, *options):
        self.detach("--rm", "--name", name, *options, *traffic.server(name))
        self.until_logged(name, "ready")


class Described(NetworkCase):
    def test_create_ls_inspect_rm(self):
        self.create("lab0", "--subnet", "10.5.0.0/24", "--gateway", "10.5.0.254", "--subnet", "fd00:5::/64", "--mtu", "1400")
        self.assert_same_state(self.before)  # nothing in the kernel yet
        self.assertRegex(self.ctl("network", "ls"), r"(?m)^lab0 +10.5.0.0/24 fd00:5::/64 *$")
        self.detach("--name", "web", "--network", "lab0", *FOREVER)
        known = json.loads(self.ctl("network", "inspect", "lab0"))[0]
        self.assertEqual((known["subnets"], known["gateways"]), (["10.5.0.0/24", "fd00:5::/64"], ["10.5.0.254", "fd00:5::1"]))
        self.assertEqual([each["name"] for each in known["containers"]], ["web"])
        bridge = snapshot.addresses(self.world.sh(snapshot.ADDRESSES).stdout)
        self.assertTrue({"address lab0 10.5.0.254", "address lab0 fd00:5::1"} <= set(bridge))
        for where, link in ("host", "lab0"), (self.network("web"), "eth0"):
            self.assertEqual(snapshot.ip_json(self.world, "link", "show", link, where=where)[0]["mtu"], 1400)
        self.refused("network", "rm", "lab0", says=["lab0", "in use", "web"])
        self.ctl("rm", "-f", "web")
        self.assertEqual(self.ctl("network", "rm", "lab0"), "lab0\n")
        self.until(lambda: self.ctl("network", "ls").count("\n") == 1, "the bridge goes with its last container")
        self.refused("network", "inspect", "lab0", says=["no network lab0"])
        self.assert_same_state(self.before, 10)

    def test_what_is_wrong_is_named(self):
        """Messages name the key, and what would be right"""
        self.create("lab0", "--subnet", "10.5.0.0/24")
        for options, says in ((["--subnet", "10.5.0.0/25"], ["10.5.0.0/25", "lab0"]),
                              (["--subnet", "203.0.113.0/25"], ["203.0.113.1/24", "host"]),
                              (["--subnet", "10.6.0.1/24"], ["subnet", "10.6.0.0/24"]),
                              (["--subnet", "10.6.0.0/31"], ["/30"]),
                              (["--gateway", "10.6.0.1"], ["gateway", "needs a subnet"]),
                              (["--subnet", "10.6.0.0/24", "--gateway", "10.7.0.1"], ["gateway", "10.6.0.1"]),
                              (["--ipv6", "maybe"], ["on or off"]),
                              (["--ipv6", "off", "--subnet", "fd00::/64"], ["subnet6 needs ipv6"]),
                              (["--mtu", "12"], ["mtu", "576"]),
                              (["--option", "colour=red"], ["colour", "publish-address"]),
                              (["--option", "internal=3"], ["internal", "true or false"])):
            with self.subTest(options):
                self.refused("network", "create", "bad0", *options, says=says)
        self.refused("network", "create", "lab0", says=["already"])
        self.refused("network", "create", "eth0", says=["interface eth0"])
        self.refused("network", "create", "host", says=["meaning of its own"])
        self.world.sh("echo '{\"mtu\": 1400,\n \"mtu\": }' >/etc/mini-run/networks/torn.json")
        self.refuse(["--network", "torn", "true"], says=["torn.json", "line 2"])
        self.assertIn("lab0", self.ctl_with_note("network", "ls"))
        self.assert_same_state(self.before)

    def ctl_with_note(self, *arguments):
        """Of a command that says something beside its answer."""
        return self.world.minictl(*arguments).stdout

    def refuse(self, arguments, says):
        self.assert_refused(self.world.mini_run(*arguments), 125, says)

    def test_addresses_and_macs(self):
        """--ip, --ip6, --mac on every network; the MAC is derived from the address otherwise"""
        self.create("lab0", "--subnet", "10.5.0.0/24", "--subnet", "fd00:5::/64")
        self.detach("--name", "web", "--network", "lab0", "--ip", "10.5.0.77", "--ip6", "fd00:5::88", "--mac",
                    "02:00:00:00:00:07", "--network", "mini0", *FOREVER)
        first, second = self.inspect("web")["networks"]
        self.assertEqual((first["addresses"], first["mac"]), (["10.5.0.77/24", "fd00:5::88/64"], "02:00:00:00:00:07"))
        self.assertEqual(second["mac"], "02:42:" + ":".join(f"{int(part):02x}" for part in self.address("web", 1).split(".")))
        links = {link["ifname"]: link for link in snapshot.ip_json(self.world, "addr", where=self.network("web"))}
        self.assertEqual(links["eth0"]["address"], "02:00:00:00:00:07")
        self.assertIn("fd00:5::88", [info["local"] for info in links["eth0"]["addr_info"]])
        for address, says in ("10.5.0.77", "taken"), ("10.5.0.1", "gateway"), ("10.6.0.2", "10.5.0.0/24"), ("10.5.0.255", "subnet"):
            self.refuse(["--network", "lab0", "--ip", address, "true"], says=[address, says])
        self.detach("--name", "next", "--network", "lab0", *FOREVER)
        self.assertEqual(self.place("next")["addresses"], ["10.5.0.2/24", "fd00:5::2/64"])
        self.ctl("rm", "-f", "web", "next")
        self.assert_same_state(self.before, 10)

    def test_publish_address_of_a_network(self):
        self.create("lab0", "--option", "publish-address=127.0.0.1")
        self.serve("web", "--network", "lab0", "-p", "8080:80", "-p", "0.0.0.0:8081:80")
        self.assertEqual(self.ctl("port", "web"), "127.0.0.1:8080->80/tcp\n0.0.0.0:8081->80/tcp\n")
        self.ctl("port", "add", "web", "8082:80")
        for port, seen in (8080, False), (8081, True), (8082, False):
            self.assertIn("web saw", self.ask("127.0.0.1", port))
            self.assertEqual("web saw" in self.ask(HOST, port, "client", 0.5), seen)


class Joined(NetworkCase):
    def test_several_in_the_order_typed(self):
        """The first is eth0 and the default route"""
        self.create("lab0", "--subnet", "10.5.0.0/24", "--subnet", "fd00:5::/64")
        self.serve("one", "--network", "lab0", "--network", "mini0", "-p", "8080:80")
        routes = snapshot.ip_json(self.world, "-4", "route", "show", "default", where=self.network("one"))
        self.assertEqual([(route["gateway"], route["dev"]) for route in routes], [("10.5.0.1", "eth0")])
        self.serve("other")
        self.assertEqual(self.ask(self.address("other"), where=self.network("one")), f"other saw {self.address('one', 1)}")
        self.assertEqual(self.ask(self.address("one", 1), where=self.network("other")), f"one saw {self.address('other')}")
        self.assertNotIn("one", self.ask(self.address("one"), where=self.network("other"), timeout=0.5))
        self.assertEqual(self.ask(HOST, 8080, "client"), f"one saw {CLIENT}")
        self.ctl("stop", "-t", "0", "one", "other")
        self.assert_same_state(self.before, 10)

    def test_connect_and_disconnect(self):
        """connect/disconnect a running container"""
        self.create("lab0", "--subnet", "10.5.0.0/24")
        self.serve("web", "-p", "8080:80")
        self.serve("db", "--network", "lab0")
        self.ctl("network", "connect", "lab0", "web", "--ip", "10.5.0.50", "--mac", "02:00:00:00:00:09")
        self.assertEqual(self.place("web", 1)["link"], "eth1")
        self.assertEqual(self.ask(self.address("db"), where=self.network("web")), "db saw 10.5.0.50")
        self.assertEqual(self.ask("10.5.0.50", where=self.network("db")), f"web saw {self.address('db')}")
        self.refused("network", "connect", "lab0", "web", says=["already"])
        self.refused("network", "disconnect", "mini0", "web", says=["published", "port rm"])
        self.refused("network", "disconnect", "none0", "web", says=["not in the network none0"])
        self.world.sh("ip link delete lab0")  # the newly joined one is watched, too
        self.until(lambda: self.ask("10.5.0.50", where=self.network("db")) == f"web saw {self.address('db')}", "it is mended")
        self.ctl("network", "disconnect", "lab0", "web")
        self.assertEqual(len(self.inspect("web")["networks"]), 1)
        links = {link["ifname"] for link in snapshot.ip_json(self.world, "link", where=self.network("web"))}
        self.assertEqual(links, {"lo", "eth0"})
        self.ctl("network", "connect", "lab0", "web", "--ip", "10.5.0.50")  # the address is free again
        self.ctl("network", "connect", "lab7", "db")  # nobody has described it: made
        self.ctl("network", "disconnect", "lab0", "db")
        self.assertEqual(self.ask(HOST, 8080, "client"), f"web saw {CLIENT}")
        self.ctl("stop", "-t", "0", "web", "db")
        self.assert_same_state(self.before, 10)

    def test_none(self):
        self.assertEqual(self.run_ok("--network", "none", "ls", "/sys/class/net"), "lo\n")
        self.assertEqual(self.run_ok("--network", "none", "/bin/sh", "-c", "echo 1 | ping -c1 -q 127.0.0.1 >/dev/null; echo $?"), "0\n")
        self.detach("--name", "alone", "--network", "none", *FOREVER)
        self.assertEqual(self.world.run(["nft", "list", "tables"]).stdout, "")
        self.refused("network", "connect", "mini0", "alone", says=["in no network"])
        self.refused("port", "add", "alone", "8080:80", says=["in no network"])
        self.ctl("rm", "-f", "alone")
        self.assert_same_state(self.before, 10)

    def test_host(self):
        """The host's own network"""
        out = self.run_ok("--network", "host", PYTHON, "-c", "import os; print(os.readlink('/proc/self/ns/net'))")
        self.assertEqual(out, self.world.sh("readlink /proc/self/ns/net").stdout)
        self.world.start("--network", "host", *traffic.server("here", 8080))
        self.assertEqual(self.ask(HOST, 8080, "client"), f"here saw {CLIENT}")

    def test_that_of_another_container(self):
        """container:NAME"""
        self.serve("web", "-p", "8080:80")
        out = self.run_ok("--network", "container:web", PYTHON, "-c", "import os; print(os.readlink('/proc/self/ns/net'))")
        self.assertIn(str(self.inspect("web")["namespaces"]["net"]), out)
        for arguments, says in ((["--network", "container:nobody", "true"], ["nobody", "minictl ps"]),
                                (["--network", "container:web", "-p", "81:80", "true"], ["--publish", "container:web"]),
                                (["--network", "none", "--network", "mini0", "true"], ["none", "beside others"]),
                                (["--network", "host", "--ip", "10.0.0.1", "true"], ["host", "--ip"])):
            self.assert_refused(self.world.mini_run(*arguments), 125, says)


class Kinds(NetworkCase):
    def test_internal(self):
        """No way out, no host services, but -p 127.0.0.1:.. works"""
        self.create("lab0", "--internal")
        self.world.serve("outside", 7000, where="client")
        self.world.serve("service", 7001)
        self.assertIn("service", self.ask("127.0.0.1", 7001))
        self.assertIn("outside", self.ask(CLIENT, 7000))
        before = self.world.state()
        self.serve("web", "--network", "lab0", "-p", "127.0.0.1:8080:80")
        self.serve("next", "--network", "lab0")
        self.assertIn("web saw", self.ask("127.0.0.1", 8080))
        inside = self.network("web")
        self.assertIn("next saw", self.ask(self.address("next"), where=inside))
        self.assertIn("next saw", self.ask(self.address("next", family=1), where=inside))
        gateways = self.place("web")["gateways"]
        for way_out in False, True:
            if way_out:  # it gives itself what it was not given
                self.world.run(["ip", "route", "add", "default", "via", gateways[0]], where=inside)
                self.world.run(["ip", "-6", "route", "add", "default", "via", gateways[1]], where=inside)
            for host, port in (CLIENT, 7000), (HOST, 7001), (HOST6, 7001), *((gateway, 7001) for gateway in gateways):
                with self.subTest(f"{host} {way_out}"):
                    self.assertNotIn("saw", self.ask(host, port, inside, 0.5))
        self.assertNotIn("saw", self.ask(HOST, 8080, "client", 0.5))
        self.assert_refused(self.world.mini_run("--network", "lab0", "-p", "8081:80", "true"), 125, ["internal", "127.0.0.1:8081:80"])
        self.refused("port", "add", "web", "8081:80", says=["internal"])
        self.ctl("stop", "-t", "0", "web", "next")
        self.assert_same_state(before, 10)

    def test_isolated(self):
        """Neighbours cannot talk, but reach the world and are reached"""
        self.create("lab0", "--isolated")
        self.world.serve("outside", 7000, where="client")
        self.serve("web", "--network", "lab0", "-p", "8080:80")
        self.serve("next", "--network", "lab0")
        for family in 0, 1:
            self.assertNotIn("saw", self.ask(self.address("next", family=family), where=self.network("web"), timeout=0.5))
        self.assertEqual(self.ask(HOST, 8080, "client"), f"web saw {CLIENT}")
        self.assertIn("outside saw", self.ask(CLIENT, 7000, self.network("web")))
        veth = self.place("web")["veth"]
        self.world.sh(f"bridge link set dev {veth} isolated off")
        self.ctl("repair")
        self.assertNotIn("saw", self.ask(self.address("next"), where=self.network("web"), timeout=0.5))

    def test_without_ipv6(self):
        """--ipv6=off"""
        self.create("lab0", "--ipv6", "off")
        self.serve("web", "--network", "lab0", "-p", "8080:80")
        self.assertEqual(len(self.place("web")["addresses"]), 1)
        self.assertEqual(self.world.run(["ip", "-6", "addr", "show", "dev", "lab0"]).stdout, "")
        self.assertIn("web saw", self.ask(HOST, 8080, "client"))
        self.assertEqual(self.ask(HOST6, 8080, "client", 0.5), "ConnectionRefusedError")


class HostPort(NetworkCase):
    def test_one_port_of_the_hosts_loopback(self):
        """--host-port 3000 opens that one port of the host's loopback to the container"""
        self.create("lab0", "--internal")
        for name, port in ("wanted", 3000), ("other", 3001):
            self.world.serve(name, port, "127.0.0.1")
            self.assertIn("saw", self.ask("127.0.0.1", port))
        before = self.world.state()
        for network in "mini0", "lab0":
            with self.subTest(network):
                self.detach("--rm", "--name", "web", "--network", network, "--host-port", "3000", *FOREVER)
                self.detach("--rm", "--name", "next", "--network", network, *FOREVER)
                gateway = self.place("web")["gateways"][0]
                inside = self.network("web")
                self.assertEqual(self.ask(gateway, 3000, inside), f"wanted saw {self.address('web')}")
                self.assertNotIn("saw", self.ask(gateway, 3001, inside, 0.5))
                self.assertNotIn("saw", self.ask(gateway, 3000, self.network("next"), 0.5))
                self.assertNotIn("saw", self.ask(HOST, 3000, inside, 0.5))
                self.assertNotIn("saw", self.ask(HOST, 3000, "client", 0.5))
                self.world.sh("nft flush ruleset")
                self.until(lambda: "wanted" in self.ask(gateway, 3000, inside), "it is mended")
                self.ctl("stop", "-t", "0", "web", "next")
        self.assert_same_state(before, 10)
        self.assert_refused(self.world.mini_run("--host-port", "0", "true"), 125, ["--host-port 0", "1 to 65535"])
        self.assert_refused(self.world.mini_run("--network", "none", "--host-port", "1", "true"), 125, ["--host-port", "none"])
