# SPDX-License-Identifier: MIT
"""Issue: "mini-run -d returns when the program has been exec'ed", --wait, names, --rm, what is kept of a container
that has ended, its network by name, and nothing left of a detached container whatever ends it."""

import os
import random
import re
import signal
import time

import snapshot
import traffic
from case import PYTHON, Case
from world import HOST, MINI_RUN, Container

FOREVER = ["sleep", "1000"]

# Listens after so many seconds at an address; tells each client how many have come before, itself included.
COUNTING = """
import socket, sys, time
time.sleep(float(sys.argv[1]))
server = socket.create_server((sys.argv[2], 80))
count = 0
while True:
    peer = server.accept()[0]
    count += 1
    peer.sendall(str(count).encode())
    peer.close()
"""


def counting(seconds, address="0.0.0.0"):
    return [PYTHON, "-c", COUNTING, str(seconds), address]


class Detached(Case):
    timeout = 120

    def assert_only_records_left(self, before):
        """All that BEFORE does not have is files of /run/mini-run that no command but rm and prune removes."""
        def others():
            lines = snapshot.difference(before, self.world.state()).splitlines()
            return [l for l in lines if not re.match(r"\+ file /run/mini-run(/\d+-\w+(/ended(/.*)?)?)?: ", l)]
        self.until(lambda: not others(), "something else is left", 10)

    # ---- the start

    def test_it_prints_the_name_and_the_program_runs(self):
        """It returns when the program has been exec'ed and prints the name"""
        before = self.world.state()
        result = self.world.mini_run("-d", "--name", "web", *FOREVER)
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "web\n", ""))
        # exec'ed already: no moment in which process 2 of the container is still ours
        pid = self.inspect("web")["pid"]
        children = self.world.sh(f"cat /proc/{pid}/task/{pid}/children").stdout.split()
        self.assertEqual(self.world.sh(f"cat /proc/{children[0]}/comm").stdout, "sleep\n")
        self.ctl("stop", "web")
        self.ctl("rm", "web")
        self.assert_same_state(before, 10)

    def test_a_failure_is_told_with_its_status_and_nothing_is_left(self):
        """Or fails with its error and status (126/127/125), leaving nothing"""
        self.file("not-executable", "#!/bin/sh\n")
        cases = ((127, ["no-such-program"]), (126, ["/etc"]), (125, ["--workdir", "/proc/x", "true"]),
                 (125, ["--user", "nobody-at-all", "true"]), (125, ["-p", "198.18.0.1:80:80", "true"]),
                 (125, ["--no-such-option", "true"]))
        for status, arguments in cases:
            with self.subTest(arguments):
                before = self.world.state()
                self.assert_refused(self.world.mini_run("-d", *arguments), status)
                self.assert_same_state(before, 10)
                self.assertEqual(self.ctl("ps", "-aq"), "")

    def test_it_holds_nothing_of_its_caller(self):
        """The caller's pipes come to their end although the container lives: run() reads to it"""
        name = self.detach("/bin/sh", "-c", "echo out; echo err >&2; exec sleep 1000", timeout=20)
        session = self.world.sh(f"ps -o sid= -p {self.inspect(name)['supervisor']}").stdout.strip()
        self.assertEqual(session, str(self.inspect(name)["supervisor"]), "it has a session of its own")
        self.assertEqual(sorted(self.ctl("logs", name).split()), ["err", "out"])

    def test_a_taken_name_is_refused(self):
        self.detach("--name", "web", *FOREVER)
        self.assert_refused(self.world.mini_run("-d", "--name", "web", "true"), says="the name web is taken")
        self.ctl("kill", "web")
        self.until_ended("web")
        self.assert_refused(self.world.mini_run("-d", "--name", "web", "true"), says=r"minictl rm web")
        self.ctl("rm", "web")
        self.detach("--name", "web", "true")

    def test_generated_names_are_friendly_and_unique(self):
        """Generated names are friendly (sleep-otter), unique"""
        names = [self.detach(*FOREVER) for _ in range(12)]
        self.assertEqual(len(set(names)), 12)
        for name in names:
            self.assertRegex(name, r"\Asleep-[a-z]+(-\d+)?\Z")
        self.assertEqual(sorted(names), sorted(self.running()))
        self.ctl("stop", "-t", "0", *names)

    def test_its_input_is_empty_and_with_i_never_ends(self):
        name = self.detach("cat")
        self.until_ended(name)
        self.assertEqual(self.ctl("wait", name), "0\n")
        name = self.detach("-i", "cat")
        time.sleep(0.5)
        self.assertIn(name, self.running())

    # ---- --wait

    def test_wait_returns_when_the_port_is_listened_to(self):
        """--wait returns when every published port is listened to inside, and no connection is made"""
        self.detach("--wait", "-p", "8080:80", *counting(1))
        self.assertEqual(self.world.call(self.first_words, where="client"), "1")

    @staticmethod
    def first_words():
        import socket
        with socket.create_connection((HOST, 8080), 5) as peer:
            return peer.recv(100).decode()

    def test_wait_waits_for_every_port(self):
        late = "import socket,time; a=socket.create_server(('',80)); time.sleep(1);" \
               "b=socket.socket(type=socket.SOCK_DGRAM); b.bind(('',53)); time.sleep(1000)"
        name = self.detach("--wait=60", "-p", "8080:80", "-p", "8053:53/udp", PYTHON, "-c", late)
        self.assertIn(":53 ", self.world.run(["ss", "-lun"], where=self.network(name)).stdout)

    def test_wait_without_ports_does_not_wait(self):
        self.detach("--wait", *FOREVER)

    def test_wait_that_runs_out(self):
        """On time-out one line and exit 125, and the container runs on"""
        result = self.world.mini_run("-d", "--wait=1", "--name", "web", "-p", "8080:80", *FOREVER)
        self.assertEqual((result.returncode, result.stdout), (125, "web\n"))
        self.assertRegex(result.stderr, r"\Amini-run: port 80/tcp is not listened to[^\n]*runs on[^\n]*\n\Z")
        self.assertEqual(self.running(), ["web"])
        self.assertEqual(self.ctl("port", "web"), "8080->80/tcp\n".replace("->", self.arrow("web")))

    def arrow(self, name):
        return re.search(r"8080(\D+)80/tcp", self.ctl("port", name))[1]

    def test_who_waits_may_go(self):
        """SIGINT of the command line while it waits: the container runs on"""
        waiting = Container(self.world, ["-d", "--rm", "--wait=20", "--name", "web", "-p", "8080:80", PYTHON, "-c", COUNTING,
                                         "1", "0.0.0.0"])
        self.until(lambda: self.world.minictl("ps", "-q").stdout == "web\n", "started", 10)
        waiting.send(signal.SIGINT)
        self.until(lambda: self.world.call(traffic.outcome, "tcp", "127.0.0.1", 8080).isdigit(), "an answer", 10)
        time.sleep(0.3)
        self.assertEqual(self.ctl("ps", "-q"), "web\n")

    def test_wait_for_who_listens_on_the_loopback_only(self):
        """Where only the container's loopback listens it says so with the remedy"""
        result = self.world.mini_run("-d", "--wait=2", "--name", "web", "-p", "8080:80", *counting(0, "127.0.0.1"))
        self.assertEqual(result.returncode, 125)
        self.assertRegex(result.stderr, r"\Amini-run: [^\n]*loopback[^\n]*0\.0\.0\.0[^\n]*\n\Z")
        self.assertEqual(self.running(), ["web"])

    def test_wait_for_who_ends_before(self):
        """Then mini-run exits as the program did, but never as if all were well, and says so"""
        for status, exit_status in (0, 125), (3, 3):
            result = self.world.mini_run("-d", "--name", f"web{status}", "--wait", "-p", "8080:80", "/bin/sh", "-c",
                                         f"sleep 0.3; exit {status}")
            self.assertEqual((result.returncode, result.stdout), (exit_status, f"web{status}\n"))
            self.assertRegex(result.stderr, rf"\Amini-run: [^\n]*status {status} before[^\n]*logs web{status}`\n\Z")

    def test_wait_needs_d(self):
        self.assert_refused(self.world.mini_run("--wait", "-p", "8080:80", "true"), says="--detach")
        self.assert_refused(self.world.mini_run("-d", "--wait=soon", "true"), says="--wait")

    # ---- what is kept

    def test_what_has_ended_keeps_its_record_and_nothing_in_the_kernel(self):
        """It keeps its record and log until minictl rm or prune; everything in the kernel goes at exit"""
        for remove in ["rm", "web"], ["prune"]:
            before = self.world.state()
            self.detach("--name", "web", "-p", "8080:80", "/bin/sh", "-c", "echo hello; exit 3")
            self.until_ended("web")
            self.assert_only_records_left(before)
            self.run_ok("true")  # a start of another does not take it away
            self.assertEqual(self.ctl("ps", "-aq"), "web\n")
            self.assertEqual(self.ctl("logs", "web").splitlines()[0], "hello")
            self.assertEqual(self.inspect("web")["exit_status"], 3)
            self.assertEqual(self.ctl(*remove), "web\n")
            self.assert_same_state(before, 10)

    def test_with_rm_nothing_is_kept(self):
        """--rm"""
        before = self.world.state()
        self.detach("--rm", "-p", "8080:80", "/bin/sh", "-c", "echo hello; exit 3")
        self.assert_same_state(before, 10)

    # ---- its network by name

    def test_ip_netns_knows_it_by_its_name(self):
        """ip netns lists running containers by name, ip netns exec NAME ss works, ip link shows the alias"""
        before = self.world.state()
        self.detach("--rm", "--name", "web", "--wait", "-p", "8080:80", *traffic.server())
        front = self.world.start("--name", "front", "/bin/sh", "-c", "echo ready; exec sleep 1000")
        names = {line.split()[0] for line in self.world.run(["ip", "netns", "list"]).stdout.splitlines()}
        self.assertEqual(names, {"web", "front"})
        self.assertRegex(self.world.run(["ip", "netns", "exec", "web", "ss", "-lntH"]).stdout, r"\*:80\s")
        veth = self.inspect("web")["networks"][0]["veth"]
        self.assertEqual(snapshot.ip_json(self.world, "link", "show", veth)[0]["ifalias"], "web")
        front.stop()
        self.ctl("stop", "web")
        self.assert_same_state(before, 10)

    def test_a_network_of_that_name_is_not_taken_over(self):
        self.world.sh("ip netns add web")
        before = self.world.state()
        self.assert_refused(self.world.mini_run("-d", "--name", "web", *FOREVER), says="namespace web exists")
        self.assert_same_state(before, 10)

    def test_its_name_pins_nothing(self):
        """After SIGKILL of the supervisor and the next command no link remains"""
        before = self.world.state()
        self.detach("--rm", "--name", "web", *FOREVER)
        inode = self.inspect("web")["namespaces"]["net"]
        self.kill(self.inspect("web")["supervisor"])
        self.until(lambda: str(inode) not in self.world.sh("readlink /proc/[0-9]*/ns/net || true").stdout, "it is gone", 10)
        self.assertNotEqual(self.world.run(["ip", "netns", "exec", "web", "true"], check=False).returncode, 0)
        self.ctl("ps")
        self.assertEqual(self.world.run(["ip", "netns", "list"]).stdout, "")
        self.assert_same_state(before, 10)


class FullRun(Case):
    def test_how_it_ended_is_known_all_the_same(self):
        """Without --rm a finished detached container keeps its record"""
        self.detach("--name", "web", "sh", "-c", "while [ ! -e /tmp/end ]; do sleep 0.05; done; exit 7")
        self.world.sh("mount -o remount,size=1m /run; cat /dev/zero > /run/full || true")
        self.ctl("exec", "web", "touch", "/tmp/end")
        self.until_ended("web")
        self.assertEqual(self.ctl("wait", "web"), "7\n")
        self.ctl("rm", "web")


class Killed(Case):
    """After SIGKILL of whoever it be, nothing is left after the next command."""

    timeout = 200
    PUBLISH = ["-p", "8080:80", "-p", "8080:80/udp"]

    def test_its_supervisor(self):
        before = self.world.state()
        self.detach("--rm", "--name", "web", "--wait", *self.PUBLISH, *traffic.server())
        self.world.call(traffic.outcome, "udp", HOST, 8080, where="client")
        self.kill(self.inspect("web")["supervisor"])
        self.ctl("ps")
        self.assert_same_state(before, 10)

    def test_its_supervisor_and_its_record_is_kept(self):
        before = self.world.state()
        self.detach("--name", "web", *self.PUBLISH, "/bin/sh", "-c", "echo hello; exec sleep 1000")
        self.until_logged("web", "hello")
        self.kill(self.inspect("web")["supervisor"])
        self.assertRegex(self.ctl("ps", "-a"), r"(?m)^web +killed")
        self.assertEqual(self.ctl("logs", "web"), "hello\n")
        self.assertEqual(self.ctl("wait", "web"), "137\n")
        self.ctl("prune")
        self.assert_same_state(before, 10)

    def test_its_supervisor_beside_another(self):
        self.detach("--name", "keeper", "--wait", "-p", "8081:80", *traffic.server("keeper"))
        before = self.world.state()
        self.detach("--rm", "--name", "web", *self.PUBLISH, *FOREVER)
        self.kill(self.inspect("web")["supervisor"])
        self.assertEqual(self.running(), ["keeper"])
        self.assert_same_state(before, 10)
        self.assertIn("keeper saw", self.world.call(traffic.outcome, "tcp", HOST, 8081, 5, where="client"))

    def test_its_init(self):
        before = self.world.state()
        self.detach("--name", "web", *self.PUBLISH, *FOREVER)
        self.world.sh(f"kill -KILL {self.inspect('web')['pid']}")
        self.assertEqual(self.ctl("wait", "web"), "137\n")
        self.ctl("rm", "web")
        self.ctl("ps")
        self.assert_same_state(before, 10)

    def test_the_one_that_was_typed(self):
        """Then the container may have come to be, or not: it is listed, or nothing is there"""
        before = self.world.state()
        chance = random.Random(3)
        for _ in range(15):
            command = Container(self.world, ["-d", "--rm", "--name", "x", *self.PUBLISH, *FOREVER])
            time.sleep(chance.uniform(0, 0.03))
            command.send(signal.SIGKILL)
            command.wait()
            self.until(lambda: not self.still_starting(), "it starts and starts", 20)
            for name in self.running():
                self.ctl("stop", "-t", "0", name)
            self.ctl("ps")
            self.assert_same_state(before, 10)

    def still_starting(self):
        """Whether a mini-run runs that is no container yet."""
        pids = self.world.run(["pgrep", "-f", f"^{MINI_RUN} -d"], check=False).stdout.split()
        return bool(pids) and not self.running()

    def test_the_one_that_was_typed_while_it_waits(self):
        """Nobody is there to hear of the start: the container lives on, or everything goes"""
        before = self.world.state()
        command = Container(self.world, ["-d", "--rm", "--wait", "--name", "x", *self.PUBLISH, *counting(2)])
        self.until(lambda: self.running() == ["x"], "it did not start", 15)
        command.send(signal.SIGKILL)
        command.wait()
        self.ctl("ps")
        time.sleep(3)
        self.world.minictl("stop", "x")
        self.ctl("ps")
        self.assert_same_state(before, 10)


# A server that has gone to the background, with a helper in a session of its own, says who got which signal.
BACKGROUND = """
import os, signal, sys, time
def serve(who):
    def got(number, _):
        os.write(1, f"{who} got {signal.Signals(number).name}\\n".encode())
        if sys.argv[1] == "ends": os._exit(0)
    for number in signal.SIGTERM, signal.SIGUSR1, signal.SIGQUIT: signal.signal(number, got)
    print(who, "ready", flush=True)
    while True: signal.pause()
for who in "server", "helper":
    if os.fork() == 0:
        os.setsid()
        serve(who)
time.sleep(0.3)
"""

# Speaks whenever something is listened to, until the connection is no more.
TALK = """
import socket, sys, time
peer = socket.create_connection((sys.argv[1], 8080), 5)
print("connected", flush=True)
peer.settimeout(0.05)
while True:
    try:
        peer.sendall(b"x")
        peer.recv(100)
    except TimeoutError: pass
    except OSError as error:
        print(type(error).__name__)
        break
    time.sleep(0.05)
"""
SILENT = "import signal, socket, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);" \
         "s=socket.create_server(('',80)); print('ready', flush=True); kept=[s.accept() for _ in range(9)]"


class Stopped(Case):
    timeout = 120

    def stopped(self, *options, stop=()):
        """What an obedient program said from its stop on, and the exit status."""
        code = "import os, signal\ndef got(n, _): os.write(1, f'got {signal.Signals(n).name}\\n'.encode()); os._exit(4)\n" \
               "for n in signal.SIGTERM, signal.SIGQUIT, signal.SIGUSR1: signal.signal(n, got)\n" \
               "print('ready', flush=True)\nwhile True: signal.pause()"
        name = self.detach(*options, PYTHON, "-c", code)
        self.until_logged(name, "ready")
        self.assertEqual(self.ctl("stop", *stop, name), f"{name}\n")
        self.assertNotIn(name, self.running())
        return self.ctl("logs", name).splitlines()[1], self.ctl("wait", name)

    def test_sigterm_or_the_stop_signal(self):
        """SIGTERM or --stop-signal to the program"""
        self.assertEqual(self.stopped(), ("got SIGTERM", "4\n"))
        self.assertEqual(self.stopped("--stop-signal", "QUIT"), ("got SIGQUIT", "4\n"))
        self.assertEqual(self.stopped("--stop-signal", "USR1", stop=["-t", "60"]), ("got SIGUSR1", "4\n"))

    def test_sigkill_after_the_time(self):
        """Then SIGKILL after -t"""
        name = self.detach("--stop-timeout", "1000", "/bin/sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done")
        self.until_logged(name, "ready")
        start = time.monotonic()
        self.ctl("stop", "-t", "1", name)
        self.assertGreater(time.monotonic() - start, 0.9)
        self.assertEqual(self.ctl("wait", name), "137\n")

    def test_to_all_where_it_went_to_the_background(self):
        """To all where it went to the background"""
        for option, said in ([], "SIGTERM"), (["--stop-signal", "USR1"], "SIGUSR1"):
            name = self.detach(*option, PYTHON, "-c", BACKGROUND, "ends")
            self.until_logged(name, "background")
            self.ctl("stop", name)
            log = self.ctl("logs", name)
            self.assertIn(f"server got {said}", log)
            self.assertIn(f"helper got {said}", log)
        name = self.detach(PYTHON, "-c", BACKGROUND, "stays")
        self.until_logged(name, "background")
        self.ctl("stop", "-t", "1", name)
        self.assertEqual(self.ctl("wait", name), "137\n")

    def test_tcp_clients_get_a_reset(self):
        """TCP clients of a stopped container get a reset"""
        for where, address in ("client", HOST), ("host", HOST), ("host", "127.0.0.1"):
            with self.subTest(where + address):
                name = self.detach("--wait", "-p", "8080:80", PYTHON, "-c", SILENT)
                client = Container(self.world, ["-c", TALK, address], program=[PYTHON], where=where)
                client.wait_for("connected")
                self.ctl("stop", "-t", "0", name)
                self.assertEqual(client.wait(20), 0)
                self.assertIn(client.out.split()[1], ("ConnectionResetError", "BrokenPipeError"))

    def test_a_udp_flow_goes_to_the_successor(self):
        """UDP flow goes to the successor container"""
        for name in "one", "two", "three":
            self.detach("--name", name, "--wait", "-p", "8080:80/udp", *traffic.server(name))
            for where, address in ("client", HOST), ("host", "127.0.0.1"):
                answer = self.world.call(traffic.send_until_answered, address, 8080, 5555, 10, where=where)
                self.assertIn(f"{name} saw", answer)
            self.ctl("stop", "-t", "0", name)
