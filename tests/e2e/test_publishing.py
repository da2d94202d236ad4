# SPDX-License-Identifier: MIT
"""Issue, 4: publishing. Every way to a port, and every way that must not be one."""

import os
import re
import signal
import socket
import subprocess
import time

import snapshot
import traffic
from case import LOCAL_HOST, PYTHON, Case
from world import CLIENT, CLIENT6, HOST, HOST6, HOST_OTHER, HOST_OTHER6, OTHER, OTHER6

BOTH = ["-p", "8080:80", "-p", "8080:80/udp"]
HOSTS_WITH_IPV6_FIRST = "::1 localhost\n127.0.0.1 localhost\n"


class Matrix(Case):
    """The page answers, TCP and UDP, from everywhere."""

    timeout = 120

    def bridge_address(self):
        return next(info["local"] for link in snapshot.ip_json(self.world, "-4", "addr", "show", "dev", "mini0")
                    for info in link["addr_info"])

    def ask(self, protocol, host, port=8080, where="host", timeout=2):
        return self.world.call(traffic.outcome, protocol, host, port, timeout, where=where)

    def test_every_way_to_the_port(self):
        page = self.world.start(*BOTH, *traffic.server())
        neighbour = self.world.start("--name", "neighbour", "/bin/sh", "-c", "echo ready; exec sleep 1000")
        distant = self.world.start("--network", "other0", "--name", "distant", "/bin/sh", "-c", "echo ready; exec sleep 1000")
        bridge = self.bridge_address()
        ways = [  # from, to, the peer that the server sees (None: any, the host's or the bridge's)
            ("client", HOST, CLIENT), ("other", HOST_OTHER, OTHER), ("client", HOST_OTHER, CLIENT),
            ("host", LOCAL_HOST, bridge), ("host", "127.7.7.7", bridge), ("host", "localhost", bridge),
            ("host", HOST, None), ("host", HOST_OTHER, None), ("host", bridge, None),
            (neighbour.network, HOST, None), (neighbour.network, bridge, None), (neighbour.network, HOST_OTHER, None),
            (distant.network, HOST, bridge), (distant.network, HOST_OTHER, bridge),
            (page.network, HOST, None), (page.network, bridge, None), (page.network, HOST_OTHER, None)]
        inside6, bridge6 = self.ipv6_of(page)
        loopback6 = [("host", "::1", bridge6), ("host", "localhost6", bridge6)] if self.bridge_nf == 0 else []
        ways += loopback6 + [
            ("client", HOST6, CLIENT6), ("other", HOST_OTHER6, OTHER6), ("client", HOST_OTHER6, CLIENT6),
            ("host", HOST6, None), ("host", HOST_OTHER6, None), ("host", bridge6, None),
            (neighbour.network, HOST6, None), (neighbour.network, bridge6, None), (neighbour.network, HOST_OTHER6, None),
            (distant.network, HOST6, bridge6), (distant.network, HOST_OTHER6, bridge6),
            (page.network, HOST6, None), (page.network, bridge6, None), (page.network, HOST_OTHER6, None)]
        for protocol in "tcp", "udp":
            for where, host, peer in ways:
                with self.subTest(f"{protocol} to {host} from {where if isinstance(where, str) else 'a container'}"):
                    self.assertRegex(self.ask(protocol, host, where=where), f"^page saw {re.escape(peer or '')}")
            with self.subTest(f"{protocol} directly from the neighbour"):
                self.assertEqual(self.ask(protocol, page.address, 80, neighbour.network),
                                 f"page saw {neighbour.address}")
                self.assertEqual(self.ask(protocol, inside6, 80, neighbour.network),
                                 f"page saw {self.ipv6_of(neighbour)[0]}")
            for where, inside in (distant.network, page.address), (distant.network, inside6), ("client", inside6):
                with self.subTest(f"{protocol}: not directly to {inside} from elsewhere"):
                    self.assertNotIn("page", self.ask(protocol, inside, 80, where, 0.5))

    def ipv6_of(self, container):
        """Its address, and that of its gateway."""
        def first(*arguments):
            return snapshot.ip_json(self.world, "-6", *arguments, where=container.network)[0]
        address = first("addr", "show", "dev", "eth0", "scope", "global")["addr_info"][0]["local"]
        return address, first("route", "show", "default")["gateway"]

    def test_loopback_of_ipv6_is_refused_at_once_where_its_answers_would_be_lost(self):
        """[::1] included; never a hang"""
        self.world.start(*BOTH, *traffic.server())
        for protocol in "tcp", "udp":
            answer = self.ask(protocol, "::1")
            if self.bridge_nf == 0:
                self.assertRegex(answer, "^page saw")
            else:
                self.assertEqual(answer, "ConnectionRefusedError")

    def test_the_host_has_a_name(self):
        """host.mini.internal (and host.docker.internal) is the host"""
        self.world.serve("host", 7000)
        ask = "import socket, sys; peer = socket.create_connection((sys.argv[1], 7000), 5); peer.send(b'x'); print(peer.recv(1000))"
        for name in "host.mini.internal", "host.docker.internal":
            self.assertIn("host saw", self.run_ok(PYTHON, "-c", ask, name))

    def test_the_way_out(self):
        """Masquerade for the way out"""
        self.world.serve("outside", 7000, where="client")
        self.assertEqual(self.ask("tcp", CLIENT6, 7000), f"outside saw {HOST6}")
        container = self.world.start("/bin/sh", "-c", "echo ready; exec sleep 1000")
        self.assertEqual(self.ask("tcp", CLIENT, 7000), f"outside saw {HOST}")
        for protocol in "tcp", "udp":
            self.assertEqual(self.ask(protocol, CLIENT, 7000, container.network), f"outside saw {HOST}")
            self.assertEqual(self.ask(protocol, CLIENT6, 7000, container.network), f"outside saw {HOST6}")

    def test_an_address_of_its_own(self):
        """-p [ADDR:]HOST:CONTAINER[/tcp|/udp], repeatable"""
        self.world.start("-p", f"{HOST}:8080:80", *traffic.server("one"))
        self.world.start("-p", f"{HOST_OTHER}:8080:80", "-p", f"{HOST_OTHER}:8081:80", *traffic.server("two"))
        self.world.start("-p", f"[{HOST6}]:8080:80", *traffic.server("three"))
        self.world.start("-p", "[::]:8082:80", *traffic.server("four"))
        self.world.start("-p", "0.0.0.0:8082:80", *traffic.server("five"))
        self.assertEqual(self.ask("tcp", HOST6, where="client"), f"three saw {CLIENT6}")
        self.assertEqual(self.ask("tcp", HOST6, 8082, where="client"), f"four saw {CLIENT6}")
        self.assertEqual(self.ask("tcp", HOST, 8082, where="client"), f"five saw {CLIENT}")
        self.assertEqual(self.ask("tcp", HOST_OTHER6, where="other", timeout=0.5), "ConnectionRefusedError")
        self.assertEqual(self.ask("tcp", HOST, where="client"), f"one saw {CLIENT}")
        self.assertEqual(self.ask("tcp", HOST_OTHER, where="other"), f"two saw {OTHER}")
        self.assertEqual(self.ask("tcp", HOST_OTHER, 8081, where="other"), f"two saw {OTHER}")
        self.assertEqual(self.ask("tcp", HOST, 8081, where="client", timeout=0.5), "ConnectionRefusedError")
        self.assertEqual(self.ask("tcp", LOCAL_HOST, timeout=0.5), "ConnectionRefusedError")

    def test_a_range_and_both_protocols(self):
        """Ranges (8000-8999:8000-8999), tcp+udp"""
        self.world.start("-p", "8000-8999:8000-8999/tcp+udp", *traffic.server(port=8123))
        self.world.start("-p", "9000-9009:80-89", *traffic.server("shifted", port=83))
        for where, host in ("client", HOST), ("host", LOCAL_HOST):
            for protocol in "tcp", "udp":
                self.assertRegex(self.ask(protocol, host, 8123, where), "^page saw")
            self.assertRegex(self.ask("tcp", host, 9003, where), "^shifted saw")
            self.assertEqual(self.ask("tcp", host, 8124, where, 0.5), "ConnectionRefusedError")

    def test_a_flush_of_all_rules_is_mended_by_the_next_start(self):
        """ENOENT: install the rule set again, replay every running container's elements"""
        self.world.start("-p", "8080:80", *traffic.server("one"))
        self.world.sh("nft flush ruleset")
        self.world.start("-p", "8081:80", *traffic.server("two"))
        self.assertEqual(self.ask("tcp", HOST, 8080, "client"), f"one saw {CLIENT}")
        self.assertEqual(self.ask("tcp", HOST, 8081, "client"), f"two saw {CLIENT}")


class MatrixWithBridgeNetfilter(Matrix):
    """The same with bridge-nf-call-iptables=1, as where Docker or Kubernetes loaded br_netfilter."""

    bridge_nf = 1


class MatrixWithoutBridgeNetfilter(Matrix):
    bridge_nf = 0


class Localhost(Case):
    serial = True

    def test_localhost_that_resolves_to_ipv6_first(self):
        """localhost (also where that resolves to ::1 first: at most 50 ms more)"""
        self.world.own_file("/etc/hosts", HOSTS_WITH_IPV6_FIRST)
        self.world.start(*BOTH, *traffic.server())
        first = self.world.call(lambda: socket.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)[0][4][0])
        self.assertEqual(first, "::1")
        for protocol in "tcp", "udp":
            with self.subTest(protocol):
                direct = min(self.world.call(traffic.timed, protocol, LOCAL_HOST, 8080)[1] for _ in range(5))
                answers = [self.world.call(traffic.timed, protocol, "localhost", 8080) for _ in range(5)]
                self.assertEqual({text[:9] for text, _ in answers}, {"page saw "})
                self.assertLess(min(seconds for _, seconds in answers), direct + 0.05)


class Closed(Case):
    """What must not be reachable."""

    def to_loopback_of_the_host(self, gateway, device):
        """Shell lines that make 127.0.0.0/8 of a machine mean that of its GATEWAY."""
        return (f"sysctl -qw net.ipv4.conf.all.route_localnet=1 net.ipv4.conf.{device}.route_localnet=1;"
                "ip addr flush dev lo; ip route flush table local 127.0.0.0/8 || true;"
                f"ip route add 127.0.0.0/8 via {gateway} dev {device} src $(ip -4 -o addr show dev {device} |"
                " sed 's,.*inet \\([0-9.]*\\)/.*,\\1,')")

    def count_attempts(self, device):
        self.world.sh("nft add table inet witness; nft 'add chain inet witness c { type filter hook prerouting priority -400; }';"
                      f"nft add rule inet witness c iifname {device} ip daddr 127.0.0.1 counter")

    def attempts(self):
        return int(re.search(r"packets (\d+)", self.world.sh("nft list table inet witness").stdout)[1])

    def test_a_port_of_127_0_0_1_is_for_the_host_only(self):
        """A port published on 127.0.0.1 is unreachable from anywhere else"""
        self.world.start("-p", "127.0.0.1:8080:80", "-p", "127.0.0.1:8080:80/udp", *traffic.server())
        neighbour = self.world.start("/bin/sh", "-c", "echo ready; exec sleep 1000")
        ask = lambda protocol, host, where: self.world.call(traffic.outcome, protocol, host, 8080, where=where)
        for protocol in "tcp", "udp":
            self.assertTrue(ask(protocol, LOCAL_HOST, "host").startswith("page saw "))
            for host, where in (HOST, "client"), (HOST, "host"), (HOST, neighbour.network), (HOST_OTHER, "other"):
                self.assertNotIn("page", ask(protocol, host, where))
        self.count_attempts("eth0")
        self.world.sh(self.to_loopback_of_the_host(HOST, "eth0"), where="client")
        for protocol in "tcp", "udp":
            self.assertNotIn("page", ask(protocol, LOCAL_HOST, "client"))
        self.assertGreater(self.attempts(), 0, "the attack did not even reach the host")

    def test_a_container_does_not_reach_the_hosts_loopback(self):
        """A container cannot reach what listens on the host's loopback"""
        self.world.serve("secret", 9000, LOCAL_HOST)
        container = self.world.start("-p", "8080:80", *traffic.server())
        self.assertIn("secret", self.world.call(traffic.outcome, "tcp", LOCAL_HOST, 9000))
        gateway = snapshot.ip_json(self.world, "-4", "route", where=container.network)[0]["gateway"]
        ask = lambda host: [self.world.call(traffic.outcome, p, host, 9000, where=container.network) for p in ("tcp", "udp")]
        self.assertNotIn("secret", str(ask(gateway)))
        self.count_attempts("mini0")
        self.world.sh(self.to_loopback_of_the_host(gateway, "eth0"), where=container.network)
        self.assertNotIn("secret", str(ask(LOCAL_HOST)))
        self.assertGreater(self.attempts(), 0, "the attack did not even reach the host")

    def test_a_forged_loopback_source_is_dropped(self):
        self.world.start("-p", "8080:80/udp", *traffic.server())
        self.world.sh("nft add table inet witness; nft 'add chain inet witness c { type filter hook postrouting priority 300; }';"
                      "nft add rule inet witness c oifname mini0 udp dport 80 counter;"
                      "sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0")
        self.world.sh("ip addr add 127.0.0.9/32 dev eth0; sysctl -qw net.ipv4.conf.all.route_localnet=1", where="client")
        forge = "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.bind(('127.0.0.9', 5))\n" \
                f"s.sendto(b'x', ('{HOST}', 8080))"
        self.world.run([PYTHON, "-c", forge], where="client")
        time.sleep(0.1)
        self.assertEqual(self.attempts(), 0)

    def test_a_containers_address_is_not_reachable_from_beyond_the_host(self):
        """A container's address cannot be reached directly from beyond the host"""
        container = self.world.start("-p", "8080:80", *traffic.server())
        address = container.address
        self.assertIn("page", self.world.call(traffic.outcome, "tcp", HOST, 8080, where="client"))
        for protocol in "tcp", "udp":
            for where in "client", "other":
                self.assertNotIn("page", self.world.call(traffic.outcome, protocol, address, 80, where=where))
            self.assertIn("page", self.world.call(traffic.outcome, protocol, address, 80))

    def test_an_unserved_port_is_refused_at_once(self):
        """Refuses early TCP clients"""
        self.world.start("-p", "8080:80", "/bin/sh", "-c", "echo ready; exec sleep 1000")
        for where, host in ("client", HOST), ("host", LOCAL_HOST):
            answer, seconds = self.world.call(traffic.timed, "tcp", host, 8080, where=where)
            self.assertEqual(answer, "ConnectionRefusedError")
            self.assertLess(seconds, 0.5)


# Links come and go in namespaces beside the host: the kernel's link watch, which first lets packets through a
# new link, falls behind.
BUSY_LINKS = """
while :; do
  for n in 1 2 3 4 5 6 7 8; do
    unshare -n sh -c 'ip link add name v1 type veth peer name v2; ip link set v1 up; ip link set v2 up
                      for i in 1 2 3 4 5 6 7 8; do ip link add name x$i type bridge; ip link set x$i up; done' &
  done
  wait
done
"""


class FirstPacket(Case):
    serial = True  # what it does to the kernel delays everybody's links
    timeout = 120

    def test_the_first_packet_gets_through(self):
        """The network passes packets before the program's first instruction, also on a host with much to do"""
        self.world.serve("host", 7000)
        connect = ["/usr/bin/python3", "-Sc", "import socket, sys\nsocket.create_connection((sys.argv[1], 7000), 0.5)", HOST]
        busy = [self.world.popen(["sh", "-c", BUSY_LINKS], stderr=subprocess.DEVNULL) for _ in range(2)]
        self.world.start("-p", "8080:80", "sh", "-c", "echo ready; exec sleep 1000")
        for _ in range(12):
            self.assertEqual(self.run_ok("cat", "/sys/class/net/eth0/operstate").strip(), "up")
        self.run_ok(*connect)
        for process in busy:
            process.kill()


class Early(Case):
    def sender(self, where, host, source_port):
        """A process that sends until it is answered; (pipe of its answer, pid)."""
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            answer = self.world.call(traffic.send_until_answered, host, 8080, source_port, 8, where=where)
            os.write(writer, answer.encode())
            os._exit(0)
        os.close(writer)
        return reader, pid

    def test_a_udp_sender_that_was_there_before_is_served(self):
        """A UDP server is reached at once also by a client that was sending before"""
        self.world.sh("nft add table inet probe; nft 'add chain inet probe c { type filter hook prerouting priority 0; }';"
                      "nft add rule inet probe c ct state new counter")
        senders = {}
        for where, host in ("client", HOST), ("host", LOCAL_HOST), ("host", HOST):
            senders[where, host] = self.sender(where, host, 5555 + len(senders))
        self.until(lambda: "dport=8080" in self.world.run(["conntrack", "-L", "-p", "udp"]).stdout, "the kernel remembers")
        self.world.start("-p", "8080:80/udp", *traffic.server())
        start = time.monotonic()
        for name, (reader, pid) in senders.items():
            with self.subTest(name):
                self.assertIn("page saw", os.read(reader, 100).decode())
            os.waitpid(pid, 0)
        self.assertLess(time.monotonic() - start, 1.0)


class Taken(Case):
    """A taken port: one line that names the owner, exit 125, nothing changed."""

    def test_by_a_container(self):
        self.world.start("--name", "web", "-p", "8080:80", "-p", "8053:53/udp", "/bin/sh", "-c", "echo ready; exec sleep 1000")
        before = self.world.state()
        for port in "8080:80", "127.0.0.1:8080:80", f"{HOST}:8080:81", "8053:53/udp":
            with self.subTest(port):
                self.assert_refused(self.world.mini_run("-p", port, "true"), says=(port.split(":")[-2], r"\bweb\b"))
                self.assert_same_state(before)
        self.run_ok("-p", "8053:53/tcp", "true")

    def test_by_a_program(self):
        server = self.world.serve("host", 8080)
        before = self.world.state()
        pid = open(f"/proc/{server.pid}/status").read().split("NSpid:")[1].split("\n")[0].split()[-1]
        for port in "8080:80", "127.0.0.1:8080:80", "8080:80/udp":
            with self.subTest(port):
                self.assert_refused(self.world.mini_run("-p", port, "true"), says=("8080", "python3", rf"\b{pid}\b"))
                self.assert_same_state(before)

    def test_a_container_keeps_its_port_from_programs(self):
        """The host port is reserved by bind"""
        self.world.start("-p", "8080:80", "/bin/sh", "-c", "echo ready; exec sleep 1000")
        bind = "import socket\nsocket.create_server(('0.0.0.0', 8080))"
        self.assertIn("in use", self.world.run([PYTHON, "-c", bind], check=False).stderr)

    def test_one_of_many(self):
        self.world.start("--name", "web", "-p", "8085:80", "/bin/sh", "-c", "echo ready; exec sleep 1000")
        before = self.world.state()
        ports = [word for port in range(8080, 8090) for word in ("-p", f"{port}:80")]
        self.assert_refused(self.world.mini_run(*ports, "true"), says=("8085", "web"))
        self.assert_same_state(before)


class Again(Case):
    timeout = 120

    def test_the_same_name_50_times_without_a_pause(self):
        """The same --name 50 times without a pause works"""
        before = self.world.state()
        for _ in range(50):
            self.run_ok("--name", "x", "-p", "8080:80", "true")
        self.assert_same_state(before)

    def test_host_port_0(self):
        """HOST 0 = the kernel chooses and we print it"""
        for protocol in "tcp", "udp":
            container = self.world.start("-p", f"0:80/{protocol}", *traffic.server())
            port = re.search(rf"(\d+)\s*->\s*80/{protocol}", container.err + container.out)
            self.assertIsNotNone(port, container.err + container.out)
            self.assertIn("page", self.world.call(traffic.outcome, protocol, HOST, int(port[1]), where="client"))
            container.stop()

    def test_a_port_is_free_at_once_when_its_owner_dies(self):
        """Any death frees it, survives TIME_WAIT"""
        for number in signal.SIGKILL, signal.SIGTERM, signal.SIGINT:
            container = self.world.start("-p", "8080:80", "-p", "8080:80/udp", *traffic.server())
            for where, host in ("client", HOST), ("host", LOCAL_HOST):
                self.assertIn("page", self.world.call(traffic.outcome, "tcp", host, 8080, where=where))
            container.send(number)
            container.wait()
            again = self.world.start("-p", "8080:80", "-p", "8080:80/udp", *traffic.server("again"))
            for protocol in "tcp", "udp":
                self.assertIn("again", self.world.call(traffic.outcome, protocol, HOST, 8080, where="client"))
            again.stop()

    def test_clients_of_a_stopped_container_do_not_hang(self):
        """TCP the same on stop: clients get RST instead of hanging"""
        container = self.world.start("-p", "8080:80", *traffic.server())
        keeper = self.world.start("/bin/sh", "-c", "echo ready; exec sleep 1000")  # the rules stay
        container.stop()
        answer, seconds = self.world.call(traffic.timed, "tcp", HOST, 8080, where="client")
        self.assertEqual(answer, "ConnectionRefusedError")
        self.assertLess(seconds, 0.5)
        keeper.stop()

    def test_twenty_at_once(self):
        before = self.world.state()
        containers = [self.world.start("-p", f"{9000 + n}:80", *traffic.server(f"n{n}"), ready=None) for n in range(20)]
        for container in containers:
            container.wait_for("ready", 30)
        for n in range(20):
            self.assertEqual(self.world.call(traffic.outcome, "tcp", HOST, 9000 + n, where="client"), f"n{n} saw {CLIENT}")
        for container in containers:
            container.send(signal.SIGTERM)
        for container in containers:
            container.wait()
        self.assert_same_state(before)

    def test_the_subnet_overlaps_no_route_of_the_host(self):
        """Taken from a pool so that it overlaps no address or route of the host"""
        first = self.world.start("/bin/sh", "-c", "echo ready; exec sleep 1000")
        address = first.address
        first.stop()
        self.until(lambda: "mini0" not in self.world.sh("ip -br link").stdout, "the bridge is gone")
        self.world.sh(f"ip route add {address}/32 via {CLIENT}")
        second = self.world.start("/bin/sh", "-c", "echo ready; exec sleep 1000")
        self.assertNotEqual(second.address.split(".")[:2] + [str(int(second.address.split(".")[2]) // 4)],
                            address.split(".")[:2] + [str(int(address.split(".")[2]) // 4)])
