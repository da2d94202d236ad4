# SPDX-License-Identifier: MIT
"""A World is a private machine: what a test does to "the host" happens in namespaces of its own.

    other (198.51.100.2)          host                     client (203.0.113.2)
           eth0 ------------- eth1    eth0 ---------------- eth0
                     198.51.100.1    203.0.113.1

(of IPv6 2001:db8:2::2, ::1 and 2001:db8:1::1, ::2).

Theory of operation. A holder process is process 1 of new pid, net, mount, uts, ipc and cgroup
namespaces; two children of it hold the networks of `client` and `other`, whose only way anywhere is
the host. Killing the holder ends everything that was ever started in the World, and the holder dies
with the test. The machine's files are read-only in it, but for the World's own directory, so that a mistake
of the program under test is an error in the test and not a change of the machine. Programs are started as direct children of the test (children_in), so that a pid, a
signal and an exit status are the program's own.
"""

import contextlib
import os
import stat
import signal
import subprocess
import tempfile
import time

import namespaces as ns
import snapshot
import traffic

HOST, CLIENT = "203.0.113.1", "203.0.113.2"
HOST_OTHER, OTHER = "198.51.100.1", "198.51.100.2"
HOST6, CLIENT6 = "2001:db8:1::1", "2001:db8:1::2"
HOST_OTHER6, OTHER6 = "2001:db8:2::1", "2001:db8:2::2"
REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MINI_RUN = os.path.abspath(os.environ.get("MINI_RUN", f"{REPOSITORY}/build/mini-run"))
MINICTL = os.path.join(os.path.dirname(MINI_RUN), "minictl")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# A sanitized program cannot look for leaks while strace(1) holds it; the doctest suites look for them.
ENVIRONMENT = {"PATH": PATH, "LC_ALL": "C.UTF-8", "ASAN_OPTIONS": "detect_leaks=0"}
NAMESPACES = ("mnt", "net", "uts", "ipc", "cgroup", "pid")

# What a name means must not depend on the machine that the tests run on.
HOSTS = "127.0.0.1 localhost\n127.0.1.1 testhost\n::1 ip6-localhost ip6-loopback localhost6\n"
RESOLV_CONF = "nameserver 203.0.113.53\n"

HOST_BATCH = """\
link set lo up
link add eth0 address 02:00:00:00:00:01 type veth peer name eth0 address 02:00:00:00:00:02 netns {client}
link add eth1 address 02:00:00:00:01:01 type veth peer name eth0 address 02:00:00:00:01:02 netns {other}
addr add 203.0.113.1/24 dev eth0
addr add 198.51.100.1/24 dev eth1
addr add 2001:db8:1::1/64 dev eth0
addr add 2001:db8:2::1/64 dev eth1
link set eth0 up
link set eth1 up
route add default via 203.0.113.2
route add default via 2001:db8:1::2
"""
CLIENT_BATCH = """\
link set lo up
addr add {address}/24 dev eth0
addr add {address6}/64 dev eth0
link set eth0 up
route add default via {gateway}
route add default via {gateway6}
"""


def _write(path, text):
    with open(path, "w") as file:
        file.write(text)


def _ip_batch(text, enter=None):
    subprocess.run(["ip", "-batch", "-"], input=text, text=True, check=True, preexec_fn=enter)


def _quiet_ipv6():
    # Duplicate address detection would change the addresses' flags for seconds after the start.
    for where in "default", "all":
        _write(f"/proc/sys/net/ipv6/conf/{where}/accept_dad", "0")
        _write(f"/proc/sys/net/ipv6/conf/{where}/router_solicitations", "0")


def _await_link_local_addresses(*links):
    """The kernel gives them once it has noticed the carrier, which may take it a second; the route to the address
    itself comes last."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and os.path.exists("/proc/net/if_inet6"):
        with open("/proc/net/if_inet6") as file:
            addresses = {fields[5]: fields[0] for fields in map(str.split, file) if fields[0].startswith("fe80")}
        with open("/proc/net/ipv6_route") as file:
            routes = {fields[0] for fields in map(str.split, file) if fields[1] == "80"}
        if all(addresses.get(link) in routes for link in links):
            return
        time.sleep(0.002)


def _enter_cgroups(name):
    """Makes a cgroup NAME below ours in every hierarchy and moves this process there, so that all of a World is
    in it and the cgroup namespace has it as its root."""
    made = []
    mounts = {mounted.controllers: mounted.path for mounted in snapshot.cgroup_mounts()}
    for line in open("/proc/self/cgroup"):
        _, controllers, path = line.rstrip("\n").split(":", 2)
        if controllers in mounts and controllers != "cpuset":  # a new cpuset takes no process
            made.append(f"{mounts[controllers]}{path.rstrip('/')}/{name}")
            os.mkdir(made[-1])
            _write(f"{made[-1]}/cgroup.procs", "0")
    return made


def descendants(pid):
    """Pids, as this test sees them, of all processes below PID; parents first."""
    found, queue = [], [pid]
    while queue:
        pid = queue.pop(0)
        try:
            with open(f"/proc/{pid}/task/{pid}/children") as file:
                children = [int(word) for word in file.read().split()]
        except OSError:
            continue
        found += children
        queue += children
    return found


def prefix(pid):
    """How the names of the files and cgroups begin that the test of process PID makes."""
    return f"mini-run-e2e-{pid}-"


def sweep(pid):
    """Removes what a World left whose test, process PID, was killed before it could close it."""
    for mounted in snapshot.cgroup_mounts():
        for directory, names, _ in os.walk(mounted.path):
            for name in [n for n in names if n.startswith(prefix(pid))]:
                snapshot.remove_cgroup(os.path.join(directory, name))
                names.remove(name)
    for name in os.listdir(tempfile.gettempdir()):
        if name.startswith(prefix(pid)):
            subprocess.run(["rm", "-rf", "--one-file-system", os.path.join(tempfile.gettempdir(), name)])


class World:
    """Use it in a with statement, or close() it. BRIDGE_NF: bridge-nf-call-iptables, as on a machine
    where br_netfilter is loaded (1) or not (0)."""

    def __init__(self, bridge_nf=None):
        self.directory = tempfile.mkdtemp(prefix=f"{prefix(os.getpid())}")
        os.chmod(self.directory, 0o755)
        self._children = []
        name = os.path.basename(self.directory)
        self._cgroups = _enter_cgroups(name)
        reader, writer = os.pipe()
        own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        ns.unshare(ns.CLONE_NEWPID)
        self.holder = os.fork()
        if self.holder == 0:
            os.close(reader)
            self._hold(writer, bridge_nf)
        ns.setns(own, "pid")
        os.close(own)
        os.close(writer)
        with os.fdopen(reader) as pipe:
            answer = pipe.read()
        if not answer.startswith("ready"):
            self.close()
            raise RuntimeError(f"the world was not made: {answer}")
        client, other = (int(word) for word in answer.split()[1:])
        inside = f"/proc/{self.holder}/root/proc"
        self._fds = {"host": ns.open_namespaces(self.holder, NAMESPACES)}
        for where, pid in ("client", client), ("other", other):
            fd = os.open(f"{inside}/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            self._fds[where] = self._fds["host"] | {"net": fd}

    def _hold(self, writer, bridge_nf):
        try:
            ns.die_with_parent()
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            ns.unshare(sum(ns.FLAG[kind] for kind in NAMESPACES if kind != "pid"))
            self._mounts()
            os.environ["PATH"] = PATH
            clients = [self._holder_of_network() for _ in range(2)]
            _quiet_ipv6()
            _write("/proc/sys/net/ipv4/ip_forward", "0")
            if bridge_nf is not None and os.path.exists("/proc/sys/net/bridge"):
                for family in "ip", "ip6":
                    _write(f"/proc/sys/net/bridge/bridge-nf-call-{family}tables", str(bridge_nf))
            _ip_batch(HOST_BATCH.format(client=clients[0], other=clients[1]))
            for pid, address, gateway, address6, gateway6 in (
                    (clients[0], CLIENT, HOST, CLIENT6, HOST6), (clients[1], OTHER, HOST_OTHER, OTHER6, HOST_OTHER6)):
                fd = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
                _ip_batch(CLIENT_BATCH.format(address=address, gateway=gateway, address6=address6, gateway6=gateway6),
                          lambda fd=fd: ns.setns(fd, "net"))
                os.close(fd)
            _await_link_local_addresses("eth0", "eth1")
            os.write(writer, f"ready {clients[0]} {clients[1]}".encode())
        except BaseException as error:
            os.write(writer, repr(error).encode())
            os._exit(1)
        devnull = os.open("/dev/null", os.O_RDWR)
        for fd in range(3):
            os.dup2(devnull, fd)
        os.closerange(3, 1 << 16)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # orphans vanish by themselves
        while True:
            signal.pause()

    def _own_dev(self):
        """The machine's device nodes are not a test's to change: nodes of our own."""
        nodes = [(name, os.stat(f"/dev/{name}").st_rdev) for name in ("null", "zero", "full", "random", "urandom", "tty")]
        ns.mount("tmpfs", "/dev", "tmpfs", ns.MS_NOSUID, "mode=755,size=1m")
        for name, device in nodes:
            os.mknod(f"/dev/{name}", 0o666 | stat.S_IFCHR, device)
            os.chmod(f"/dev/{name}", 0o666)
        for name in "pts", "shm":
            os.mkdir(f"/dev/{name}")
        ns.mount("devpts", "/dev/pts", "devpts", ns.MS_NOSUID | ns.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620")
        ns.mount("tmpfs", "/dev/shm", "tmpfs", ns.MS_NOSUID | ns.MS_NODEV, "mode=1777")
        for link, target in {"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "/proc/self/fd/0",
                             "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"}.items():
            os.symlink(target, f"/dev/{link}")

    def _mounts(self):
        hierarchies = snapshot.cgroup_mounts()
        disks = snapshot.disk_mounts()
        ns.mount("none", "/", flags=ns.MS_REC | ns.MS_PRIVATE)
        safe = ns.MS_NOSUID | ns.MS_NODEV | ns.MS_NOEXEC
        ns.mount(self.directory, self.directory, flags=ns.MS_BIND)
        for path in disks:
            ns.mount(None, path, flags=ns.MS_REMOUNT | ns.MS_BIND | ns.MS_RDONLY)
        for name, text in ("hosts", HOSTS), ("resolv.conf", RESOLV_CONF):
            source = f"{self.directory}/etc-{name}"
            _write(source, text)
            ns.mount(source, f"/etc/{name}", flags=ns.MS_BIND)
        self._own_dev()
        ns.mount("proc", "/proc", "proc", safe)
        ns.mount("sysfs", "/sys", "sysfs", safe)
        ns.mount("tmpfs", "/run", "tmpfs", ns.MS_NOSUID | ns.MS_NODEV, "mode=755,size=64m")
        for name in "lock", "mount":  # mount(8) would make the second one in the middle of a test
            os.mkdir(f"/run/{name}")
        if any(mounted.fstype == "cgroup" for mounted in hierarchies):
            ns.mount("tmpfs", "/sys/fs/cgroup", "tmpfs", safe, "mode=755")
        for mounted in hierarchies:
            os.makedirs(mounted.path, exist_ok=True)
            ns.mount("cgroup", mounted.path, mounted.fstype, safe, mounted.controllers or None)
        name = b"testhost"
        ns.check(ns.libc.sethostname(name, len(name)), "sethostname")

    @staticmethod
    def _holder_of_network():
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            ns.die_with_parent()
            ns.unshare(ns.CLONE_NEWNET)
            _quiet_ipv6()
            os.closerange(0, 1 << 16)
            while True:
                signal.pause()
        os.close(writer)
        os.read(reader, 1)  # end of file: its network is there
        os.close(reader)
        return pid

    # ---- running things

    def popen(self, argv, where="host", wrap=None, cwd="/", **options):
        """subprocess.Popen in this World. WRAP: called in the child just before the exec."""
        fds = self._fds[where] if isinstance(where, str) else where

        def enter():
            for kind in NAMESPACES:
                if kind != "pid":
                    ns.setns(fds[kind], kind)
            os.chdir(cwd)
            if wrap:
                wrap()

        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("env", ENVIRONMENT)
        with ns.children_in(fds["pid"]):
            process = subprocess.Popen([str(a) for a in argv], preexec_fn=enter, **options)
        self._children.append(process)
        return process

    def run(self, argv, where="host", timeout=30, check=True, input=None, **options):
        """subprocess.run in this World, output captured as text."""
        if input is not None:
            options["stdin"] = subprocess.PIPE
        process = self.popen(argv, where, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                             errors="replace", **options)
        try:
            out, err = process.communicate(input, timeout=timeout)
        except subprocess.TimeoutExpired:
            for pid in [*descendants(process.pid), process.pid]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            out, err = process.communicate()
            raise AssertionError(f"still running after {timeout} s: {argv}\n{out}\n{err}") from None
        result = subprocess.CompletedProcess(argv, process.returncode, out, err)
        if check and result.returncode:
            raise AssertionError(f"exit {result.returncode}: {argv}\n{out}\n{err}")
        return result

    def sh(self, script, **options):
        return self.run(["/bin/sh", "-ec", script], **options)

    def mini_run(self, *arguments, timeout=30, **options):
        """Runs mini-run to its end; any exit status will do."""
        return self.run([MINI_RUN, *arguments], timeout=timeout, check=False, **options)

    def minictl(self, *arguments, timeout=30, **options):
        """Runs minictl to its end; any exit status will do."""
        return self.run([MINICTL, *arguments], timeout=timeout, check=False, **options)

    def start(self, *arguments, ready="ready", **options):
        """Starts mini-run and waits until its output contains READY (None: does not wait)."""
        container = Container(self, arguments, **options)
        if ready is not None:
            container.wait_for(ready)
        return container

    def serve(self, *arguments, where="host"):
        """A server beside the containers (traffic.server), once it listens."""
        process = self.popen(traffic.server(*arguments), where, stdout=subprocess.PIPE, text=True)
        if process.stdout.readline() != "ready\n":
            raise AssertionError(f"no server {arguments}")
        return process

    def call(self, function, *arguments, where="host", timeout=30):
        fds = self._fds[where] if isinstance(where, str) else where
        enter = [(kind, fds[kind]) for kind in NAMESPACES if kind != "pid"]
        with ns.children_in(fds["pid"]):
            return ns.call(function, *arguments, enter=enter, timeout=timeout)

    def network_of(self, pid):
        """A `where` for run() and call(): the host, but the network namespace of process PID."""
        fd = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        return self._fds["host"] | {"net": fd}

    def network_at(self, path):
        """The same of a namespace's file in this World, as `ip netns add` makes them."""
        fd = os.open(f"/proc/{self.holder}/root{path}", os.O_RDONLY | os.O_CLOEXEC)
        return self._fds["host"] | {"net": fd}

    def own_file(self, path, text):
        """PATH of the host reads TEXT, in this World only."""
        source = os.path.join(self.directory, path.strip("/").replace("/", "-"))
        _write(source, text)
        self.run(["mount", "--bind", source, path])

    # ---- looking at it

    def state(self):
        return snapshot.take(self)

    def close(self):
        """Ends everything in this World and removes its files."""
        os.kill(self.holder, signal.SIGKILL)
        # First what was put into the namespace from out here: its process 1 waits for all others to be reaped.
        for process in self._children:
            process.wait(timeout=10)
            for pipe in process.stdin, process.stdout, process.stderr:
                if pipe:
                    pipe.close()
        opened = {fd for fds in getattr(self, "_fds", {}).values() for fd in fds.values()}
        for fd in opened:
            os.close(fd)
        os.waitpid(self.holder, 0)
        for directory in self._cgroups:
            _write(f"{os.path.dirname(directory)}/cgroup.procs", "0")
            snapshot.remove_cgroup(directory)
        subprocess.run(["rm", "-rf", "--one-file-system", self.directory], check=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Container:
    """A mini-run that runs, with what it has written so far."""

    def __init__(self, world, arguments, program=None, **options):
        self.world = world
        self._out = tempfile.TemporaryFile()
        self._err = tempfile.TemporaryFile()
        options.setdefault("stdout", self._out)
        options.setdefault("stderr", self._err)
        self.process = world.popen([*(program or [MINI_RUN]), *arguments], **options)
        self.pid = self.process.pid

    @staticmethod
    def _text(file):
        return os.pread(file.fileno(), 1 << 23, 0).decode(errors="replace")

    @property
    def out(self):
        return self._text(self._out)

    @property
    def err(self):
        return self._text(self._err)

    def wait_for(self, text, timeout=10):
        deadline = time.monotonic() + timeout
        while text not in self.out and text not in self.err:
            ended = self.process.poll()
            if (ended is not None and text not in self.out + self.err) or time.monotonic() > deadline:
                raise AssertionError(f"{text!r} did not appear (exit status {ended}); it wrote:\n"
                                     f"{self.out}{self.err}")
            time.sleep(0.002)
        return self

    def descendants(self):
        return descendants(self.pid)

    @property
    def init(self):
        """Process 1 of the container, by its pid out here."""
        own = os.readlink(f"/proc/{self.pid}/ns/pid")
        for pid in self.descendants():
            try:
                if os.readlink(f"/proc/{pid}/ns/pid") != own:
                    return pid
            except OSError:
                continue
        raise AssertionError(f"no container below process {self.pid}: {self.out}{self.err}")

    @property
    def network(self):
        """The container's network as a `where` for World.run() and call()."""
        return self.world.network_of(self.init)

    @property
    def address(self):
        links = snapshot.ip_json(self.world, "-4", "addr", "show", "dev", "eth0", where=self.network)
        return links[0]["addr_info"][0]["local"]

    def send(self, signal_number):
        os.kill(self.pid, signal_number)

    def wait(self, timeout=15):
        """The exit status as a shell would show it."""
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"mini-run still runs after {timeout} s\n{self.out}{self.err}") from None
        return status if status >= 0 else 128 - status

    def stop(self):
        self.send(signal.SIGTERM)
        return self.wait()
