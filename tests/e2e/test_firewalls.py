# SPDX-License-Identifier: MIT
"""Next to Docker, ufw, firewalld, libvirt's rules, iptables-legacy and an administrator's own chain: everything works,
or a line says what drops and what mends it; and nothing of theirs is changed."""

import os
import re
import shutil
import signal

import snapshot
import traffic
from case import LOCAL_HOST, Case
from daemons import Docker, Firewalld, Ufw, foreign_state
from world import CLIENT, HOST, World

FROM = "-i mini0 -m comment --comment mini-run -j ACCEPT"
TO = "-o mini0 -m comment --comment mini-run -j ACCEPT"
LIKE_DOCKER = ("iptables -P FORWARD DROP; iptables -N DOCKER-USER; iptables -A DOCKER-USER -j RETURN;"
               "iptables -I FORWARD -j DOCKER-USER;")


class Neighbours(Case):
    """What all of them are asked."""

    def setUp(self):
        super().setUp()
        self.world.serve("outside", 7000, where="client")

    def page_from_beyond(self):
        return self.world.call(traffic.outcome, "tcp", HOST, 8080, where="client")

    def assert_connected(self, container):
        """In from beyond and from the host, out from the container; at once: no first packet is lost."""
        self.assertEqual(self.page_from_beyond(), f"page saw {CLIENT}")
        self.assertIn("page", self.world.call(traffic.outcome, "tcp", LOCAL_HOST, 8080))
        self.assertEqual(self.from_inside(container, CLIENT, 7000), f"outside saw {HOST}")

    def from_inside(self, container, address, port):
        inside = container.network
        try:
            return self.world.call(traffic.outcome, "tcp", address, port, where=inside)
        finally:
            os.close(inside["net"])  # who holds a namespace holds its cable

    def assert_foreign(self, before):
        difference = snapshot.difference(before, foreign_state(self.world))
        self.assertEqual(difference, "", "something of others was changed")

    def exceptions(self):
        """Our rules as iptables-save(8) prints them, which must be able to."""
        saved = self.world.run(["iptables-save", "-t", "filter"]).stdout
        return [line for line in saved.splitlines() if "mini-run" in line]

    def needs(self, *programs):
        for program in programs:
            self.assertTrue(shutil.which(program), f"{program} is needed (tests/packages.sh)")


class RealFirewalls(Neighbours):
    timeout = 150

    def test_docker(self):
        self.needs("dockerd")
        docker = Docker(self.world)
        before, all_before = foreign_state(self.world), self.world.state()
        container = self.world.start("-p", "8080:80", *traffic.server())
        self.assertEqual(container.err, "")
        self.assert_connected(container)
        self.assert_foreign(before)
        ours = [f"-A DOCKER-USER {FROM}", f"-A DOCKER-USER {TO}"]
        self.assertEqual(self.exceptions(), ours)
        docker.stop()
        docker.start()
        self.until(lambda: self.exceptions() == ours, "the exception is there", 1)
        self.assert_connected(container)
        self.assertIn("page", self.from_inside(container, HOST, 8080))
        docker.stop()
        container.stop()
        self.until(lambda: self.exceptions() == [], "the exception goes with the last container")
        docker.start()  # it has made its own anew: nothing of ours was in its way
        self.assert_same_state({key: all_before[key] for key in all_before if not key.startswith("nft")} |
                               {key: value for key, value in self.world.state().items() if key.startswith("nft")})
        docker.stop()

    def test_ufw(self):
        self.needs("ufw")
        ufw = Ufw(self.world)
        before, all_before = foreign_state(self.world), self.world.state()
        container = self.world.start("-p", "8080:80", "-p", "127.0.0.1:8081:80", "-p", "8082:80,from=192.0.2.0/24", *traffic.server())
        self.assertEqual(len(container.err.splitlines()), 1, container.err)
        self.assertRegex(container.err, r"port 8080/tcp is open to every network, past ufw.* -p 8080:80,from=CIDR.* -p 127\.0\.0\.1:8080:80")
        self.assert_connected(container)
        self.assert_foreign(before)
        ours = [f"-A ufw-user-forward {FROM}", f"-A ufw-user-forward {TO}"]
        self.assertEqual(self.exceptions(), ours)
        for change in (["reload"], ["allow", "22/tcp"], ["route", "insert", "1", "deny", "in", "on", "eth1"]):
            with self.subTest(change):
                try:
                    ufw(*change)
                except AssertionError as error:  # the first rule cannot be inserted
                    self.assertIn("Invalid position", str(error))
                    ufw("route", "deny", "in", "on", "eth1")
                self.until(lambda: self.exceptions() == ours, f"the exception is back: {self.exceptions()}", 2)
                self.assert_connected(container)
        ufw("reload")
        container.stop()
        self.until(lambda: self.exceptions() == [], "the exception goes with the last container")
        ufw("--force", "reset")
        ufw("--force", "enable")
        self.assert_same_state(all_before)

    def test_what_ufw_denies_stays_denied(self):
        self.needs("ufw")
        ufw = Ufw(self.world)
        ufw("route", "deny", "in", "on", "eth0", "out", "on", "mini0")
        container = self.world.start("-p", "8080:80", *traffic.server())
        self.assertEqual(self.page_from_beyond(), "TimeoutError")
        self.assertEqual(self.from_inside(container, CLIENT, 7000), f"outside saw {HOST}")

    def test_firewalld(self):
        self.needs("firewalld", "dbus-daemon")
        firewalld = Firewalld(self.world)
        before, all_before = foreign_state(self.world), self.world.state()
        container = self.world.start("-p", "8080:80", *traffic.server())
        self.assertEqual(len(container.err.splitlines()), 1, container.err)
        self.assertRegex(container.err, r"port 8080/tcp is open to every network, past firewalld")
        self.assert_connected(container)
        self.assert_foreign(before)
        place = lambda: self.world.sh("nft -s list chain inet firewalld filter_FORWARD_POLICIES_post").stdout
        self.assertEqual(re.findall(r"\w+ifname.*", place()), ['iifname "mini0" counter accept comment "mini-run"',
                                                         'oifname "mini0" counter accept comment "mini-run"'])
        firewalld("--reload")
        self.until(lambda: place().count("mini-run") == 2, "the exception is back", 2)
        self.assert_connected(container)
        container.stop()
        self.until(lambda: "mini-run" not in place(), "the exception goes with the last container")
        self.assert_foreign(before)
        self.assert_same_state(all_before)

    def test_a_firewall_that_comes_later(self):
        self.needs("ufw")
        container = self.world.start("-p", "8080:80", *traffic.server())
        self.world.sh("sleep 0.5")
        Ufw(self.world)
        self.until(lambda: len(self.exceptions()) == 2, "the exception is made", 2)
        self.assert_connected(container)


class Rules(Neighbours):
    """The same with their rules alone."""

    def test_an_exception_is_put_back_and_swept(self):
        self.world.sh(LIKE_DOCKER)
        before = self.world.state()
        container = self.world.start("-p", "8080:80", *traffic.server())
        ours = [f"-A DOCKER-USER {FROM}", f"-A DOCKER-USER {TO}"]
        self.assertEqual(self.exceptions(), ours)
        self.world.sh("sleep 0.5; iptables -F DOCKER-USER; iptables -A DOCKER-USER -j RETURN")
        self.until(lambda: len(self.exceptions()) == 2, "it is back", 1)
        self.assert_connected(container)
        second = self.world.start("/bin/sh", "-c", "echo ready; exec sleep 1000")
        container.stop()
        self.assertEqual(len(self.exceptions()), 2, "another container needs it")
        second.send(signal.SIGKILL)
        second.process.wait()
        self.until(lambda: self.ctl("ps", "-q") == "" and self.exceptions() == [], "the next command sweeps it")
        self.world.sh("iptables -F DOCKER-USER; iptables -A DOCKER-USER -j RETURN")
        self.assert_same_state(before)

    def test_a_program_that_connects_at_once_is_not_dropped(self):
        self.world.sh(LIKE_DOCKER + "iptables -A FORWARD -j REJECT")
        result = self.world.mini_run("/usr/bin/python3", "-c", f"import socket; socket.create_connection(('{CLIENT}', 7000), 1)")
        self.assertEqual((result.returncode, result.stderr), (0, ""))

    def test_many_at_once_make_one(self):
        self.world.sh(LIKE_DOCKER)
        containers = [self.world.start("/bin/sh", "-c", "echo ready; exec sleep 1000", ready=None) for _ in range(8)]
        for container in containers:
            container.wait_for("ready")
        self.assertEqual(len(self.exceptions()), 2)
        self.ctl("repair")
        self.assertEqual(len(self.exceptions()), 2)

    def test_explain_is_do(self):
        self.world.sh(LIKE_DOCKER)
        self.world.start("-p", "8080:80", *traffic.server())
        chain = lambda world: world.sh("nft -s list chain ip filter DOCKER-USER").stdout
        with World() as scripted:
            scripted.sh(LIKE_DOCKER)
            script = scripted.mini_run("--dry-run", "--name", "web", "true").stdout
            self.assertIn("insert rule ip filter DOCKER-USER position", script)
            scripted.sh(script)
            self.assertEqual(chain(scripted), chain(self.world))
            explained = scripted.mini_run("--explain", "-p", "8080:80", "true")
            self.assertNotIn("DOCKER-USER", explained.stderr, "it is there")
        explained = self.world.mini_run("--dry-run", "true")
        self.assertNotIn("DOCKER-USER", explained.stdout, "it is there")

    def test_a_plain_policy(self):
        self.world.sh("nft add table inet fw; nft 'add chain inet fw forward { type filter hook forward priority 0; policy drop; }'")
        before = foreign_state(self.world)
        container = self.world.start("-p", "8080:80", *traffic.server())
        lines = container.err.splitlines()
        self.assertEqual(len(lines), 1, container.err)
        self.assertRegex(lines[0], r"^mini-run: .*inet fw.*forward")
        self.assert_foreign(before)
        self.assertNotIn("page", self.page_from_beyond())
        self.world.sh(re.search(r"nft .*", lines[0])[0].rstrip("`."))
        self.assert_connected(container)
        container.stop()
        again = self.world.start("-p", "8080:80", *traffic.server())
        self.assertEqual(again.err, "", "it is mended already")

    def test_iptables_legacy(self):
        self.needs("iptables-legacy")
        self.world.sh("iptables-legacy -P FORWARD DROP; iptables-legacy -A INPUT -i nothing -j DROP")
        save = lambda: re.sub(r"\[\d+:\d+\]|#.*", "", self.world.sh("iptables-legacy-save").stdout)
        before = save()
        container = self.world.start("-p", "8080:80", *traffic.server())
        self.assertEqual(len(container.err.splitlines()), 1, container.err)
        self.assertEqual(save(), before)
        self.assertNotIn("page", self.page_from_beyond())
        self.world.sh(re.search(r"iptables-legacy -I.*", container.err)[0])
        self.assert_connected(container)
        container.stop()
        self.assertEqual(self.world.start("-p", "8080:80", *traffic.server()).err, "", "it is mended already")

    def test_rules_like_libvirts(self):
        self.world.sh("ip link add virbr0 type bridge; ip addr add 192.168.122.1/24 dev virbr0; ip link set virbr0 up;"
                      "for chain in FWO FWI FWX; do iptables -N LIBVIRT_$chain; iptables -A FORWARD -j LIBVIRT_$chain; done;"
                      "iptables -A LIBVIRT_FWO -i virbr0 -s 192.168.122.0/24 -j ACCEPT; iptables -A LIBVIRT_FWO -i virbr0 -j REJECT;"
                      "iptables -A LIBVIRT_FWI -o virbr0 -j REJECT; iptables -A LIBVIRT_FWX -i virbr0 -o virbr0 -j ACCEPT")
        before = foreign_state(self.world)
        container = self.world.start("-p", "8080:80", *traffic.server())
        self.assertEqual((container.err, self.exceptions()), ("", []))
        self.assert_connected(container)
        self.assert_foreign(before)

    def test_who_starts_one_in_the_background_is_told(self):
        self.world.sh("nft add table inet fw; nft 'add chain inet fw forward { type filter hook forward priority 0; policy drop; }'")
        result = self.world.mini_run("-d", "--rm", "--name", "web", "-p", "8080:80", "sleep", "1000")
        self.assertEqual((result.returncode, result.stdout), (0, "web\n"))
        self.assertRegex(result.stderr, r"\Amini-run: .*inet fw.*forward[^\n]*\n\Z")

    def test_nothing_is_said_where_nothing_drops(self):
        self.world.sh("iptables -P FORWARD ACCEPT; iptables -A FORWARD -i nothing -j DROP")
        self.assertEqual(self.world.start("-p", "8080:80", *traffic.server()).err, "")
