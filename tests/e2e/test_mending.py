# SPDX-License-Identifier: MIT
"""Issue: what somebody removes by hand under running containers comes back, what is corrupt is set aside, and what
is not ours is never deleted."""

import re
import socket
import time

import snapshot
import traffic
from case import PYTHON, Case
from world import CLIENT, HOST, Container

FOREVER = ["sleep", "1000"]

# Sends back what each of its many clients sends, for as long as they want.
ECHO = """
import selectors, socket
server = socket.create_server(("", 80))
ready = selectors.DefaultSelector()
ready.register(server, selectors.EVENT_READ)
while True:
    for key, _ in ready.select():
        if key.fileobj is server:
            ready.register(server.accept()[0], selectors.EVENT_READ)
            continue
        data = key.fileobj.recv(1000)
        if data: key.fileobj.sendall(data)
        else: ready.unregister(key.fileobj); key.fileobj.close()
"""

# One connection: sends each line of its input, prints what comes back.
LINE = """
import socket, sys
peer = socket.create_connection((sys.argv[1], 8080), 10)
peer.settimeout(60)
print("connected", flush=True)
for line in iter(sys.stdin.readline, ""):
    peer.sendall(line.encode())
    print("back", peer.recv(1000).decode().strip(), flush=True)
"""


def echoed(host, port=8080, timeout=0.5):
    """Whether a new connection is answered."""
    try:
        with socket.create_connection((host, port), timeout) as peer:
            peer.sendall(b"hello")
            return peer.recv(1000) == b"hello"
    except OSError:
        return False


class Mending(Case):
    timeout = 120

    def setUp(self):
        super().setUp()
        self.before = self.world.state()
        self.detach("--rm", "--name", "web", "--wait=60", "-p", "8080:80", PYTHON, "-c", ECHO)
        self.known = self.inspect("web")

    def breakages(self):
        veth = self.known["networks"][0]["veth"]
        return ("nft flush ruleset", "ip link delete mini0", f"ip link set {veth} nomaster", "nft delete table inet mini_run",
                "ip link set mini0 down", f"ip link set {veth} down", "ip addr flush dev mini0",
                "nft flush ruleset; ip link delete mini0")

    def connect(self):
        client = Container(self.world, ["-c", LINE, HOST], program=[PYTHON], where="client", stdin=-1)
        return client.wait_for("connected")

    def says(self, client, word):
        client.process.stdin.write(f"{word}\n".encode())
        client.process.stdin.flush()
        client.wait_for(f"back {word}\n", 60)

    def answered(self, where="client"):
        return self.world.call(echoed, HOST if where == "client" else "127.0.0.1", where=where)

    def supervisor(self, signal):
        self.world.sh(f"kill -{signal} {self.known['supervisor']}")

    def assert_mended(self, client, label):
        for where in "client", "host":
            self.until(lambda: self.answered(where), f"after {label} no new connection from {where}", 10)
        self.says(client, re.sub(r"\W", "", label))
        self.assertEqual(self.inspect("web")["networks"], self.known["networks"])

    def test_what_is_removed_comes_back(self):
        """New connections to the published port work again, an established one survives, address unchanged"""
        client = self.connect()
        whole = self.world.state()
        for breakage in self.breakages():
            with self.subTest(breakage):
                self.world.sh(breakage)
                self.assert_mended(client, breakage)
                self.assertEqual(self.shape(whole), self.shape(self.world.state()))
        client.process.stdin.close()
        self.assertEqual(client.wait(), 0)
        self.ctl("stop", "-t", "0", "web")
        self.assert_same_state(self.before, 10)

    @staticmethod
    def shape(state):
        """The links, addresses and rules of STATE: those that a mended network has as a whole one."""
        # A link gets its fe80:: address when the kernel comes to it.
        return sorted(key for key in state if key.startswith(("link", "address", "nft", "route")) and "fe80" not in key)

    def test_repair_on_demand(self):
        """minictl repair mends on demand: here where the supervisor cannot"""
        client = self.connect()
        self.supervisor("STOP")
        for breakage in self.breakages():
            with self.subTest(breakage):
                self.world.sh(breakage)
                self.assertFalse(self.answered(), "nothing was broken, or it was mended without us")
                self.ctl("repair")
                self.assertTrue(self.answered())
                self.assert_mended(client, breakage)
        self.supervisor("CONT")
        client.process.stdin.close()
        client.wait()
        self.ctl("stop", "-t", "0", "web")
        self.assert_same_state(self.before, 10)

    def test_repair_of_the_name_for_ip_netns(self):
        for breakage in "rm /run/netns/web", "rm -r /run/netns":
            self.world.sh(breakage)
            self.assertEqual(self.ctl("repair"), "")
            self.assertIn("web", self.world.sh("ip netns list").stdout)
        self.ctl("rm", "-f", "web")
        self.assert_same_state(self.before, 10)

    def test_repair_of_forwarding_and_of_what_cannot_be(self):
        """Global forwarding switched off takes each interface's along; a deleted veth is said"""
        self.world.sh("sysctl -qw net.ipv4.ip_forward=1; sysctl -qw net.ipv4.ip_forward=0")
        self.assertFalse(self.answered())
        self.assertEqual(self.ctl("repair"), "")
        self.assertTrue(self.answered())
        self.world.sh(f"ip link delete {self.known['networks'][0]['veth']}")
        self.assert_refused(self.world.minictl("repair"), 125, [self.known["networks"][0]["veth"], "container web"], by="minictl")
        self.ctl("rm", "-f", "web")
        self.assert_same_state(self.before, 10)

    def test_repair_is_idempotent(self):
        """Where nothing is missing nothing changes"""
        self.assertEqual(self.ctl("repair"), "")  # from now on its time is remembered (host/repaired)
        whole = self.world.state()
        for _ in range(3):
            self.assertEqual(self.ctl("repair"), "")
            self.assert_same_state(whole)
        self.world.sh("nft flush ruleset; ip link delete mini0")
        self.until(self.answered, "not mended", 10)
        mended = self.world.state()
        for _ in range(3):
            self.ctl("repair")
            self.assert_same_state(mended)

    def test_many_containers_on_two_networks(self):
        for number in range(8):
            self.detach("--rm", "--network", f"mini{number % 2}", "--wait=60", "-p", f"{9000 + number}:80", PYTHON, "-c", ECHO)
        self.world.sh("nft flush ruleset; ip link delete mini0; ip link delete mini1")
        for port in 8080, *range(9000, 9008):
            self.until(lambda: self.world.call(echoed, HOST, port, where="client"), f"port {port} is not mended", 15)
        self.ctl("stop", "-t", "0", *self.running())
        self.assert_same_state(self.before, 10)

    def test_a_firewall_that_is_reloaded_again_and_again(self):
        client = self.connect()
        self.world.sh("for i in $(seq 30); do nft flush ruleset; ip link delete mini0 2>/dev/null || true; done")
        self.assert_mended(client, "reloads")
        client.process.stdin.close()

    def test_what_somebody_else_has_put_there_stays(self):
        """A bridge mini0 or a table made by hand is never deleted"""
        self.supervisor("STOP")
        self.world.sh("nft flush ruleset; nft add table inet mini_run; ip link delete mini0; ip link add mini0 type bridge;"
                      "ip link set mini0 alias by-hand")
        theirs = self.world.run(["ip", "-j", "link", "show", "mini0"]).stdout
        self.assert_refused(self.world.minictl("repair"), says="mini0|mini_run", by="minictl")
        self.assert_refused(self.world.mini_run("true"), says="mini_run exists and was not made by mini-run")
        self.world.sh("nft delete table inet mini_run")
        self.assert_refused(self.world.mini_run("true"), says="mini0 exists and was not made by mini-run")
        self.assert_refused(self.world.minictl("repair"), says="mini0", by="minictl")
        self.world.sh("nft flush ruleset; nft add table inet mini_run")
        for end in "CONT", "KILL":
            self.supervisor(end)
            self.ctl("ps")
        self.until(lambda: "web" not in self.ctl("ps", "-aq"), "it is swept", 10)
        self.ctl("prune")
        self.assertIn("by-hand", self.world.run(["ip", "link", "show", "mini0"]).stdout)
        self.assertEqual(snapshot.ip_json(self.world, "link", "show", "mini0")[0]["ifindex"],
                         int(re.search(r'"ifindex":(\d+)', theirs)[1]))
        self.assertIn("table inet mini_run", self.world.run(["nft", "list", "tables"]).stdout)

    def test_what_is_removed_while_it_starts_or_ends(self):
        """Nobody's removal makes a later start fail"""
        for breakage in "nft flush ruleset", "ip link delete mini0":
            self.world.sh(breakage)
            self.detach("--rm", "--name", "next", "--wait=60", "-p", "8081:80", *traffic.server())
            self.assertEqual(self.world.call(traffic.outcome, "tcp", HOST, 8081, 10, where="client"), f"page saw {CLIENT}")
            self.world.sh(breakage)
            self.ctl("stop", "-t", "0", "next")
        self.ctl("stop", "-t", "0", "web")
        self.assert_same_state(self.before, 10)


# Sends all the time, to each of its clients.
SEND = """
import socket, threading, time
def serve(peer):
    try:
        while True: peer.sendall(bytes(200)); time.sleep(0.005)
    except OSError: pass
server = socket.create_server(("", 80))
while True: threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
"""

# Receives for as many seconds as it is told, without a pause of more than five.
RECEIVE = """
import socket, sys, time
peer = socket.create_connection((sys.argv[1], 8080), 10)
peer.settimeout(5)
print("connected", flush=True)
end = time.monotonic() + float(sys.argv[2])
while time.monotonic() < end:
    if not peer.recv(65536): sys.exit("closed")
"""


class Flows(Case):
    """Connections outlive a flush of the rules also where packets are under way meanwhile."""

    timeout = 120

    def holder(self):
        """Whether a mini-run holds them."""
        found = self.world.sh(f"nft list table inet {snapshot.FLOWS} 2>&1 || true").stdout
        self.assertTrue("flags owner" in found or "No such file" in found, found)
        return "flags owner" in found

    def test_with_traffic(self):
        before = self.world.state()
        self.detach("--rm", "--name", "web", "--wait=60", "-p", "8080:80", PYTHON, "-c", SEND)
        self.until(self.holder, "nobody holds them", 10)
        clients = [Container(self.world, ["-c", RECEIVE, host, "4"], program=[PYTHON], where=where).wait_for("connected")
                   for where, host in (("client", HOST), ("host", "127.0.0.1"), ("host", HOST))]
        for breakage in ["nft flush ruleset"] * 4 + ["ip link delete mini0", "nft flush ruleset; ip link delete mini0"]:
            self.world.sh(f"{breakage}; sleep 0.4; until ip link show mini0 >/dev/null 2>&1; do sleep 0.05; done")
        for client in clients:
            self.assertEqual(client.wait(), 0, client.err)
        self.ctl("stop", "-t", "0", "web")
        self.assert_same_state(before, 10)
        self.until(lambda: not self.holder(), "it is left behind", 2)

    def test_quiet_ones_outlive_the_bridge(self):
        self.detach("--rm", "--name", "web", "--wait=60", "-p", "8080:80", PYTHON, "-c", ECHO)
        clients = [Container(self.world, ["-c", LINE, host], program=[PYTHON], where=where, stdin=-1).wait_for("connected")
                   for where, host in (("client", HOST), ("host", "127.0.0.1"), ("host", HOST))]
        for word in "one", "two":
            self.world.sh("ip link delete mini0; sleep 0.3")
            for client in clients:
                client.process.stdin.write(f"{word}\n".encode())
                client.process.stdin.flush()
                client.wait_for(f"back {word}\n", 10)
        for client in clients:
            client.process.stdin.close()
            self.assertEqual(client.wait(), 0)

    def test_another_takes_over(self):
        """SIGKILL of the one that holds them: it takes its table along, and the other makes a new one"""
        first = self.detach("--rm", "sleep", "1000")
        self.until(self.holder, "nobody holds them", 10)
        second = self.detach("--rm", "sleep", "1000")
        self.world.sh(f"kill -KILL {self.inspect(first)['supervisor']}")
        self.until(self.holder, "nobody took over", 10)
        self.world.sh(f"kill -KILL {self.inspect(second)['supervisor']}")
        self.until(lambda: not self.holder(), "it is left behind", 2)

    def test_another_watches_on(self):
        """What is removed before the one that watches is killed, and could mend it, comes back, too"""
        first = self.detach("--rm", "sleep", "1000")
        self.until(self.holder, "nobody watches", 10)
        self.detach("--rm", "--name", "web", "--wait=60", "-p", "8080:80", PYTHON, "-c", ECHO)
        veth = self.inspect("web")["networks"][0]["veth"]
        answered = lambda: self.world.call(echoed, HOST, where="client")
        for breakage in "nft flush ruleset; ip link delete mini0", "nft flush ruleset", f"ip link set {veth} nomaster":
            with self.subTest(breakage):
                supervisor = self.inspect(first)["supervisor"]
                first = self.detach("--rm", "sleep", "1000")
                time.sleep(0.5)  # after which it looks by itself no more
                self.world.sh(f"kill -STOP {supervisor}; {breakage}; kill -KILL {supervisor}")
                self.until(answered, "no new connection", 10)


class Nothing(Case):
    def test_what_is_made_by_hand_is_nothing_to_us(self):
        """A bridge mini0 or a table made by hand is never deleted: not by any command, and without a container"""
        self.world.sh("ip link add mini0 type bridge; nft add table inet mini_run")
        before = self.world.state()
        for command in ["ps"], ["prune"], ["repair"], ["network"], ["rm", "x"], ["stop", "x"]:
            self.world.minictl(*command)
            self.assert_same_state(before)

    def test_another_boot(self):
        """The state directory of another boot is removed by the next start"""
        before = self.world.state()
        self.world.sh("umask 077; mkdir -p /run/mini-run/4026531840-deadbeef/containers/x /run/mini-run/17-deadbeef/ended/y/z;"
                      "cd /run/mini-run/4026531840-deadbeef; echo x >containers/x/journal; mkfifo containers/x/container.json;"
                      "ln -s /etc containers/link; echo >host")
        self.run_ok("true")
        self.assert_same_state(before, 10)
        self.assertIn("passwd", self.world.sh("ls /etc").stdout)


class Corrupt(Case):
    """Corrupt state files: set aside with a message, never crash a command, do not block others."""

    timeout = 200
    DAMAGES = {
        "garbage": "printf 'x\\000\\377\\033[31m' >F",
        "deep": "head -c 5000000 /dev/zero | tr '\\0' '[' >F",
        "wrong": "printf '{\"name\": 7, \"ports\": [1]}' >F",
        "empty": ": >F",
        "fifo": "rm -f F; mkfifo F",
        "symlink": "rm -f F; ln -s /etc/passwd F",
        "loop": "rm -f F; ln -s F F",
    }

    def damage(self, record, file, how):
        script = re.sub(r"\bF\b", file, self.DAMAGES[how])
        self.world.sh(f"cd /run/mini-run/*/{record} && {{ {script}; }}")

    def never_crashes(self, *command):
        result = self.world.minictl(*command)
        self.assertIn(result.returncode, (0, 125), f"{command}: {result.stderr}")
        self.assertNotRegex(result.stderr, r"[^\n\x20-\x7e]", "what is damaged is not shown as it is")
        return result

    def goes_on(self):
        """Others are not blocked."""
        self.assertEqual(self.world.call(traffic.outcome, "tcp", HOST, 8081, 5, where="client"), f"page saw {CLIENT}")
        self.assertIn("good", self.never_crashes("ps", "-q").stdout.split())
        name = self.detach("--rm", "-p", "0:80", "true")
        self.until(lambda: name not in self.world.minictl("ps", "-aq").stdout.split(), "it does not end", 10)
        self.run_ok("true")

    def run_for_each(self, body):
        before = self.world.state()
        self.detach("--rm", "--name", "good", "--wait=60", "-p", "8081:80", *traffic.server())
        for how in self.DAMAGES:
            with self.subTest(how):
                body(how)
                self.goes_on()
                self.assertEqual(self.never_crashes("ps", "-aq").stdout, "good\n", "it was removed")
        self.ctl("stop", "-t", "0", "good")
        self.assert_same_state(before, 10)

    def test_the_record_of_one_that_has_ended(self):
        for file in "container.json", "status":
            def body(how):
                self.detach("--name", "bad", "/bin/sh", "-c", "echo hello")
                self.until_ended("bad")
                self.damage("ended/bad", file, how)
                result = self.never_crashes("ps", "-a")
                self.assertRegex(result.stderr, r"\Aminictl: container bad: .* set aside as \S+\n\Z")
                self.assertIn("good", result.stdout)
                self.assertEqual(self.never_crashes("ps", "-a").stderr, "", "it is said once")
                for command in ["inspect", "--json", "bad"], ["logs", "bad"], ["wait", "bad"], ["stop", "bad"]:
                    self.never_crashes(*command)
                self.assertEqual(self.never_crashes("rm", "bad").stdout, "bad\n")
            self.run_for_each(body)

    def test_a_bad_status_leaves_the_rest_of_the_record(self):
        self.detach("--name", "bad", "/bin/sh", "-c", "echo hello")
        self.until_ended("bad")
        self.damage("ended/bad", "status", "garbage")
        self.assertRegex(self.never_crashes("ps", "-a").stderr, r"\Aminictl: container bad: its status .* set aside as status.damaged\n\Z")
        self.assertRegex(self.ctl("ps", "-a"), "bad +ended  .*echo hello")
        self.assert_refused(self.world.minictl("wait", "bad"), says="not known", by="minictl")
        self.ctl("rm", "bad")

    def test_a_bad_description_leaves_the_rest_of_the_record(self):
        self.detach("--name", "bad", "/bin/sh", "-c", "echo hello; exit 3")
        self.until_ended("bad")
        self.damage("ended/bad", "container.json", "garbage")
        self.assertRegex(self.never_crashes("ps", "-a").stdout, r"bad +ended \(3\)")
        self.assertEqual(self.ctl("wait", "bad"), "3\n")
        self.assertEqual(self.ctl("logs", "bad"), "hello\n")
        self.assertEqual(self.inspect("bad"), {"name": "bad", "running": False, "exit_status": 3})

    def test_what_containers_share(self):
        for record, file in (
            ("network-mini0", "journal"), ("network-mini0", "up"), ("network-mini0", "leases"), ("host", "up"),
            ("host", "journal"),
        ):
            for how in self.DAMAGES:
                if file == "leases" and how in ("fifo", "symlink", "loop"):
                    continue  # it holds the locks on addresses: there is no setting it aside
                with self.subTest(f"{record}/{file}: {how}"):
                    before = self.world.state()
                    self.detach("--rm", "--name", "good", "--wait=60", "-p", "8081:80", *traffic.server())
                    self.damage(record, file, how)
                    self.goes_on()
                    self.assertEqual(self.never_crashes("network").returncode, 0)
                    self.ctl("repair")
                    self.goes_on()
                    self.ctl("stop", "-t", "0", "good")
                    self.assert_same_state(before, 10)

    def test_what_is_set_aside_is_said(self):
        before = self.world.state()
        self.detach("--rm", "--name", "good", "--wait=60", "-p", "8081:80", *traffic.server())
        # Its supervisor would mend it as well, whenever it is woken, and speak to nobody.
        supervisor = self.inspect("good")["supervisor"]
        self.world.sh(f"kill -STOP {supervisor}")
        said = {("host", "journal"): "journal has lost lines", ("network-mini0", "journal"): "journal has lost lines",
                ("host", "up"): "up is damaged; it is set aside as up.damaged",
                ("network-mini0", "up"): "up is damaged; it is set aside as up.damaged",
                ("containers/good", "journal"): "journal is damaged; what makes no sense is set aside in journal.damaged"}
        for (record, file), words in said.items():
            # One after the other: what was set aside before is in nobody's way.
            for how in "fifo", "symlink", "garbage":
                self.damage(record, file, how)
                self.assertEqual(self.world.minictl("repair", timeout=10).returncode, 0)
            with self.subTest(f"{record}/{file}"):
                self.damage(record, file, "garbage")
                mended = self.world.minictl("repair")
                self.assertEqual(mended.returncode, 0)
                self.assertIn(f"{record}/{words}", mended.stderr)
                self.assertEqual(self.world.minictl("repair").stderr, "", "it is said once")
        self.damage("network-mini0", "up", "garbage")
        self.assertIn("up is damaged", self.world.mini_run("true").stderr, "a start says it, too")
        self.world.sh(f"kill -CONT {supervisor}")
        self.ctl("stop", "-t", "0", "good")
        self.assert_same_state(before, 10)

    def test_the_journal_of_one_that_runs(self):
        def body(how):
            self.detach("--rm", "--name", "bad", "-p", "8080:80", *FOREVER)
            self.damage("containers/bad", "journal", how)
            self.ctl("repair")
            self.goes_on()
            self.ctl("rm", "-f", "bad")
        self.run_for_each(body)

    def test_the_record_of_one_that_runs(self):
        def body(how):
            self.detach("--rm", "--name", "bad", "-p", "8080:80", *FOREVER)
            self.damage("containers/bad", "container.json", how)
            self.assertRegex(self.never_crashes("ps").stderr, r"\Aminictl: container bad: .* set aside as \S+\n\Z")
            for command in ["inspect", "bad"], ["exec", "bad", "true"], ["logs", "bad"], ["port", "bad"]:
                self.never_crashes(*command)
            self.assertIn("bad", self.never_crashes("ps", "-q").stdout.split(), "it is hidden, and runs")
            self.assertEqual(self.never_crashes("stop", "-t", "0", "bad").stdout, "bad\n")
        self.run_for_each(body)
