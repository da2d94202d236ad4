# SPDX-License-Identifier: MIT
"""Issue: "minictl graph: the topology drawn from the kernel, not from our state"."""

import json
import re
import shutil
import subprocess

import snapshot
from case import Case
from world import HOST

FOREVER = ["sleep", "1000"]
RED_BLUE = """
ip netns add red; ip netns add blue
ip link add veth-red type veth peer name veth-blue
ip link set veth-red netns red; ip link set veth-blue netns blue
ip -n red addr add 192.168.15.1/24 dev veth-red; ip -n blue addr add 192.168.15.2/24 dev veth-blue
ip -n red link set veth-red up; ip -n blue link set veth-blue up
"""
SWITCH = """
ip netns add red; ip netns add blue
ip link add v-net-0 type bridge; ip link set v-net-0 up; ip addr add 192.168.15.5/24 dev v-net-0
for name in red blue; do
  ip link add veth-$name type veth peer name veth-$name-br
  ip link set veth-$name netns $name; ip link set veth-$name-br master v-net-0 up
  ip -n $name link set veth-$name up
done
ip -n red addr add 192.168.15.1/24 dev veth-red; ip -n blue addr add 192.168.15.2/24 dev veth-blue
"""


class Graph(Case):
    timeout = 120

    def graph(self, form="text"):
        return self.ctl("graph", "--format", form)

    def spaces(self):
        """The namespaces of the JSON by name, their devices by name."""
        spaces = {space["name"]: space for space in json.loads(self.graph("json"))["namespaces"]}
        return {name: {device["name"]: device for device in space["devices"]} for name, space in spaces.items()}

    def nat(self, space="host"):
        return next(each["nat"] for each in json.loads(self.graph("json"))["namespaces"] if each["name"] == space)

    def test_both_ends_of_each_cable_have_the_kernels_names_and_indexes(self):
        for name in "web", "db":
            self.detach("--name", name, *FOREVER)
        spaces, text = self.spaces(), self.graph()
        host = {link["ifname"]: link for link in snapshot.ip_json(self.world, "link")}
        for name in "web", "db":
            place = self.inspect(name)["networks"][0]
            inside = snapshot.ip_json(self.world, "link", where=self.network(name))
            eth0 = next(link for link in inside if link["ifname"] == "eth0")
            self.assertEqual(spaces["host"][place["veth"]]["index"], host[place["veth"]]["ifindex"])
            self.assertEqual(spaces["host"][place["veth"]]["peer"],
                             {"namespace": name, "index": eth0["ifindex"], "name": "eth0"})
            self.assertEqual(spaces[name]["eth0"]["peer"]["name"], place["veth"])
            self.assertEqual(spaces[name]["eth0"]["addresses"], place["addresses"])
            self.assertEqual(spaces["host"][place["veth"]]["bridge"], host["mini0"]["ifindex"])
            self.assertIn(f"[ {host[place['veth']]['ifindex']}: {place['veth']} ]", text)
            self.assertRegex(text, rf"-+ {name} \+")

    def test_published_ports_are_those_that_were_asked_for(self):
        self.detach("--name", "web", "-p", "8080:80", "-p", "127.0.0.1:5353:53/udp", "-p", f"{HOST}:81:81",
                    "--host-port", "3000", *FOREVER)
        address = self.inspect("web")["networks"][0]["addresses"]
        v4, v6 = (text.split("/")[0] for text in address)
        doors = {(rule.get("address", ""), rule["port"], rule["protocol"], rule["to"], rule["to_port"])
                 for rule in self.nat() if rule["kind"] == "dnat"}
        gateway = self.inspect("web")["networks"][0]["gateways"][0]
        self.assertEqual(doors, {("", "8080", "tcp", v4, "80"), ("", "8080", "tcp", v6, "80"),
                                 ("127.0.0.1", "5353", "udp", v4, "53"), (HOST, "81", "tcp", v4, "81"),
                                 (gateway, "3000", "tcp", "127.0.0.1", "3000")})
        masquerade = {rule["source"] for rule in self.nat() if rule["kind"] == "masquerade"}
        self.assertEqual(masquerade, {"10.210.0.0/22", "fd6d:696e:6972::/64"})
        for form in "text", "dot":
            for door in "8080->80/tcp", "127.0.0.1:5353->53/udp", f"{HOST}:81->81/tcp":
                self.assertIn(door, self.graph(form))
        self.ctl("port", "rm", "web", "8080")
        self.assertNotIn("8080", self.graph())

    def test_it_is_drawn_from_the_kernel(self):
        """Whatever happens to the files in /run, the links stay"""
        self.detach("--name", "web", "-p", "8080:80", *FOREVER)
        before = self.graph()
        self.world.sh("mv /run/mini-run /run/elsewhere")
        self.assertEqual(self.graph(), before)
        self.world.sh("mv /run/netns /run/names")  # the alias of the cable has its name, too
        self.assertEqual(self.graph(), before)
        veth = re.search(r"mr-[0-9a-f]{8}", before)[0]
        self.world.sh(f"ip link set {veth} alias ''")
        self.assertRegex(self.graph(), r"-+ mini-run \(\d+\) \+|-+ \S+ \(\d+\) \+")
        self.world.sh("nft delete element inet mini_run pub4_any '{ tcp . 8080 }'; "
                      "nft delete element inet mini_run pub6_any '{ tcp . 8080 }'")
        self.assertNotIn("8080", self.graph())
        self.world.sh("mv /run/elsewhere /run/mini-run; mv /run/names /run/netns")

    def test_looking_changes_nothing(self):
        self.world.sh(SWITCH)
        before = self.world.state()
        for form in "text", "svg", "mermaid", "dot", "json":
            self.graph(form)
        self.assert_same_state(before)

    def test_twenty_containers(self):
        for number in range(20):
            self.detach("--name", f"web-{number}", "-p", f"{8000 + number}:80", *FOREVER)
        lines = self.graph().splitlines()
        self.assertLessEqual(max(map(len, lines)), 80)
        for number in range(20):
            self.assertTrue(any(re.search(rf"\] +web-{number} +10\.210\.0\.", line) for line in lines), number)
            self.assertTrue(any(f"{8000 + number}->80/tcp" in line for line in lines), number)

    def test_namespaces_of_anybody(self):
        """A hand-made world is drawn: namespaces of ip-netns(8) joined by a cable, or by a bridge"""
        self.world.sh(RED_BLUE)
        spaces = self.spaces()
        self.assertEqual(spaces["red"]["veth-red"]["peer"]["namespace"], "blue")
        self.assertRegex(self.graph(), r"\[ \d+: veth-blue \]-\|-+\|-\[ \d+: veth-red \]")
        self.world.sh("ip netns delete red; ip netns delete blue")
        self.until(lambda: "red" not in self.graph(), "red is gone")
        self.world.sh(SWITCH)
        text = self.graph()
        self.assertRegex(text, r"\| \[ \d+: v-net-0 \]  bridge  192\.168\.15\.5/24")
        self.assertRegex(text, r"\[ \d+: veth-red-br \] +\[ \d+: veth-blue-br \]")
        self.assertRegex(text, r"-+ red \+ .*-+ blue \+")
        self.world.sh("ip link set v-net-0 down; ip -n red link set veth-red down")
        self.assertRegex(self.graph(), r"v-net-0 DOWN \]")
        self.assertRegex(self.graph(), r"veth-red DOWN \]")

    def test_nat_of_anybody(self):
        """Rules by iptables and by nft, whatever their chains are called"""
        self.world.sh(SWITCH + """
iptables -t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to-destination 192.168.15.2:8080
iptables -t nat -A PREROUTING -d 203.0.113.1 -p udp --dport 1000:2000 -j DNAT --to-destination 192.168.15.1
iptables -t nat -A POSTROUTING -s 192.168.15.0/24 ! -o v-net-0 -j MASQUERADE
nft -f - <<END
table ip hand {
  map doors { type inet_service : ipv4_addr . inet_service
    elements = { 90 : 192.168.15.2 . 9090 } }
  chain in { type nat hook prerouting priority -100
    iifname "eth0" tcp dport { 81, 82 } dnat to 192.168.15.1:8081 comment "by hand"
    ip daddr 203.0.0.0/16 tcp dport 3000-3009 dnat to 192.168.15.1
    dnat to tcp dport map @doors
    tcp dport 99 redirect to :100
  }
  chain out { type nat hook postrouting priority 100
    ip saddr 192.168.15.1 oifname "eth1" snat to 198.51.100.1
  }
}
END
""")
        rules = self.nat()
        for expected in (
                {"kind": "dnat", "protocol": "tcp", "port": "80", "to": "192.168.15.2", "to_port": "8080"},
                {"kind": "dnat", "protocol": "udp", "address": "203.0.113.1", "port": "1000-2000", "to": "192.168.15.1"},
                {"kind": "masquerade", "source": "192.168.15.0/24", "out": "!v-net-0"},
                {"kind": "dnat", "protocol": "tcp", "port": "81", "in": "eth0", "to": "192.168.15.1",
                 "to_port": "8081", "comment": "by hand"},
                {"kind": "dnat", "protocol": "tcp", "port": "82", "in": "eth0", "to": "192.168.15.1",
                 "to_port": "8081", "comment": "by hand"},
                {"kind": "dnat", "protocol": "tcp", "address": "203.0.0.0/16", "port": "3000-3009", "to": "192.168.15.1"},
                {"kind": "dnat", "protocol": "tcp", "port": "90", "to": "192.168.15.2", "to_port": "9090"},
                {"kind": "dnat", "protocol": "tcp", "port": "99", "to_port": "100"},
                {"kind": "snat", "source": "192.168.15.1", "out": "eth1", "to": "198.51.100.1"}):
            self.assertIn(expected, rules)
        self.assertEqual(len(rules), 9, rules)
        text = self.graph()
        for door in "80->8080/tcp", "81->8081/tcp", "90->9090/tcp":
            self.assertIn(door, text)

    def test_dot_is_valid(self):
        self.detach("--name", "web", "-p", "8080:80", *FOREVER)
        self.assertTrue(shutil.which("dot"), "graphviz is not installed")
        drawn = subprocess.run(["dot", "-Tsvg"], input=self.graph("dot"), capture_output=True, text=True)
        self.assertEqual((drawn.returncode, drawn.stderr), (0, ""))
        self.assertIn("web", drawn.stdout)

    def test_seen_from_a_namespace(self):
        """What is drawn is what is seen from where one is: the host of a lab is a namespace, too"""
        self.world.sh("ip netns add lab; ip netns add outside; ip -n lab link add br0 type bridge; "
                      "ip -n lab link add out type veth peer name eth0 netns outside; ip -n lab link set out up; "
                      "ip -n lab addr add 10.1.0.1/24 dev out")
        text = self.ctl("graph", where=self.world.network_at("/run/netns/lab"))
        self.assertRegex(text, r"=+ lab ====")
        self.assertRegex(text, r"(?s)-+ outside \+.*\[ \d+: out \]\n +10\.1\.0\.1/24.*br0 DOWN \]  bridge")

    def test_refusals(self):
        self.assert_refused(self.world.minictl("graph", "--format", "png"), by="minictl",
                            says="--format png: it is text, svg, mermaid, dot or json")
