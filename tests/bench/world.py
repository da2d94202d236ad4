# SPDX-License-Identifier: MIT
"""A private machine to measure in: own network, mount, pid, uts and ipc namespaces, with a bridge for
the baseline and an uplink. The machine that runs the bench is not touched.

The bench is process 1 in there. That is what lets it know when everything is over: whatever a
program leaves to the background becomes a child of ours, and is waited for.
"""

import ctypes
import os
import shutil
import socket
import struct
import subprocess
import sys
import time

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
BRIDGE, GATEWAY, ADDRESS = "bare0", "10.99.0.1", "10.99.0.2/24"
INSIDE = "MINI_RUN_BENCH_WORLD"
CLONE_NEWNS = 0x00020000


def enter():
    """Starts this program again as process 1 of the private machine, unless it is that already."""
    if os.environ.get(INSIDE) == str(os.getpid()) == "1":
        build()
        return
    if os.geteuid() != 0:
        sys.exit("bench: namespaces, bridges and rules need root: sudo make bench")
    os.environ[INSIDE] = "1"
    namespaces = ["--net", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc"]
    os.execvp("unshare", ["unshare", *namespaces, "--", sys.executable, *sys.argv])


def build():
    os.environ["PATH"] = PATH
    for line in (
        "mount -t tmpfs -o mode=755 tmpfs /run",
        "ip link set lo up",
        "ip link add eth0 type veth peer name beyond",
        "ip addr add 203.0.113.1/24 dev eth0",
        "ip link set beyond up",
        "ip link set eth0 up",
        "ip route add default via 203.0.113.2",
        f"ip link add {BRIDGE} type bridge",
        f"ip addr add {GATEWAY}/24 dev {BRIDGE}",
        f"ip link set {BRIDGE} up",
        "nft add table ip bare",
        "nft add map ip bare ports { type inet_service : ipv4_addr . inet_service ; }",
    ):
        subprocess.run(line.split(), check=True)


class MountNamespace:
    """A second mount namespace of the private machine, for a program that needs other mounts."""

    def __init__(self, commands):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.home = os.open("/proc/self/ns/mnt", os.O_RDONLY)
        self._check(self.libc.unshare(CLONE_NEWNS))
        self.other = os.open("/proc/self/ns/mnt", os.O_RDONLY)
        try:
            for command in commands:
                subprocess.run(command, check=True)
        finally:
            self.leave()

    def enter(self):
        self._check(self.libc.setns(self.other, CLONE_NEWNS))

    def leave(self):
        self._check(self.libc.setns(self.home, CLONE_NEWNS))

    @staticmethod
    def _check(result):
        if result != 0:
            raise OSError(ctypes.get_errno(), "mount namespace")


def processes():
    return {int(name) for name in os.listdir("/proc") if name.isdigit()}


def links():
    return {name for _, name in socket.if_nameindex()}


def tables():
    """The number of nf_tables tables: NFT_MSG_GETTABLE dump (linux/netfilter/nf_tables.h)."""
    nfnl_subsys_nftables, get_table, new_table, done = 10, 1, 0, 3
    request = struct.pack("=IHHIIBBH", 20, nfnl_subsys_nftables << 8 | get_table, 0x301, 1, 0, 0, 0, 0)
    count = 0
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12) as netfilter:
        netfilter.send(request)
        while True:
            reply = netfilter.recv(65536)
            while reply:
                length, kind = struct.unpack_from("=IH", reply)
                if kind == done:
                    return count
                if kind < 16:
                    return -1
                count += kind == (nfnl_subsys_nftables << 8 | new_table)
                reply = reply[(length + 3) & ~3 :]


def reap():
    """Collects the dead that were left to process 1."""
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                return
        except ChildProcessError:
            return


def state():
    return processes(), links(), tables()


def wait_for(before, limit=10.0):
    """Waits until processes, links and tables are what they were. Returns what is left over (a
    text), or nothing."""
    end = time.monotonic() + limit
    while True:
        reap()
        # The cheap look first; reading /proc all the time would slow the clean-up down.
        if links() <= before[1] and processes() <= before[0] and tables() <= before[2]:
            return ""
        if time.monotonic() > end:
            now = state()
            return f"processes {now[0] - before[0]}, links {now[1] - before[1]}, tables {now[2] - before[2]}"
        time.sleep(0.0005)


def has(program):
    return shutil.which(program, path=PATH) is not None
