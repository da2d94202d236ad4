# SPDX-License-Identifier: MIT
"""Issue, 5: a container that may forge packets (NET_RAW) speaks in nobody's name but its own."""

import json

import frames
import snapshot
import traffic
from case import PYTHON
from test_networks import FOREVER, NetworkCase
from world import CLIENT, HOST

BRIDGE_MAC = "02:42:0a:05:00:01"
GATEWAY, GATEWAY6 = "10.5.0.1", "fd00:5::1"


class Party:
    """A container of the network lab0 by its addresses."""

    def __init__(self, number):
        self.ip, self.ip6 = f"10.5.0.{number}", f"fd00:5::{number:x}"
        self.mac = f"02:42:0a:05:00:{number:02x}"
        self.link_local = frames.link_local(self.mac)


MALLORY, VICTIM, OTHER = Party(66), Party(2), Party(3)


def forged(victim_mac):
    """What MALLORY must not get through, for a victim with VICTIM_MAC: {what: frame}."""
    m, v, o = MALLORY, VICTIM, OTHER

    def own(kind, payload, source=m.mac):
        return frames.ethernet(source, victim_mac, kind, payload)
    return {
        "ARP: the gateway is me": own(frames.ARP, frames.arp(frames.REPLY, m.mac, GATEWAY, victim_mac, v.ip)),
        "ARP: a neighbour is me": own(frames.ARP, frames.arp(frames.REPLY, m.mac, o.ip, victim_mac, v.ip)),
        "ARP: who has, says a neighbour": own(frames.ARP, frames.arp(frames.REQUEST, m.mac, o.ip, victim_mac, v.ip)),
        "ARP: I am at a neighbour's": own(frames.ARP, frames.arp(frames.REPLY, o.mac, m.ip, victim_mac, v.ip)),
        "ARP: from a neighbour's MAC": own(frames.ARP, frames.arp(frames.REPLY, m.mac, m.ip, victim_mac, v.ip), o.mac),
        "IPv4 of a neighbour": own(frames.IPV4, frames.udp(o.ip, v.ip, b"forged")),
        "IPv4 of nobody": own(frames.IPV4, frames.udp("0.0.0.0", v.ip, b"forged")),
        "IPv4 from a neighbour's MAC": own(frames.IPV4, frames.udp(m.ip, v.ip, b"forged"), o.mac),
        "IPv6 of a neighbour": own(frames.IPV6, frames.udp(o.ip6, v.ip6, b"forged")),
        "IPv6 of a neighbour's link": own(frames.IPV6, frames.udp(o.link_local, v.ip6, b"forged")),
        "IPv6 from the bridge's MAC": own(frames.IPV6, frames.udp(m.ip6, v.ip6, b"forged"), BRIDGE_MAC),
        "ND: the gateway is me": own(frames.IPV6, frames.advertisement(m.ip6, v.ip6, GATEWAY6, m.mac)),
        "ND: so says the gateway": own(frames.IPV6, frames.advertisement(GATEWAY6, v.ip6, GATEWAY6, m.mac)),
        "ND: a neighbour is me": own(frames.IPV6, frames.advertisement(m.link_local, v.ip6, o.ip6, m.mac)),
        "ND: I take the victim's address": own(frames.IPV6, frames.claim(v.link_local)),
        "ND: I am a router": own(frames.IPV6, frames.router_advertisement(m.link_local, m.mac)),
        "ND: go by me": own(frames.IPV6, frames.redirect(m.link_local, v.ip6, m.ip6, o.ip6)),
        "no IP": own(frames.EXPERIMENT, bytes(46)),
    }


class Forged(NetworkCase):
    bridge_nf = 0
    stopped_by_ip = set()  # what the rules of IP alone would stop

    def setUp(self):
        super().setUp()
        self.create("lab0", "--subnet", "10.5.0.0/24", "--subnet", "fd00:5::/64")
        for name, party, *options in ("victim", VICTIM), ("other", OTHER), ("mallory", MALLORY, "--cap-add", "NET_RAW"):
            self.serve(name, "--network", "lab0", "--ip", party.ip, "--ip6", party.ip6, *options)
        for where in self.network("victim"), self.network("other"):
            for target in VICTIM, OTHER:
                for address in target.ip, target.ip6:
                    self.assertIn("saw", self.ask(address, where=where))
        for address in VICTIM.ip, OTHER.ip:
            self.assertIn("saw", self.ask(address))
        for address in GATEWAY, GATEWAY6:  # so that it knows them
            self.assertEqual(self.ask(address, where=self.network("victim")), "ConnectionRefusedError")

    def neighbours(self, where):
        return {each["dst"]: each.get("lladdr") for each in snapshot.ip_json(self.world, "neigh", where=where)}

    def send(self, *sent):
        """By mallory, with the rights of that container."""
        self.ctl("exec", "mallory", PYTHON, "-c", frames.SENDER, *(frame.hex() for frame in sent))

    def heard(self, where, link, sent, target_mac, target):
        """Those of SENT, {what: frame}, that come out of LINK of WHERE; it must hear what is honest."""
        hearer = self.world.popen([PYTHON, "-c", frames.HEARER, link], where=where, stdout=-1, text=True)
        self.assertEqual(hearer.stdout.readline(), "ready\n")
        honest = [frames.ethernet(MALLORY.mac, target_mac, kind, frames.udp(source, to, text)) for kind, source, to, text in (
            (frames.IPV6, MALLORY.ip6, target.ip6, b"honest"), (frames.IPV6, MALLORY.link_local, target.ip6, b"honest"),
            (frames.IPV4, MALLORY.ip, target.ip, b"the end"))]
        self.send(*sent.values(), *honest)
        came = set(hearer.communicate(timeout=10)[0].split())
        self.assertLessEqual({frame.hex() for frame in honest}, came)
        return {what for what, frame in sent.items() if frame.hex() in came}

    def test_a_neighbour_gets_nothing_forged(self):
        victim = self.network("victim")
        known = self.neighbours(victim)
        self.assertLessEqual({GATEWAY: BRIDGE_MAC, GATEWAY6: BRIDGE_MAC, OTHER.ip: OTHER.mac, OTHER.ip6: OTHER.mac}.items(), known.items())
        routes = self.world.sh("ip route; ip -6 route", where=victim).stdout
        sent = forged(VICTIM.mac)
        self.assertEqual(self.heard(victim, "eth0", sent, VICTIM.mac, VICTIM), set())
        known.update({a: m for a, m in self.neighbours(victim).items() if a in (MALLORY.ip, MALLORY.ip6, MALLORY.link_local)})
        self.assertEqual(self.neighbours(victim), known)
        self.assertEqual(self.world.sh("ip route; ip -6 route", where=victim).stdout, routes)
        for address in OTHER.ip, OTHER.ip6:
            self.assertIn("other saw", self.ask(address, where=victim))
        # It is the guard that stops them: all of them come without it.
        port, supervisor = self.place("mallory")["veth"], self.inspect("mallory")["supervisor"]
        self.world.sh(f"kill -STOP {supervisor}")  # else it may put back at once what is deleted
        self.world.sh(f"nft 'delete element bridge mini_run ports {{ {port} }}'")
        self.assertEqual(self.heard(victim, "eth0", sent, VICTIM.mac, VICTIM), set(sent) - self.stopped_by_ip)
        self.ctl("repair")
        self.world.sh(f"kill -CONT {supervisor}")
        self.assertEqual(self.heard(victim, "eth0", sent, VICTIM.mac, VICTIM), set())

    def test_the_host_gets_nothing_forged(self):
        known = self.neighbours("host")
        gateway = Party(1)
        self.assertEqual(self.heard("host", "lab0", forged(BRIDGE_MAC), BRIDGE_MAC, gateway), set())
        for party in VICTIM, OTHER:
            self.assertEqual((self.neighbours("host").get(party.ip), known.get(party.ip)), (party.mac,) * 2)

    def test_its_elements_come_and_go_with_it(self):
        count = lambda: self.world.sh("nft list table bridge mini_run").stdout.count('"mr-')
        rules = lambda: self.world.sh("nft list table bridge mini_run | grep -c comment").stdout
        before = count(), rules()
        self.ctl("network", "connect", "mini0", "other")
        self.assertGreater(count(), before[0])
        self.ctl("network", "disconnect", "mini0", "other")
        self.assertEqual((count(), rules()), before)
        self.ctl("rm", "-f", "mallory")
        self.until(lambda: 3 * count() == 2 * before[0], "those of mallory go")
        self.ctl("stop", "-t", "0", "victim", "other")
        self.assert_same_state(self.before, 10)


class ForgedSeen(Forged):
    """The same where bridged frames go by the rules of IP, too."""
    bridge_nf = 1
    stopped_by_ip = {"IPv4 of nobody", "ND: I am a router", "ND: go by me"}


class Honest(NetworkCase):
    """What is honest passes, as ever."""
    bridge_nf = 0

    def test_with_a_mac_of_its_own_choice(self):
        self.world.serve("outside", 7000, where="client")
        self.serve("web", "--mac", "02:00:00:00:00:07", "-p", "8080:80")
        self.serve("next")
        web, there = self.network("web"), self.network("next")
        for family in 0, 1:
            self.assertIn("web saw", self.ask(self.address("web", family=family), where=there))
            self.assertIn("next saw", self.ask(self.address("next", family=family), where=web))
        self.assertEqual(self.ask(HOST, 8080, "client"), f"web saw {CLIENT}")
        self.assertIn("web saw", self.ask(HOST, 8080, web))  # itself
        self.assertIn("outside saw", self.ask(CLIENT, 7000, web))

    def test_the_link_local_address(self):
        """It is found to be nobody else's, and reached"""
        self.detach("--name", "web", *FOREVER)
        self.serve("next")
        found = lambda: [info for info in snapshot.ip_json(self.world, "-6", "addr", "show", "eth0", where=self.network("next"))[0]
                         ["addr_info"] if info["scope"] == "link"]
        self.until(lambda: found() and not found()[0].get("tentative"), "its check for duplicates ends", 10)
        self.assertNotIn("dadfailed", json.dumps(found()))
        self.assertIn("next saw ", self.ask(found()[0]["local"] + "%eth0", where=self.network("web")))


class HonestSeen(Honest):
    bridge_nf = 1
