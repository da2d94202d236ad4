# SPDX-License-Identifier: MIT
"""The real firewalls of others, run in a World: dockerd, ufw, firewalld. Each has /etc and what else it writes to for
itself; all of it is gone with the World."""

import os
import time

import snapshot


def own_tree(world, path):
    """PATH of the host may be written to, in this World only."""
    layers = [os.path.join(world.directory, path.strip("/").replace("/", "-") + "." + name) for name in ("upper", "work")]
    for layer in layers:
        os.mkdir(layer)
    world.sh(f"mount -t overlay -o lowerdir={path},upperdir={layers[0]},workdir={layers[1]} none {path}")


def until(condition, what, timeout):
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(what())
        time.sleep(0.05)


class Docker:
    def __init__(self, world):
        self.world = world
        own_tree(world, "/etc")
        world.sh("mount -t tmpfs none /opt")  # containerd writes there
        self.top = os.path.join(world.directory, "docker")
        self.start()

    def start(self):
        log = f"{self.world.directory}/docker.log"
        self.process = self.world.popen(
            ["dockerd", "--data-root", f"{self.top}/data", "--exec-root", f"{self.top}/exec", "--pidfile", f"{self.top}/pid",
             "-H", f"unix://{self.top}/sock", "--storage-driver", "vfs"], stdout=open(log, "w"), stderr=-2)
        until(lambda: "API listen" in open(log).read(), lambda: open(log).read()[-3000:], 40)

    def stop(self):
        self.process.terminate()
        self.process.wait(20)


class Ufw:
    def __init__(self, world):
        self.world = world
        own_tree(world, "/etc")
        self("--force", "enable")

    def __call__(self, *arguments):
        return self.world.run(["env", f"TMPDIR={self.world.directory}", "ufw", *arguments]).stdout


class Firewalld:
    def __init__(self, world):
        self.world = world
        own_tree(world, "/etc")
        world.sh("mkdir -p /run/dbus; dbus-daemon --system --fork --nopidfile")
        log = open(f"{world.directory}/firewalld.log", "w")
        self.process = world.popen(["firewalld", "--nofork", "--nopid"], stdout=log, stderr=-2)
        running = lambda: world.run(["firewall-cmd", "--state"], check=False).stdout == "running\n"
        until(running, lambda: open(log.name).read(), 40)

    def __call__(self, *arguments):
        return self.world.run(["firewall-cmd", *arguments]).stdout


TAG = "mini-run"


def foreign_state(world):
    """What is not ours of the rules and the switches that are for the whole host: {line: value}."""
    found = {}
    for entry in snapshot.rules(world.run(["nft", "-j", "list", "ruleset"]).stdout):
        (kind, what), = entry.items()
        if what.get("comment") != TAG and (what.get("name") if kind == "table" else what.get("table")) != "mini_run":
            found[f"nft {entry}"] = found.get(f"nft {entry}", 0) + 1
    switches = world.call(snapshot.sysctls)
    return found | {key: value for key, value in switches.items()
                    if key.startswith(("sysctl net/ipv4/ip_forward", "sysctl net/ipv4/conf/all/", "sysctl net/bridge/",
                                       "sysctl net/ipv4/conf/default/", "sysctl net/ipv6/conf/all/"))}
