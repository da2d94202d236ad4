# SPDX-License-Identifier: MIT
"""minictl trace: the way of a connection, as it is in tests/golden/trace-*.txt but for what no two runs have alike (times,
ports, names of cables); and nothing of it remains. UPDATE_GOLDEN=1 writes these files anew: read the difference."""

import json
import os
import re
import signal
import subprocess

import snapshot
import traffic
from case import LOCAL_HOST, Case
from daemons import Ufw
from world import CLIENT, CLIENT6, HOST, HOST6, MINICTL, REPOSITORY

GOLDEN = os.path.join(REPOSITORY, "tests", "golden")
WAITING = "minictl: waiting for the next connection; Ctrl-C ends it\n"


def normal(text):
    """TEXT without what differs from run to run. Columns are as wide as that: two blanks each."""
    names = {}

    def name(kind, what):
        known = names.setdefault(kind, {})
        return kind + str(known.setdefault(what, len(known) + 1))

    text = re.sub(r"\bmr-[0-9a-f]{8}\b", lambda match: name("mr-", match[0]), text)
    text = re.sub(r"(\]|\.\d+):(?!(?:80|8080|7000)\b)(\d+)",
                  lambda match: f"{match[1]}:{name('port', match[2])}", text)
    text = re.sub(r"\+?\b\d+(\.\d)? (us|ms)\b", "TIME", text)
    text = re.sub(r"\b\d+ more packets", "N more packets", text)
    return re.sub(r"^ {8,}", "      ", re.sub(r"(?<=\S) {2,}", "  ", text), flags=re.MULTILINE)


class Traced(Case):
    bridge_nf = 0

    def setUp(self):
        super().setUp()
        self.web = self.world.start("--name", "web", "-p", "8080:80", *traffic.server())

    def begin(self, *arguments):
        process = self.world.popen([MINICTL, "trace", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertEqual(process.stderr.readline(), WAITING)
        return process

    def end(self, process, status=0):
        out, err = process.communicate(timeout=20)
        self.assertEqual((process.returncode, err), (status, ""), out)
        return out

    def trace(self, what, host, port, *arguments, protocol="tcp", where="host", answer="saw"):
        """What is told of a connection to HOST and PORT, whose answer must match ANSWER."""
        process = self.begin(what, *arguments)
        self.assertRegex(self.world.call(traffic.outcome, protocol, host, port, where=where), answer)
        return self.end(process)

    def assert_golden(self, name, *parts):
        path = os.path.join(GOLDEN, f"trace-{name}.txt")
        text = "\n".join(normal(part) for part in parts)
        if os.environ.get("UPDATE_GOLDEN"):
            with open(path, "w") as file:
                file.write(text)
        with open(path) as file:
            self.assertEqual(text, file.read())

    def address6(self, container):
        links = snapshot.ip_json(self.world, "-6", "addr", "show", "dev", "eth0", "scope", "global", where=container.network)
        return links[0]["addr_info"][0]["local"]


class Ways(Traced):
    def test_client(self):
        self.assert_golden("client", self.trace("8080", HOST, 8080, where="client"),
                           self.trace("8080", HOST6, 8080, where="client"))

    def test_loopback(self):
        self.assert_golden("loopback", self.trace("8080", LOCAL_HOST, 8080), self.trace("8080", "::1", 8080))

    def test_hairpin(self):
        inside = self.web.network
        self.assert_golden("hairpin", self.trace("8080", HOST, 8080, where=inside),
                           self.trace("8080", HOST6, 8080, where=inside))

    def test_neighbour(self):
        peer = self.world.start("--name", "peer", *traffic.server("peer")).network
        self.assert_golden("neighbour", self.trace("web", self.web.address, 80, where=peer),
                           self.trace("web", self.address6(self.web), 80, where=peer))

    def test_neighbour_by_the_port(self):
        peer = self.world.start("--name", "peer", *traffic.server("peer")).network
        self.assert_golden("neighbour-port", self.trace("8080", HOST, 8080, where=peer),
                           self.trace("8080", HOST6, 8080, where=peer))

    def test_way_out(self):
        self.world.serve("outside", 7000, where="client")
        inside = self.web.network
        for address in CLIENT, CLIENT6:  # the host finds its neighbour
            self.world.call(traffic.outcome, "tcp", address, 7000, 5, where=inside)
        self.assert_golden("out", self.trace("web", CLIENT, 7000, where=inside),
                           self.trace("web", CLIENT6, 7000, where=inside))

    def test_udp(self):
        self.world.start("--name", "dns", "-p", "7000:80/udp", *traffic.server())
        self.assert_golden("udp", self.trace("7000/udp", HOST, 7000, protocol="udp", where="client"))

    def test_ping(self):
        process = self.begin("web")
        self.world.run(["ping", "-c1", self.web.address])
        self.assert_golden("ping", self.end(process))

    def test_nobody_listens(self):
        self.ctl("port", "add", "web", "7000:7000")
        self.assert_golden("refused", self.trace("7000", HOST, 7000, where="client", answer="ConnectionRefusedError"))


    def test_one_of_a_range(self):
        self.world.start("--name", "many", "-p", "20000-29999:20000-29999", *traffic.server(port=20017))
        for what in "20017", "many":
            out = self.trace(what, HOST, 20017, where="client")
            self.assertRegex(out, r"DNAT +203.0.113.1:20017 => 10.210.0.3:20017\n")
            self.assertIn("container    eth0 of many", out)

    def test_nobody_at_the_next_hop(self):
        process = self.begin("web")
        self.assertEqual(self.world.call(traffic.outcome, "tcp", "203.0.113.77", 7000, where=self.web.network), "TimeoutError")
        self.assertRegex(self.end(process), r"SNAT .*\n *\d+ +LOST +no interface sent it: nobody answers.*\nno answer came\n\Z")


class Drops(Traced):
    def test_ours(self):
        for family, address, gateway in ("", self.web.address, HOST), ("-6", self.address6(self.web), HOST6):
            self.world.sh(f"ip {family} route add {address} via {gateway}", where="client")
        self.assert_golden("drop-ours", self.trace("web", self.web.address, 80, where="client", answer="TimeoutError"),
                           self.trace("web", self.address6(self.web), 80, where="client", answer="TimeoutError"))

    def test_a_rule_of_docker(self):
        for tables, client in ("iptables", CLIENT), ("ip6tables", CLIENT6):
            self.world.sh(f"{tables} -N DOCKER-USER; {tables} -A DOCKER-USER -s {client} -j DROP;"
                          f"{tables} -I FORWARD -j DOCKER-USER")
        self.assert_golden("drop-docker", self.trace("8080", HOST, 8080, where="client", answer="TimeoutError"),
                           self.trace("8080", HOST6, 8080, where="client", answer="TimeoutError"))

    def test_a_policy(self):
        self.world.run(["nft", "-f", "-"], input="""
            table inet fw {
                chain in { type filter hook forward priority 10; policy drop;
                    oifname "docker0" accept
                }
            }\n""")
        self.assert_golden("drop-policy", self.trace("8080", HOST, 8080, where="client", answer="TimeoutError"),
                           self.trace("8080", HOST6, 8080, where="client", answer="TimeoutError"))

    def test_ufw(self):
        self.web.stop()
        ufw = Ufw(self.world)
        ufw("route", "deny", "from", CLIENT)
        self.web = self.world.start("--name", "web", "-p", "8080:80", *traffic.server())
        out = self.trace("8080", HOST, 8080, where="client", answer="TimeoutError")
        self.assertRegex(out, r"DROPPED +by a rule of the chain ufw-user-forward, table ip filter: ufw's\n")
        self.assertRegex(out, rf"the rule: +ip saddr {re.escape(CLIENT)} counter drop\n")


class BridgeNetfilter(Traced):
    """Where a bridge asks the rules of IP (bridge-nf-call-iptables)."""
    bridge_nf = 1

    def test_neighbour(self):
        peer = self.world.start("--name", "peer", *traffic.server("peer")).network
        self.assert_golden("neighbour-bridge-nf", self.trace("web", self.web.address, 80, where=peer))


class Remains(Traced):
    def host_state(self):
        """Without the connections themselves: conntrack remembers them for a while."""
        return {key: value for key, value in self.world.state().items() if not key.startswith("flow")}

    def assert_nothing_remains(self, before):
        self.assertEqual(snapshot.difference(before, self.host_state()), "")

    def test_nothing(self):
        self.trace("8080", HOST, 8080, where="client")
        before = self.host_state()
        self.trace("8080", HOST, 8080, where="client")
        self.assert_nothing_remains(before)
        for number in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
            process = self.begin("web")
            self.assertIn("mini_run_trace", self.world.sh("nft list tables").stdout)
            process.send_signal(number)
            out, err = process.communicate(timeout=10)
            self.assertEqual((process.returncode, out, err), (1, "", "minictl: no connection came\n"))
            self.assert_nothing_remains(before)

    def test_nothing_after_sigkill(self):
        before = self.host_state()
        process = self.begin("web")
        self.assertNotEqual(snapshot.difference(before, self.host_state()), "")
        process.kill()
        process.wait()
        self.assert_nothing_remains(before)

    def test_two_at_a_time_tell_the_same(self):
        both = [self.begin("8080"), self.begin("web")]
        self.world.call(traffic.outcome, "tcp", HOST, 8080, where="client")
        first, second = (normal(self.end(process)) for process in both)
        self.assertEqual(first, second)

    def test_it_ends_with_the_container(self):
        process = self.begin("web")
        self.web.stop()
        self.assertEqual(process.communicate(timeout=10)[1], "minictl: no connection came\n")

    def test_timeout(self):
        process = self.begin("-t", "1", "8080")
        self.assertEqual(process.communicate(timeout=10)[1], "minictl: no connection came\n")
        self.assertEqual(process.returncode, 1)


class Options(Traced):
    def test_json_tells_the_same(self):
        told = json.loads(self.trace("8080", HOST, 8080, "--json", where="client"))
        self.assertEqual((told["container"], told["end"], told["complete"]), ("web", "closed", True))
        self.assertEqual(told["connection"]["reply"]["from"], f"{self.web.address}:80")
        first, answer = told["packets"]
        self.assertEqual((first["packet"], answer["packet"]), ("SYN", "SYN+ACK"))
        self.assertTrue(answer["way"][-1]["why"].startswith(f"{first['to']} -> {first['from']}, "))
        steps = [line["step"] for line in first["way"] if line["step"]]
        self.assertEqual(steps, ["wire", "raw", "conntrack", "prerouting", "DNAT", "routing", "forward", "postrouting",
                                 "bridge", "veth", "container"])
        rules = {(line["table"], line["chain"], line["handle"]): line["why"] for line in first["way"] if "handle" in line}
        for (table, chain, handle), comment in rules.items():
            listed = self.world.run(["nft", "-a", "list", "chain", "inet", table, chain]).stdout
            self.assertRegex(listed, rf'comment "{re.escape(comment)}" # handle {handle}\n')
        times = [line["nanoseconds"] for packet in told["packets"] for line in packet["way"] if "nanoseconds" in line]
        self.assertEqual(times, sorted(times))

    def test_all_packets(self):
        out = self.trace("8080", HOST, 8080, "--packets", where="client")
        numbers = [int(number) for number in re.findall(r"^#(\d+) ", out, re.MULTILINE)]
        self.assertEqual(numbers, list(range(1, len(numbers) + 1)))
        self.assertGreater(len(numbers), 6)
        self.assertNotIn("LOST", out)
        self.assertRegex(out, r"#3  ACK  203.0.113.2:\d+ -> 203.0.113.1:8080\n")
        self.assertEqual(out.count("un-DNAT"), out.count("=> 203.0.113.1:8080, as conntrack remembers: no rule is asked"))

    def test_only_new_connections(self):
        """One that is there already is not it, nor one to another port."""
        self.ctl("port", "add", "web", "7000:80")
        old = self.world.popen(["/usr/bin/python3", "-c", (
            "import socket, sys, time\n"
            f"peer = socket.create_connection(('{HOST}', 8080)); print('ready', flush=True)\n"
            "while True: peer.send(b'x'); time.sleep(0.01)")], where="client", stdout=subprocess.PIPE, text=True)
        old.stdout.readline()
        process = self.begin("7000")
        self.world.call(traffic.outcome, "tcp", HOST, 7000, where="client")
        self.assertRegex(self.end(process), rf"\A#1  SYN  {re.escape(CLIENT)}:\d+ -> {re.escape(HOST)}:7000\n")

    def test_what_is_refused(self):
        for arguments, says in ((["9"], "trace: no container publishes the port 9"),
                                (["nobody"], "there is no container nobody"),
                                (["-t", "soon", "web"], "--timeout soon"),
                                ([], "NAME")):
            with self.subTest(arguments):
                self.assert_refused(self.world.minictl("trace", *arguments), says=says, by="minictl")
        self.world.mini_run("-d", "--name", "many", *(f"-p{port}:80" for port in range(20000, 20100)), "sleep", "100")
        self.assert_refused(self.world.minictl("trace", "many"), says="100 ports.*minictl trace PORT", by="minictl")
