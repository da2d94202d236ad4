# SPDX-License-Identifier: MIT
"""Issue: minictl(1): what it shows, and how it steers."""

import json
import os
import re
import time

import snapshot
import traffic
from case import PYTHON, Case
from world import CLIENT, CLIENT6, HOST, HOST6, MINICTL, Container

FOREVER = ["sleep", "1000"]
STUBBORN = ["/bin/sh", "-c", "trap '' TERM INT HUP; echo ready; while :; do sleep 1; done"]

# Ends with STATUS at SIGUSR1; says so for other signals.
OBEDIENT = """
import os, signal, sys
signal.signal(signal.SIGUSR1, lambda *_: os._exit(int(sys.argv[1])))
for number in signal.SIGUSR2, signal.SIGTERM, signal.SIGQUIT:
    signal.signal(number, lambda number, _: os.write(1, f"got {signal.Signals(number).name}\\n".encode()))
print("ready", flush=True)
while True: signal.pause()
"""

# At each SIGUSR1 a burst of 2000 numbered lines of 100 bytes.
BURSTS = """
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
print("ready", flush=True)
number = 0
while True:
    signal.sigwait({signal.SIGUSR1})
    for number in range(number + 1, number + 2001):
        print(f"{number:099}")
    print("burst", flush=True)
"""

# Asks again and again until its input ends; prints how many answers were right, and what else came.
LOAD = """
import select, sys
sys.path.insert(0, sys.argv[1])
import traffic
right, wrong = 0, []
while not select.select([sys.stdin], [], [], 0)[0]:
    answer = traffic.outcome("tcp", sys.argv[2], int(sys.argv[3]), 10)
    if answer.startswith("page saw"): right += 1
    else: wrong.append(answer)
print(right, wrong)
"""


class MinictlCase(Case):
    timeout = 120

    def obedient(self, name, status=0, *options):
        self.detach("--name", name, *options, PYTHON, "-c", OBEDIENT, str(status))
        self.until_logged(name, "ready")

    def refused(self, *arguments, says=(), status=125):
        self.assert_refused(self.world.minictl(*arguments), status, says, by="minictl")


class Shown(MinictlCase):
    bridge_nf = 0  # so that [::1] is served

    def test_ps(self):
        """ps [-a] [-q] [--json]"""
        self.detach("--name", "one", "-p", "8080:80", *FOREVER)
        self.detach("--name", "two", "/bin/sh", "-c", "exit 3")
        self.until_ended("two")
        front = self.world.start("--name", "front", "/bin/sh", "-c", "echo ready; exec sleep 1000")
        address = self.inspect("one")["networks"][0]["addresses"][0]
        lines = self.ctl("ps").splitlines()
        self.assertEqual(lines[0].split(), ["NAME", "STATUS", "ADDRESS", "PORTS", "COMMAND"])
        self.assertEqual([line.split()[0] for line in lines[1:]], ["front", "one"])
        self.assertRegex(lines[2], rf"up .*{address.split('/')[0]} .*8080\D+80/tcp +sleep 1000$")
        self.assertRegex(self.ctl("ps", "-a"), r"(?m)^two +ended \(3\) .* ago")
        self.assertEqual(self.ctl("ps", "-q"), "front\none\n")
        self.assertEqual(self.ctl("ps", "-aq"), "front\none\ntwo\n")
        listed = {entry["name"]: entry for entry in json.loads(self.ctl("ps", "-a", "--json"))}
        self.assertEqual(set(listed), {"front", "one", "two"})
        self.assertEqual(listed["two"]["exit_status"], 3)
        self.assertEqual(listed["one"]["command"], FOREVER)
        self.assertTrue(listed["one"]["running"] and not listed["two"]["running"])
        front.stop()

    def test_nothing_is_there(self):
        """Looking changes nothing"""
        before = self.world.state()
        self.assertEqual(self.ctl("ps", "-aq"), "")
        self.assertEqual(json.loads(self.ctl("ps", "--json")), [])
        self.assertEqual(json.loads(self.ctl("network", "--json")), [])
        self.assertEqual(self.ctl("prune") + self.ctl("repair"), "")
        self.assert_same_state(before)

    def test_inspect(self):
        """inspect [--json]"""
        self.detach("--name", "web", "-p", "8080:80", "-e", "A=b", "-w", "/srv", "-u", "nobody", *FOREVER)
        seen = self.inspect("web")
        links = snapshot.ip_json(self.world, "-4", "addr", "show", "dev", "eth0", where=self.network("web"))
        info = links[0]["addr_info"][0]
        place = seen["networks"][0]
        self.assertIn(info["local"], place["addresses"][0])
        self.assertEqual(place["mac"], links[0]["address"])
        self.assertEqual((seen["user"], seen["workdir"], seen["command"]), ("nobody", "/srv", FOREVER))
        for kind, inode in seen["namespaces"].items():
            self.assertIn(str(inode), self.world.sh(f"readlink /proc/{seen['pid']}/ns/{kind}").stdout)
        mounted = {mount["target"] for mount in seen["mounts"]}
        self.assertEqual(mounted, set(self.world.sh(f"cut -d' ' -f5 /proc/{seen['pid']}/mountinfo").stdout.split()))
        for gateway in place["gateways"]:
            self.assertIn(gateway, str(seen["routes"]))
        text = self.ctl("inspect", "web")
        for word in info["local"], place["mac"], place["addresses"][1], "8080", "nobody", "sleep 1000":
            self.assertIn(word, text)

    def test_what_is_shown_fits_the_terminal(self):
        words = ["word%d" % number for number in range(15)]
        self.detach("--name", "web", "-p", "8080:80", "sh", "-c", "exec sleep 1000", *words)
        for command in "ps", "inspect web", "network":
            shown = self.world.sh(f"script -qec 'stty cols 60; {MINICTL} {command}' /dev/null").stdout.splitlines()
            self.assertGreater(len(shown), 1, shown)
            self.assertLessEqual(max(map(len, shown)), 60, shown)
        folded = " ".join(line.strip() for line in self.world.sh(
            f"script -qec 'stty cols 60; {MINICTL} inspect web' /dev/null").stdout.splitlines())
        self.assertIn("exec sleep 1000 " + " ".join(words), folded)

    def test_who_is_seen_with_which_address(self):
        """The truth table: which client is seen with which address"""
        neighbour = self.world.start("--name", "neighbour", "/bin/sh", "-c", "echo ready; exec sleep 1000")
        for number, address in enumerate(["", "127.0.0.1:", f"{HOST}:"]):
            name = f"web{number}"
            self.detach("--rm", "--name", name, "--wait=60", "-p", f"{address}8080:80", *traffic.server())
            told = {row["client"]: row["seen_as"] for row in self.inspect(name)["clients"]}
            for family, loopback, client, host in (0, "127.0.0.1", CLIENT, HOST), (1, "::1", CLIENT6, HOST6):
                inside, gateway = self.place(name, family)
                next_door = self.place("neighbour", family)[0]
                ways = {"a client beyond the host": ("client", host, 8080, client),
                        "the host, by an address of its own": ("host", host, 8080, host),
                        "the host, by 127.0.0.1, [::1] or localhost": ("host", loopback, 8080, gateway),
                        "a neighbour on the network, by the host's port": (neighbour.network, host, 8080, gateway),
                        "the container itself, by the host's port": (self.network(name), host, 8080, gateway),
                        "the host, by the container's address": ("host", inside, 80, gateway),
                        "a neighbour, by the container's address": (neighbour.network, inside, 80, next_door)}
                for client, (where, to, port, peer) in ways.items():
                    with self.subTest(f"{address}: {client}: {peer}"):
                        answer = self.world.call(traffic.outcome, "tcp", to, port, where=where)
                        published = port == 80 or not address or family == 0
                        self.assertEqual(answer.startswith("page saw"), client in told and published, answer)
                        if client in told and published:
                            self.assertEqual(answer, f"page saw {peer}")
                            self.assertTrue({*told[client].split(" or ")} & {peer, "its own address", "that address"})
            self.ctl("stop", "-t", "0", name)

    def place(self, name, family):
        """The address of a container and its gateway, of FAMILY (0: IPv4, 1: IPv6)."""
        network = self.inspect(name)["networks"][0]
        return network["addresses"][family].split("/")[0], network["gateways"][family]

    def test_network(self):
        """network [--json]"""
        self.detach("--name", "one", *FOREVER)
        self.detach("--name", "two", *FOREVER)
        self.detach("--name", "else", "--network", "mini7", *FOREVER)
        networks = {each["name"]: each for each in json.loads(self.ctl("network", "--json"))}
        self.assertEqual({name: [one["name"] for one in each["containers"]] for name, each in networks.items()},
                         {"mini0": ["one", "two"], "mini7": ["else"]})
        gateways = snapshot.addresses(self.world.sh(snapshot.ADDRESSES).stdout)
        for gateway in networks["mini7"]["gateways"]:
            self.assertIn(f"address mini7 {gateway}", gateways)
        self.assertRegex(self.ctl("network"), r"(?m)^mini0 .*one, two$")


class Logs(MinictlCase):
    def test_logs(self):
        """logs [--tail/-n N], of both outputs, of running and of ended ones"""
        self.detach("--name", "web", "/bin/sh", "-c", "seq 1 50; echo err >&2; printf end")
        for option in "-n", "--tail":
            self.until_logged("web", "end")
            self.assertEqual(self.ctl("logs", option, "3", "web"), "50\nerr\nend")
        self.until_ended("web")
        self.assertEqual(self.ctl("logs", "web"), "".join(f"{n}\n" for n in range(1, 51)) + "err\nend")
        self.assertEqual(self.ctl("logs", "-n", "0", "web"), "")

    def test_logs_of_a_container_in_the_foreground(self):
        front = self.world.start("--name", "front", "/bin/sh", "-c", "echo ready; exec sleep 1000")
        self.refused("logs", "front", says="foreground")
        front.stop()

    def test_follow_ends_with_the_container(self):
        """logs -f"""
        self.obedient("web", 0)
        follower = Container(self.world, ["logs", "-f", "web"], program=[MINICTL])
        follower.wait_for("ready\n")
        self.ctl("kill", "-s", "USR2", "web")
        follower.wait_for("got SIGUSR2\n")
        self.ctl("kill", "-s", "USR1", "web")
        self.assertEqual(follower.wait(), 0)
        self.assertEqual(follower.out, "ready\ngot SIGUSR2\n")

    def test_the_log_is_bounded(self):
        """Rotation with --log-size 1m"""
        self.detach("--name", "web", "--log-size", "1m", PYTHON, "-c", "for n in range(40000): print(f'{n:099}')")
        self.until_ended("web", 40)
        lines = [int(line) for line in self.ctl("logs", "web").split() if line.isdigit()]
        self.assertEqual(lines[-1], 39999)
        self.assertEqual(lines[1:], list(range(lines[1], 40000)), "the first may be a part of one")
        size = sum(int(s) for s in self.world.sh("stat -c %s /run/mini-run/*/ended/web/log*").stdout.split())
        self.assertTrue(1 << 18 < size <= 1 << 20, size)

    def test_follow_goes_on_where_the_log_is_rotated(self):
        self.detach("--name", "web", "--log-size", "1m", PYTHON, "-c", BURSTS)
        follower = Container(self.world, ["logs", "-f", "web"], program=[MINICTL])
        follower.wait_for("ready\n")
        for burst in range(1, 13):
            self.ctl("kill", "-s", "USR1", "web")
            self.until(lambda: follower.out.count("burst\n") == burst, f"burst {burst}", 15)
        follower.send(9)
        follower.wait()
        numbers = [int(line) for line in follower.out.split() if line.isdigit()]
        self.assertEqual(numbers, list(range(1, 24001)))

    def test_it_says_where_nginx_writes(self):
        """Says which files nginx writes to"""
        self.detach("--name", "web", "--wait", "-p", "8080:80", "nginx", "-g", "daemon off;")
        result = self.world.minictl("logs", "web")
        self.assertRegex(result.stderr, r"(?m)^minictl: web also writes to /var/log/nginx/access\.log inside: ")
        self.world.call(traffic.outcome, "tcp", HOST, 8080, where="client")
        command = re.search(r"inside: (minictl exec .*access\.log)", result.stderr)[1]
        self.until(lambda: CLIENT in self.ctl(*command.split()[1:]), "the request is in the log", 10)


class Steered(MinictlCase):
    def test_wait_prints_the_exit_status(self):
        self.obedient("web", 7)
        waiter = Container(self.world, ["wait", "web"], program=[MINICTL])
        time.sleep(0.3)
        self.assertIsNone(waiter.process.poll())
        self.ctl("kill", "-s", "USR1", "web")
        self.assertEqual(waiter.wait(), 0)
        self.assertEqual(waiter.out, "7\n")
        self.assertEqual(self.ctl("wait", "web"), "7\n")

    def test_several_names_at_once(self):
        for name in "one", "two", "three":
            self.obedient(name, 3)
        self.assertEqual(len(json.loads(self.ctl("inspect", "--json", "one", "two"))), 2)
        self.assertEqual(self.ctl("kill", "-s", "USR1", "one", "two"), "one\ntwo\n")
        self.assertEqual(self.ctl("wait", "one", "two"), "3\n3\n")
        self.ctl("kill", "three")
        self.assertEqual(self.ctl("wait", "three"), "137\n")
        # the others are done although one is unknown
        result = self.world.minictl("rm", "one", "nobody", "two")
        self.assertEqual((result.returncode, result.stdout), (125, "one\ntwo\n"))
        self.assertRegex(result.stderr, r"\Aminictl: [^\n]*nobody[^\n]*\n\Z")
        self.detach("--name", "four", "-p", "8080:80", *FOREVER)
        for command, shown in ["port", "8080"], ["inspect", "four"]:
            result = self.world.minictl(command, "nobody", "four")
            self.assertEqual(result.returncode, 125)
            self.assertIn(shown, result.stdout)
            self.assertRegex(result.stderr, r"\Aminictl: [^\n]*nobody[^\n]*\n\Z")

    def test_several_are_stopped_side_by_side(self):
        names = [self.detach("--stop-timeout", "3", *STUBBORN) for _ in range(4)]
        for name in names:
            self.until_logged(name, "ready")
        start = time.monotonic()
        self.ctl("stop", *names)
        self.assertLess(time.monotonic() - start, 11, "one after the other takes 12 s")
        self.assertEqual(self.ctl("wait", *names), "137\n" * 4)

    def test_the_most_impatient_counts(self):
        """stop -t 60, then stop -t 1 or rm -f"""
        for command in ["stop", "-t", "1", "web"], ["rm", "-f", "web"]:
            with self.subTest(command[0]):
                self.detach("--name", "web", *STUBBORN)
                self.until_logged("web", "ready")
                patient = self.world.popen([MINICTL, "stop", "-t", "60", "web"])
                time.sleep(0.3)
                start = time.monotonic()
                self.ctl(*command)
                patient.wait(20)
                self.assertLess(time.monotonic() - start, 20)
                self.world.minictl("rm", "web")

    def test_wait_for_several(self):
        """Each counts from now on, also where one that is removed at its end ends first"""
        self.detach("--name", "one", "/bin/sh", "-c", "sleep 1; exit 6")
        self.detach("--name", "two", "--rm", "/bin/sh", "-c", "sleep 0.5; exit 7")
        self.assertEqual(self.ctl("wait", "one", "two"), "6\n7\n")

    def test_rm_of_one_that_was_killed(self):
        for _ in range(10):
            self.detach("--name", "web", *FOREVER)
            self.world.sh(f"kill -KILL {json.loads(self.ctl('inspect', '--json', 'web'))[0]['supervisor']}")
            self.assertEqual(self.ctl("rm", "-f", "web"), "web\n")
            self.assertEqual(self.ctl("ps", "-aq"), "")

    def test_a_stopped_mini_run_goes_on(self):
        """SIGSTOP of the supervisor: it would not hear what is asked of it"""
        for command in ["stop", "-t", "0", "web"], ["kill", "web"], ["port", "add", "web", "8081:80"], ["rm", "-f", "web"]:
            with self.subTest(command[0]):
                self.detach("--name", "web", *FOREVER)
                self.world.sh(f"kill -STOP {json.loads(self.ctl('inspect', '--json', 'web'))[0]['supervisor']}")
                self.ctl(*command)
                self.world.minictl("rm", "-f", "web")

    def test_rm(self):
        """rm [-f]: a running one is refused, or killed with -f"""
        self.detach("--name", "web", *STUBBORN)
        self.until_logged("web", "ready")
        self.refused("rm", "web", says=["runs", "minictl stop web", "-f"])
        self.assertEqual(self.ctl("rm", "-f", "web"), "web\n")
        self.assertEqual(self.ctl("ps", "-aq"), "")

    def test_prune(self):
        self.detach("--name", "one", "true")
        self.detach("--name", "two", "true")
        self.detach("--name", "three", *FOREVER)
        self.until_ended("one")
        self.until_ended("two")
        self.assertEqual(self.ctl("prune"), "one\ntwo\n")
        self.assertEqual(self.ctl("ps", "-aq"), "three\n")

    def test_names_may_be_shortened(self):
        """Unambiguous prefixes; an ambiguous one is refused naming candidates; a whole name is no prefix"""
        for name in "web", "web-otter", "web-owl", "db":
            self.detach("--name", name, *FOREVER)
        self.assertEqual(self.inspect("d")["name"], "db")
        self.assertEqual(self.ctl("port", "web-ot"), "")
        self.assertEqual(self.inspect("web")["name"], "web")
        for command in ["stop", "we"], ["inspect", "web-o"], ["exec", "web-o", "true"], ["port", "add", "we", "1:1"]:
            self.refused(*command, says="web-otter.*web-owl")
        self.assertEqual(self.running(), ["db", "web", "web-otter", "web-owl"])
        self.ctl("stop", "-t", "0", "web-ot")
        self.assertEqual(self.running(), ["db", "web", "web-owl"])

    def test_unknown_names(self):
        """Unknown names: one line, 125"""
        commands = (["inspect"], ["logs"], ["logs", "-f"], ["exec"], ["stop"], ["kill"], ["wait"], ["rm"], ["rm", "-f"],
                    ["port"], ["port", "add"], ["port", "rm"])
        for beside in None, "web":
            if beside:
                self.detach("--name", beside, *FOREVER)
            for command in commands:
                rest = {"exec": ["true"], "add": ["8080:80"]}.get(command[-1], ["8080"] if command[-1] == "rm" and len(command) > 1 else [])
                self.refused(*command, "nobody", *rest, says="nobody")

    def test_a_line_that_means_nothing(self):
        for line in [], ["frobnicate"], ["ps", "--nonsense"], ["stop"], ["exec", "web"], ["kill", "-s", "NONE", "x"], \
                ["stop", "-t", "soon", "x"], ["logs", "-n", "-3", "x"], ["port"], ["port", "add", "x"]:
            with self.subTest(line):
                self.refused(*line)


class Ports(MinictlCase):
    def ask(self, port, where="client"):
        return self.world.call(traffic.outcome, "tcp", HOST if where == "client" else "127.0.0.1", port, 5, where=where)

    def test_port_add_and_rm(self):
        """port NAME / port add / port rm live"""
        self.detach("--name", "web", "--wait", "-p", "8080:80", *traffic.server())
        self.assertRegex(self.ctl("port", "web"), r"\A\S*8080\D+80/tcp\n\Z")
        self.assertRegex(self.ctl("port", "add", "web", "8081:80", "8053:80/udp"), r"8081\D+80/tcp\n\S*8053\D+80/udp\n")
        self.assertEqual(self.ask(8081), f"page saw {CLIENT}")
        self.assertIn("page saw", self.ask(8081, "host"))
        self.assertEqual(self.world.call(traffic.outcome, "udp", HOST, 8053, 5, where="client"), f"page saw {CLIENT}")
        self.assertEqual(len(self.ctl("port", "web").splitlines()), 3)
        self.ctl("port", "rm", "web", "8081")
        self.assertEqual(self.ask(8081), "ConnectionRefusedError")
        self.assertIn("page saw", self.ask(8080))
        self.assertEqual(len(json.loads(self.ctl("port", "--json", "web"))["web"]), 2)
        chosen = int(re.match(r"\S*?(\d+)\D+80/tcp", self.ctl("port", "add", "web", "0:80"))[1])
        self.assertIn("page saw", self.ask(chosen))

    def test_a_port_that_cannot_be_had(self):
        self.detach("--name", "web", "-p", "8080:80", *FOREVER)
        self.detach("--name", "db", *FOREVER)
        self.refused("port", "add", "db", "8080:80", says="8080.*web")
        self.refused("port", "add", "db", "99999:80")
        self.refused("port", "rm", "db", "8080", says="8080")
        self.refused("port", "add", "web", "8080:80", says="8080")
        self.assertEqual(self.ctl("port", "db"), "")
        self.ctl("port", "rm", "web", "8080")
        self.ctl("port", "add", "db", "8080:80")

    def test_ranges_live(self):
        before = self.world.state()
        self.detach("--rm", "--name", "web", "-p", "8080:80", *FOREVER)
        self.ctl("port", "add", "web", "8000-8002:90-92", "8053:53/tcp+udp")
        self.refused("port", "add", "web", "7999-8000:90-91", says="8000")
        self.assertEqual(len(self.ctl("port", "web").splitlines()), 6)
        self.refused("port", "rm", "web", "8000-8003", says="8003.*not published")
        self.assertEqual(len(self.ctl("port", "web").splitlines()), 6, "all or none")
        self.ctl("port", "rm", "web", "8000-8001", "8002:92", "8053/tcp+udp")
        self.assertEqual(self.ctl("port", "web"), "8080->80/tcp\n")
        self.ctl("stop", "-t", "0", "web")
        self.assert_same_state(before, 10)

    def test_what_was_changed_goes_with_the_container(self):
        before = self.world.state()
        self.detach("--rm", "--name", "web", "-p", "8080:80", "-p", "8082:80", *FOREVER)
        self.ctl("port", "add", "web", "8081:80", "8081:80/udp")
        self.ctl("port", "rm", "web", "8080")
        self.kill(self.inspect("web")["supervisor"])
        self.ctl("ps")
        self.assert_same_state(before, 10)

    def test_other_ports_are_not_disturbed(self):
        """A request under load on another port loses nothing"""
        self.detach("--name", "web", "--wait", "-p", "8080:80", *traffic.server())
        load = Container(self.world, ["-c", LOAD, os.path.dirname(os.path.abspath(__file__)), HOST, "8080"],
                         program=[PYTHON], where="client", stdin=-1)
        for _ in range(15):
            self.ctl("port", "add", "web", "8081:80", "8081:80/udp")
            self.ctl("port", "rm", "web", "8081", "8081/udp")
        load.process.stdin.close()
        self.assertEqual(load.wait(30), 0, load.err)
        right, wrong = load.out.strip().split(" ", 1)
        self.assertEqual(wrong, "[]")
        self.assertGreater(int(right), 10)


class Exec(MinictlCase):
    """exec [-u] [-w] [-e] NAME CMD"""

    STATUS = r"grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status"

    def test_it_is_inside_and_no_freer_than_the_program(self):
        """All namespaces, same caps, seccomp, no_new_privs"""
        look = f"{self.STATUS}; readlink /proc/self/ns/net /proc/self/ns/mnt /proc/self/ns/pid /proc/self/ns/uts " \
               "/proc/self/ns/ipc /proc/self/ns/cgroup; cat /proc/sys/kernel/hostname; stat -c %i /; ls /proc/self/fd"
        profile = self.file("profile.json", json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
            {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}]}))
        for options in [], ["--cap-drop", "ALL"], ["--cap-add", "SYS_ADMIN", "--cap-drop", "CHOWN"], \
                ["--seccomp", "unconfined"], ["--seccomp", profile], ["-u", "nobody"]:
            with self.subTest(options):
                name = self.detach(*options, "/bin/sh", "-c", f"{look}; echo end; exec sleep 1000")
                self.until_logged(name, "end")
                theirs = self.ctl("logs", name).removesuffix("end\n")
                self.assertEqual(self.ctl("exec", name, "/bin/sh", "-c", look), theirs)
                if profile in options:
                    self.assertNotEqual(self.world.minictl("exec", name, "mkdir", "/tmp/x").returncode, 0)
                self.ctl("rm", "-f", name)

    def test_its_status_is_passed_on(self):
        """Exit status passed on; 126/127"""
        self.detach("--name", "web", *FOREVER)
        for status in 0, 1, 7, 125, 255:
            result = self.world.minictl("exec", "web", "/bin/sh", "-c", f"echo out; echo err >&2; exit {status}")
            self.assertEqual((result.returncode, result.stdout, result.stderr), (status, "out\n", "err\n"))
        self.assertEqual(self.world.minictl("exec", "web", "/bin/sh", "-c", "kill -KILL $$").returncode, 137)
        self.refused("exec", "web", "no-such-program", status=127, says="no-such-program")
        self.refused("exec", "web", "/etc", status=126, says="/etc")
        self.refused("exec", "-u", "nobody-at-all", "web", "true", says="nobody-at-all")
        self.refused("exec", "-w", "relative", "web", "true", says="relative")

    def test_user_directory_and_variables(self):
        """-u -w -e; else those of the container"""
        self.detach("--name", "web", "-e", "A=1", "-e", "B=1", "-w", "/srv", *FOREVER)
        script = 'echo "$(id -un):$(id -gn) $PWD $A$B$C"'
        self.assertEqual(self.ctl("exec", "web", "/bin/sh", "-c", script), "root:root /srv 11\n")
        self.assertEqual(self.ctl("exec", "-u", "nobody:daemon", "-w", "/tmp", "-e", "B=2", "-e", "C=3", "web", "/bin/sh", "-c",
                                  script), "nobody:daemon /tmp 123\n")

    def test_what_is_typed_reaches_it(self):
        """-i"""
        self.detach("--name", "web", *FOREVER)
        self.assertEqual(self.ctl("exec", "-i", "web", "cat", input="hello\n"), "hello\n")

    def test_it_does_not_keep_a_container_alive(self):
        """An exec'ed shell does not keep a container alive whose program has ended"""
        before = self.world.state()
        self.obedient("web", 0, "--rm")
        shell = Container(self.world, ["exec", "web", "/bin/sh", "-c", "echo inside; sleep 1000; echo on"], program=[MINICTL])
        shell.wait_for("inside")
        self.ctl("kill", "-s", "USR1", "web")
        self.assertNotEqual(shell.wait(), 0)
        self.assertEqual(shell.out, "inside\n")
        self.assert_same_state(before, 10)

    def test_a_working_directory_that_is_not_there(self):
        self.detach("--name", "web", *FOREVER)
        self.refused("exec", "-w", "/typo", "web", "true", says=["/typo"])
        self.assertEqual(self.ctl("exec", "web", "ls", "-d", "/opt"), "/opt\n")

    def test_its_end_does_not_end_the_container(self):
        self.detach("--name", "web", *FOREVER)
        shell = Container(self.world, ["exec", "web", "/bin/sh", "-c", "echo inside; exec sleep 1000"], program=[MINICTL])
        shell.wait_for("inside")
        shell.stop()
        self.assertEqual(self.running(), ["web"])
        self.until(lambda: "1000" not in self.ctl("exec", "web", "pgrep", "-af", "sleep").replace("sleep 1000", "", 1),
                   "the exec'ed program still runs", 10)

    def test_an_ended_container(self):
        self.detach("--name", "web", "true")
        self.until_ended("web")
        self.refused("exec", "web", "true", says="web has ended")
        self.refused("port", "web", says="web has ended")
        self.refused("kill", "web", says="web has ended")
        self.assertEqual(self.ctl("stop", "web"), "web\n")
