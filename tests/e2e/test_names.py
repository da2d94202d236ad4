# SPDX-License-Identifier: MIT
"""Issue, 4: names. Containers find each other; all other names are looked up where the host looks them up."""

import os
import re
import subprocess
import time

from case import PYTHON, Case

# python3 -c RESOLVER ADDRESS [NAME=ADDRESS | REFUSE | BIG]...: a name server that says what it was asked, on standard output.
RESOLVER = r"""
import socket, struct, sys, threading
where, zone = sys.argv[1], dict(word.split("=") for word in sys.argv[2:] if "=" in word)
refuse, big = "REFUSE" in sys.argv, "BIG" in sys.argv
def answer(query, transport):
    at, words = 12, []
    while query[at]:
        words.append(query[at + 1:at + 1 + query[at]].decode())
        at += 1 + query[at]
    name, kind, question = ".".join(words), struct.unpack(">H", query[at + 1:at + 3])[0], query[12:at + 5]
    print(transport, name, kind, flush=True)
    record = b"\xc0\x0c\0\1\0\1\0\0\0\5\0\4" + socket.inet_aton(zone[name]) if name in zone and kind == 1 else b""
    code = 5 if refuse else 0 if name in zone else 3
    flags = 0x8380 if big and transport == "udp" else 0x8180
    count = 0 if big and transport == "udp" else 1000 if big else 1 if record else 0
    return query[:2] + struct.pack(">HHHHH", flags | code, 1, count, 0, 0) + question + record * count
family = socket.AF_INET6 if ":" in where else socket.AF_INET
tcp = socket.socket(family)
tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
tcp.bind((where, 53))
tcp.listen()
udp = socket.socket(family, socket.SOCK_DGRAM)
udp.bind((where, 53))
def streams():
    while True:
        stream, _ = tcp.accept()
        query = stream.recv(5000)
        said = answer(query[2:], "tcp")
        stream.sendall(struct.pack(">H", len(said)) + said)
        stream.close()
threading.Thread(target=streams, daemon=True).start()
print("listening", flush=True)
while True:
    query, asker = udp.recvfrom(5000)
    udp.sendto(answer(query, "udp"), asker)
"""

# What a program sends and gets without the C library: `ask(name, kind, transport, server)` -> code, flags, addresses.
ASK = r"""
import socket, struct
def query(name, kind=1):
    words = b"".join(bytes([len(word)]) + word.encode() for word in name.split("."))
    return b"\x12\x34\1\0\0\1\0\0\0\0\0\0" + words + b"\0" + struct.pack(">HH", kind, 1)
def ask(name, kind=1, transport="udp", server="127.0.0.11"):
    sent = query(name, kind)
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM)
    sock.settimeout(10)
    sock.connect((server, 53))
    if transport == "udp":
        sock.send(sent)
        got = sock.recv(65535)
    else:
        sock.sendall(struct.pack(">H", len(sent)) + sent)
        got = b""
        while len(got) < 2 or len(got) < 2 + struct.unpack(">H", got[:2])[0]:
            part = sock.recv(65535)
            assert part, "closed"
            got += part
        got = got[2:]
    assert got[:2] == sent[:2] and got[12:len(sent)].lower() == sent[12:].lower(), got
    count = struct.unpack(">H", got[6:8])[0]
    size, family = {1: (4, socket.AF_INET), 28: (16, socket.AF_INET6)}.get(kind, (0, 0))
    data = [got[len(sent) + (12 + size) * i + 12:][:size] for i in range(count if size else 0)]
    return got[3] & 15, got[2], [socket.inet_ntop(family, each) for each in data]
"""

NO_SUCH_NAME, FAILED, TRUNCATED = 3, 2, 2
SLEEP = ("sleep", "1000")


class NamesCase(Case):
    def resolver(self, address, *zone):
        """A name server of the host; its output, a file."""
        log = os.path.join(self.world.directory, f"asked-{address.replace(':', '-')}")
        with open(log, "w") as out:
            self.world.popen([PYTHON, "-c", RESOLVER, address, *zone], stdout=out)
        self.until(lambda: "listening" in self.text(log), f"no resolver on {address}", 10)
        return log

    def text(self, path):
        with open(path) as file:
            return file.read()

    def host_resolv_conf(self, text):
        """The host's file, that may be written again: it is bound, and so no other file."""
        self.world.own_file("/etc/resolv.conf", text)
        return os.path.join(self.world.directory, "etc-resolv.conf")

    def found(self, container, *names):
        """What the container finds for NAMES: {name: {addresses}}."""
        result = {}
        for name in names:
            lines = self.world.minictl("exec", container, "getent", "ahostsv4", name).stdout
            result[name] = set(re.findall(r"(?m)^(\S+) +STREAM", lines))
        return result

    def records(self):
        state, = os.listdir(f"/proc/{self.world.holder}/root/run/mini-run")
        return f"/proc/{self.world.holder}/root/run/mini-run/{state}/containers"

    def address(self, name):
        return self.addresses(name)[0]

    def addresses(self, name, network=0):
        """IPv4, IPv6."""
        return [each.split("/")[0] for each in self.inspect(name)["networks"][network]["addresses"]]

    def ask(self, container, code):
        """What CODE prints in the container, which has ask()."""
        return self.ctl("exec", container, PYTHON, "-c", f"{ASK}\n{code}", timeout=60).strip()


class Neighbours(NamesCase):
    def setUp(self):
        super().setUp()
        self.host_resolv_conf("")  # nobody else is asked: he would only answer late

    def test_by_name_host_name_and_alias_both_ways(self):
        """Containers on a network find each other by name and alias, default network included"""
        self.detach("--name", "db", "--hostname", "Database.example", "--network-alias", "sql", "--network-alias",
                    "sql.lan", *SLEEP)
        self.detach("--name", "web", *SLEEP)
        db, web = {self.address("db")}, {self.address("web")}
        names = ["db", "DB", "database", "database.example", "sql", "sql.lan"]
        self.assertEqual(self.found("web", *names), dict.fromkeys(names, db))
        self.assertEqual(self.found("db", "web", "db", "sql"), {"web": web, "db": db, "sql": db})
        self.assertEqual(self.inspect("db")["aliases"], ["sql", "sql.lan"])
        self.assertEqual(self.ctl("exec", "web", "getent", "hosts", *db).split(), [*db, "db"])
        self.assertEqual(self.ctl("exec", "web", "getent", "hosts", "10.210.0.1").split(), ["10.210.0.1", "host.mini.internal"])

    def test_both_families(self):
        self.detach("--name", "db", *SLEEP)
        self.detach("--name", "web", *SLEEP)
        found = set(re.findall(r"(?m)^(\S+) +STREAM", self.ctl("exec", "web", "getent", "ahosts", "db")))
        self.assertEqual(found, set(self.addresses("db")))
        self.assertEqual(len(found), 2)
        for address in found:
            self.assertEqual(self.ctl("exec", "web", "getent", "hosts", address).split(), [address, "db"])

    def test_several_networks(self):
        """Each neighbour by the network that is shared with it; the first that is"""
        self.detach("--name", "both", "--network", "a", "--network", "b", *SLEEP)
        for name, networks in {"one": "a", "two": "b", "three": "ba"}.items():
            self.detach("--name", name, *[word for network in networks for word in ("--network", network)], *SLEEP)
        v4 = lambda name, network: {self.addresses(name, network)[0]}
        self.assertEqual(self.found("both", "one", "two", "three"),
                         {"one": v4("one", 0), "two": v4("two", 0), "three": v4("three", 1)})
        self.assertEqual(self.found("one", "both", "two", "three"), {"both": v4("both", 0), "two": set(), "three": v4("three", 1)})
        self.assertEqual(self.found("two", "both", "one", "three"), {"both": v4("both", 1), "one": set(), "three": v4("three", 0)})

    def test_who_has_no_way_out_asks_nobody(self):
        """A question is a way out, too: network none, internal networks; names of neighbours are there"""
        log = self.resolver("127.0.0.53", "a.example=192.0.2.1")
        self.world.sh("mount -t tmpfs none /opt; cp -a /etc /opt/etc; mount --bind /opt/etc /etc")  # networks are kept there
        self.host_resolv_conf("nameserver 127.0.0.53\n")
        self.ctl("network", "create", "inside", "--internal")
        self.detach("--name", "alone", "--network", "none", *SLEEP)
        self.detach("--name", "one", "--network", "inside", *SLEEP)
        self.detach("--name", "two", "--network", "inside", *SLEEP)
        self.assertEqual(self.ask("alone", "print(ask('a.example')[0], ask('one')[0])"), f"{FAILED} {FAILED}")
        self.assertEqual(self.ask("one", f"print(ask('a.example')[0], ask('two')[2] == ['{self.address('two')}'])"), f"{FAILED} True")
        self.assertEqual(self.text(log), "listening\n")
        self.detach("--name", "web", *SLEEP)
        self.ctl("network", "connect", "mini0", "one")
        self.assertEqual(self.found("one", "a.example", "web", "two"),
                         {"a.example": {"192.0.2.1"}, "web": {self.address("web")}, "two": {self.address("two")}})
        self.assertEqual(self.found("web", "one", "two"), {"one": {self.addresses("one", 1)[0]}, "two": set()})
        self.ctl("network", "disconnect", "mini0", "one")
        self.assertEqual(self.found("web", "one"), {"one": set()})

    def test_in_the_network_of_another(self):
        """What that finds; in the host's, what the host finds"""
        self.resolver("127.0.0.53", "a.example=192.0.2.1")
        self.host_resolv_conf("nameserver 127.0.0.53\nsearch lan\n")
        self.detach("--name", "db", *SLEEP)
        self.detach("--name", "web", *SLEEP)
        look = ("getent", "ahostsv4", "db")
        self.assertRegex(self.run_ok("--network", "container:web", *look), rf"\A{self.address('db')} ")
        self.assertEqual(self.run_ok("--network", "host", "cat", "/etc/resolv.conf"), "nameserver 127.0.0.53\nsearch lan\n")
        self.assertEqual(self.run_ok("--network", "host", "--dns", "192.0.2.1", "cat", "/etc/resolv.conf"),
                         "nameserver 192.0.2.1\nsearch lan\n")
        self.assertRegex(self.run_ok("--network", "host", "getent", "ahostsv4", "a.example"), r"\A192\.0\.2\.1 ")
        self.assertEqual(self.world.run(["nft", "list", "tables"]).stdout.count("mini_run_names"), 0)

    def test_late_starters_and_those_that_have_ended(self):
        self.detach("--name", "web", *SLEEP)
        self.assertEqual(self.found("web", "late"), {"late": set()})
        for _ in range(2):
            self.detach("--rm", "--name", "late", *SLEEP)
            self.assertEqual(self.found("web", "late"), {"late": {self.address("late")}})
            self.ctl("rm", "-f", "late")
            self.assertEqual(self.found("web", "late"), {"late": set()})

    def test_one_whose_mini_run_was_killed_is_not_found(self):
        self.detach("--name", "web", *SLEEP)
        self.detach("--name", "db", *SLEEP)
        inside, supervisor = self.network("web"), self.inspect("db")["supervisor"]
        look = lambda: self.world.run([PYTHON, "-c", f"{ASK}\nprint(ask('db')[0])"], where=inside).stdout
        self.assertEqual(look(), "0\n")
        self.kill(supervisor)  # its record stays until the next mini-run or minictl, and here is none
        self.assertEqual(look(), f"{FAILED}\n")
        self.assertIn("db", os.listdir(self.records()))

    def test_an_alias_of_several(self):
        """All addresses, in another order each time"""
        for name in "one", "two":
            self.detach("--name", name, "--network-alias", "db", *SLEEP)
        both = {self.address("one"), self.address("two")}
        answers = self.ask("one", "print([ask('db')[2] for _ in range(40)])")
        orders = [tuple(each) for each in eval(answers)]
        self.assertEqual([set(each) for each in orders], [both] * 40)
        self.assertEqual(len(set(orders)), 2, orders)

    def test_networks_do_not_see_each_other(self):
        self.detach("--network", "a", "--name", "one", *SLEEP)
        self.detach("--network", "b", "--name", "two", "--network-alias", "db", *SLEEP)
        self.detach("--network", "a", "--name", "three", *SLEEP)
        self.assertEqual(self.found("one", "two", "db", "three"),
                         {"two": set(), "db": set(), "three": {self.address("three")}})
        self.assertEqual(self.found("two", "one", "db"), {"one": set(), "db": {self.address("two")}})

    def test_a_container_is_not_asked_for_beyond_the_host(self):
        """Whatever is asked of its name: an address of the other family, a mail server, the name of a free address"""
        log = self.resolver("127.0.0.53")
        self.host_resolv_conf("nameserver 127.0.0.53\n")
        self.detach("--name", "db", *SLEEP)
        self.assertEqual(self.ask("db", "print(ask('db', 28), ask('db', 15), ask('db', 255)[0], ask('9.3.210.10.in-addr.arpa', 12)[0])"),
                         f"(0, 133, ['{self.addresses('db')[1]}']) (0, 133, []) 0 {NO_SUCH_NAME}")
        self.assertEqual(self.text(log), "listening\n")


class Servers(NamesCase):
    def test_a_loopback_resolver_with_split_dns(self):
        """systemd-resolved, dnsmasq: what the host finds, a container finds; names of containers come first"""
        log = self.resolver("127.0.0.53", "git.corp.example=10.66.0.5", "www.example.org=192.0.2.8", "db=192.0.2.66")
        self.host_resolv_conf("nameserver 127.0.0.53\nsearch corp.example\n")
        self.detach("--name", "db", *SLEEP)
        self.assertEqual(self.found("db", "git", "git.corp.example", "www.example.org", "db", "nothing"),
                         {"git": {"10.66.0.5"}, "git.corp.example": {"10.66.0.5"}, "www.example.org": {"192.0.2.8"},
                          "db": {self.address("db")}, "nothing": set()})
        self.assertNotRegex(self.text(log), r"(?m)^udp db \d")
        self.assertEqual(self.ask("db", "print(ask('nothing')[0])"), str(NO_SUCH_NAME))
        self.assertEqual(self.ctl("exec", "db", "cat", "/etc/resolv.conf"),
                         "nameserver 127.0.0.11\noptions ndots:0\nsearch corp.example\n")

    def test_a_change_of_the_hosts_servers_counts_at_once(self):
        """Follow changes: systemd-resolved, VPNs"""
        self.resolver("127.0.0.53", "a.example=192.0.2.1")
        self.resolver("127.0.0.54", "b.example=192.0.2.2")
        path = self.host_resolv_conf("nameserver 127.0.0.53\n")
        self.detach("--name", "web", *SLEEP)
        self.assertEqual(self.found("web", "a.example", "b.example"), {"a.example": {"192.0.2.1"}, "b.example": set()})
        with open(path, "w") as file:
            file.write("nameserver 127.0.0.54\n")
        self.assertEqual(self.found("web", "a.example", "b.example"), {"a.example": set(), "b.example": {"192.0.2.2"}})

    def test_the_next_server_where_one_is_dead_or_refuses(self):
        self.resolver("127.0.0.53", "REFUSE")
        self.resolver("127.0.0.54", "a.example=192.0.2.1")
        self.detach("--name", "web", *SLEEP)
        # The second: nobody listens there (an error at once); the third: nobody is there at all (silence).
        for first in "127.0.0.53", "127.0.0.55", "203.0.113.77":
            with self.subTest(first):
                self.host_resolv_conf(f"nameserver {first}\nnameserver 127.0.0.54\n")
                self.assertEqual(self.ask("web", "print(ask('a.example'), ask('a.example', 1, 'tcp'))"),
                                 "(0, 129, ['192.0.2.1']) (0, 129, ['192.0.2.1'])")

    def test_the_answer_of_the_last_server_is_passed_on(self):
        self.resolver("127.0.0.53", "REFUSE")
        self.host_resolv_conf("nameserver 127.0.0.53\n")
        self.detach("--name", "web", *SLEEP)
        self.assertEqual(self.ask("web", "print(ask('a.example')[0])"), "5")

    def test_no_server_at_all(self):
        """Names of containers still work, everything else fails at once, nobody is invented"""
        self.host_resolv_conf("search lan\n")
        result = self.world.mini_run("-d", "--name", "web", *SLEEP)
        self.assertRegex(result.stderr, r"\Amini-run: the container can resolve no names but .*--dns ADDRESS[^\n]*\n\Z")
        begin = time.monotonic()
        self.assertEqual(self.ask("web", "print(ask('www.example.org')[0], ask('www.example.org', 1, 'tcp')[0])"),
                         f"{FAILED} {FAILED}")
        self.assertLess(time.monotonic() - begin, 4)
        self.assertEqual(self.found("web", "web"), {"web": {self.address("web")}})

    def test_dead_servers_fail_in_time(self):
        """Before the asker gives up, which is after five seconds"""
        self.host_resolv_conf("nameserver 203.0.113.77\nnameserver 203.0.113.78\n")
        self.detach("--name", "web", *SLEEP)
        took = self.ask("web", "import time; t = time.monotonic(); c = ask('a.example')[0]; print(c, time.monotonic() - t)")
        self.assertEqual(took.split()[0], str(FAILED))
        self.assertLess(float(took.split()[1]), 5)

    def test_dns_instead_of_the_hosts(self):
        """--dns, IPv4 or IPv6, asked from the host"""
        self.resolver("127.0.0.53", "a.example=192.0.2.1")
        self.resolver("127.0.0.54", "a.example=192.0.2.2")
        self.resolver("::1", "a.example=192.0.2.3")
        self.host_resolv_conf("nameserver 127.0.0.53\n")
        for server, address in ("127.0.0.54", "192.0.2.2"), ("::1", "192.0.2.3"):
            self.assertRegex(self.run_ok("--dns", server, "getent", "ahostsv4", "a.example"), rf"\A{address} ")

    def test_etc_netns_is_honoured(self):
        """/etc/netns/NAME/resolv.conf names the servers, as for ip-netns(8)"""
        self.resolver("127.0.0.53", "a.example=192.0.2.1")
        self.resolver("127.0.0.54", "a.example=192.0.2.2")
        self.host_resolv_conf("nameserver 127.0.0.53\n")
        self.world.sh("mount -t tmpfs none /opt; cp -a /etc /opt/etc; mkdir -p /opt/etc/netns/red;"
                      "echo nameserver 127.0.0.54 > /opt/etc/netns/red/resolv.conf; mount --bind /opt/etc /etc;"
                      "cat /opt/etc/netns/red/resolv.conf")
        self.assertIn("192.0.2.2", self.run_ok("--name", "red", "getent", "ahostsv4", "a.example"))
        self.assertIn("192.0.2.1", self.run_ok("--name", "blue", "getent", "ahostsv4", "a.example"))


class Transports(NamesCase):
    def test_tcp(self):
        """Names of containers and others, several questions on one connection"""
        self.resolver("127.0.0.53", "a.example=192.0.2.1")
        self.host_resolv_conf("nameserver 127.0.0.53\n")
        self.detach("--name", "db", *SLEEP)
        self.assertEqual(self.ask("db", "print(ask('a.example', 1, 'tcp'), ask('db', 1, 'tcp'))"),
                         f"(0, 129, ['192.0.2.1']) (0, 133, ['{self.address('db')}'])")
        two = """
s = socket.create_connection(("127.0.0.11", 53), 10)
q = [struct.pack(">H", len(q)) + q for q in (query("db"), query("a.example"), query("db"))]
for byte in b"".join(q): s.send(bytes([byte]))
got = b""
while got.count(b"\\xc0\\x0c") < 3: got += s.recv(9999)
print(got.count(socket.inet_aton("192.0.2.1")))"""
        self.assertEqual(self.ask("db", two), "1")

    def test_a_long_answer(self):
        """Truncated answers are passed on as they are; the asker comes back by TCP"""
        self.resolver("127.0.0.53", "a.example=192.0.2.1", "BIG")
        self.host_resolv_conf("nameserver 127.0.0.53\n")
        self.detach("--name", "db", *SLEEP)
        code = "c, f, a = ask('a.example'); t = ask('a.example', 1, 'tcp')[2]; print(f & 2, a, len(t), set(t))"
        self.assertEqual(self.ask("db", code), f"{TRUNCATED} [] 1000 {{'192.0.2.1'}}")

    def test_a_name_server_of_its_own(self):
        """Beside ours, on all addresses, udp and tcp; nobody listens on port 53 of the host"""
        self.detach("--name", "ns", PYTHON, "-c", RESOLVER, "0.0.0.0", "own.example=192.0.2.9")
        self.until_logged("ns", "listening")
        self.assertEqual(self.ask("ns", "print(*[ask(n, 1, t, s)[2] for n, s in (('ns', '127.0.0.11'), ('own.example', '127.0.0.1'))"
                                        " for t in ('udp', 'tcp')])"),
                         f"['{self.address('ns')}'] ['{self.address('ns')}'] ['192.0.2.9'] ['192.0.2.9']")
        self.detach("--name", "six", PYTHON, "-c", RESOLVER, "::")
        self.until_logged("six", "listening")
        self.assertEqual(self.ask("six", "print(ask('ns')[0])"), "0")
        self.assertEqual(self.world.run(["ss", "-Htuln", "sport = :53"]).stdout, "")

    def test_a_firewall_of_its_own(self):
        """One that drops what conntrack finds odd sees a question and its answer"""
        self.detach("--name", "web", "--cap-add", "NET_ADMIN", *SLEEP)
        rules = "".join(f"add chain inet f {hook} {{ type filter hook {hook} priority 0; policy drop; }};"
                        f"add rule inet f {hook} ct state established accept;" for hook in ("input", "output"))
        for protocol in "udp", "tcp":
            rules += f"add rule inet f output ct state new {protocol} dport 1023 ct original proto-dst 1023 accept;"
            rules += f"add rule inet f input ct state new {protocol} dport 1023 accept;"
        self.ctl("exec", "web", "nft", f"add table inet f; {rules}")
        self.assertEqual(self.ask("web", "print(ask('web')[0], ask('web', 1, 'tcp')[0])"), "0 0")


class Strangers(NamesCase):
    def test_any_bytes(self):
        """A container that sends nonsense, floods, or opens what it can: mini-run lives on and answers"""
        self.resolver("127.0.0.53", "a.example=192.0.2.1")
        self.host_resolv_conf("nameserver 203.0.113.77\n")  # where nobody answers
        self.detach("--name", "bad", *SLEEP)
        descriptors = lambda: len(os.listdir(f"/proc/{self.world.holder}/root/proc/{self.inspect('bad')['supervisor']}/fd"))
        time.sleep(1.5)  # it opens some of its own in its first second
        before = descriptors()
        flood = r"""
import os, random, time
r = random.Random(4711)
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.connect(("127.0.0.11", 53))
def shoot(sock, data):
    try: sock.send(data)
    except OSError: pass
for i in range(3000):
    shoot(u, r.randbytes(r.randrange(1, 600)))
    q = bytearray(query("a.b.example"))
    q[r.randrange(len(q))] = r.randrange(256)
    shoot(u, bytes(q[:r.randrange(len(q) + 1)]))
for size in 0, 1, 4096, 4097, 60000: shoot(u, bytes(size))
streams = [socket.create_connection(("127.0.0.11", 53), 5) for _ in range(40)]
for s in streams: shoot(s, r.choice([b"\xff\xff", b"\0\0", b"\0\1", r.randbytes(500), b"\0\x1d" + query("a.b.example")]))
for i in range(2000): shoot(u, query(f"n{i}.example"))
print("flooded")
time.sleep(2)
"""
        self.assertEqual(self.ask("bad", flood), "flooded")
        self.assertLess(descriptors() - before, 200)
        self.host_resolv_conf("nameserver 127.0.0.53\n")
        answered = lambda: self.world.minictl("exec", "bad", PYTHON, "-c", f"{ASK}\nprint(ask('bad')[0], ask('a.example', 1, 'tcp')[2])")
        self.until(lambda: answered().stdout == "0 ['192.0.2.1']\n", "it does not answer any more", 30)
        self.until(lambda: descriptors() <= before + 1, "descriptors stay open", 20)
        self.assertEqual(self.ctl("logs", "bad"), "")

    def test_a_server_tells_a_container_no_more_than_names(self):
        """No zone as a whole, no update of one, nothing of itself: it may trust the host with that"""
        log = self.resolver("127.0.0.53", "a.example=192.0.2.1")
        self.host_resolv_conf("nameserver 127.0.0.53\n")
        self.detach("--name", "bad", *SLEEP)
        code = """
print(*[ask("a.example", kind, "tcp")[0] for kind in (251, 252)], ask("a.example")[0])
s = socket.create_connection(("127.0.0.11", 53), 5)
for change in ((2, 0x29), (-1, 3)):
    q = bytearray(query("a.example"))
    q[change[0]] = change[1]
    s.sendall(struct.pack(">H", len(q)) + q)
    print(s.recv(999)[5] & 15)"""
        self.assertEqual(self.ask("bad", code), "5 5 0\n1\n5")
        self.assertEqual(self.text(log), "listening\nudp a.example 1\n")

    def test_only_the_server_that_was_asked_is_believed(self):
        """Another identifier, another question, a response to nothing: passed over until the true answer comes"""
        liar = r"""
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.53", 53))
print("listening", flush=True)
while True:
    q, asker = s.recvfrom(5000)
    record = b"\xc0\x0c\0\1\0\1\0\0\0\5\0\4"
    say = lambda id, flags, question, address: s.sendto(id + flags + b"\0\1\0\1\0\0\0\0" + question + record + socket.inet_aton(address), asker)
    say(bytes([q[0] ^ 1, q[1]]), b"\x81\x80", q[12:], "192.0.2.66")
    say(q[:2], b"\1\0", q[12:], "192.0.2.66")
    say(q[:2], b"\x81\x80", q[12:].replace(b"example", b"exemple"), "192.0.2.66")
    s.sendto(q[:5], asker)
    other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    other.bind(("127.0.0.54", 53))
    other.sendto(q[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + q[12:] + record + socket.inet_aton("192.0.2.66"), asker)
    other.close()
    time.sleep(0.1)
    say(q[:2], b"\x81\x80", q[12:], "192.0.2.1")
"""
        process = self.world.popen([PYTHON, "-c", liar], stdout=subprocess.PIPE, text=True)
        self.assertEqual(process.stdout.readline(), "listening\n")
        self.host_resolv_conf("nameserver 127.0.0.53\n")
        self.detach("--name", "web", *SLEEP)
        self.assertEqual(self.ask("web", "print(ask('a.example')[2])"), "['192.0.2.1']")
