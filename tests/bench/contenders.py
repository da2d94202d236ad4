# SPDX-License-Identifier: MIT
"""The programs that are measured, each as the command line that starts `true` in a container."""

import io
import json
import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time

import world

BARE, BARE_NET = "bare clone, no network", "bare clone + network"
FLOOR = "bare, all that we promise"


class Contender:
    def __init__(self, name, command, bound=None, mounts=None):
        self.name, self.command, self.mounts = name, command, mounts
        self.bound = bound  # mini-run may take at most so many times as long
        self.seconds = []


def compiler(build):
    def compile_c(name, *arguments):
        output = os.path.join(build, name)
        subprocess.run(["cc", "-O2", "-o", output, *arguments], check=True)
        return output

    return compile_c


def mini_run(program):
    return Contender("mini-run -p 8080:80", [program, "--publish", "8080:80", "true"])


def bare(build):
    here = os.path.dirname(os.path.abspath(__file__))
    sources = [os.path.join(here, name) for name in ("bare.c", "bare_network.c", "bare_container.c")]
    dynamic = compiler(build)("bare", *sources)
    static = compiler(build)("bare-static", "-static", *sources)
    network = ["-n", world.BRIDGE, world.ADDRESS, world.GATEWAY]
    return [
        Contender(BARE_NET, [dynamic, *network, "true"], 1.5),
        Contender(BARE, [dynamic, "true"], 2.7),
        Contender(BARE_NET + ", static", [static, *network, "true"]),
        Contender(BARE + ", static", [static, "true"]),
        Contender(FLOOR, [dynamic, *network, "-c", "true"]),
        Contender(FLOOR + ", static", [static, *network, "-c", "true"]),
    ]


def bubblewrap():
    command = "bwrap --unshare-all --ro-bind / / --dev /dev --proc /proc true"
    return Contender("bubblewrap, no network", command.split(), 0.9)


def crun():
    """crun with its own default bundle, `true` in the host's root. In a mount namespace with cgroup2
    alone, because crun refuses hybrid hierarchies; without limits, which some machines refuse."""
    bundle = "/run/bench-crun"
    os.makedirs(bundle + "/root")
    subprocess.run(["crun", "spec"], cwd=bundle, check=True)
    with open(bundle + "/config.json", encoding="utf-8") as file:
        config = json.load(file)
    config["process"].update(args=["true"], terminal=False)
    config["process"].pop("rlimits", None)
    config["root"] = {"path": "root", "readonly": True}
    with open(bundle + "/config.json", "w", encoding="utf-8") as file:
        json.dump(config, file)
    mounts = world.MountNamespace(
        [
            ["mount", "--bind", "/", bundle + "/root"],
            ["mount", "-t", "cgroup2", "none", "/sys/fs/cgroup"],
        ]
    )
    command = ["crun", "--cgroup-manager=disabled", "run", "--bundle", bundle, "bench"]
    return Contender("crun, no network", command, 0.5, mounts)


class Docker:
    """A dockerd of the private machine, with an image that holds nothing but a static `true`."""

    socket = "unix:///run/docker.sock"

    def __init__(self, build):
        self.data = tempfile.mkdtemp(prefix="mini-run-bench-")
        # The version that belongs to the daemon, where another client comes first in PATH.
        self.client = "/usr/bin/docker" if os.path.exists("/usr/bin/docker") else "docker"
        self.cgroup = f"/mini-run-bench-{os.path.basename(self.data)}"
        self.log = open("/run/dockerd.log", "wb")
        command = ["dockerd", "--data-root", self.data, "--exec-root", "/run/docker"]
        command += ["--pidfile", "/run/docker.pid", "--host", self.socket, "--cgroup-parent", self.cgroup]
        self.daemon = subprocess.Popen(command, stdout=self.log, stderr=self.log)
        self.import_image(build)

    def docker(self, *arguments):
        return [self.client, "--host", self.socket, *arguments]

    def import_image(self, build):
        source = os.path.join(build, "true.c")
        with open(source, "w", encoding="utf-8") as file:
            file.write("int main(void) { return 0; }\n")
        image = io.BytesIO()
        with tarfile.open(fileobj=image, mode="w") as tar:
            tar.add(compiler(build)("true", "-static", source), "bin/true")
        end = time.monotonic() + 30
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        while subprocess.run(self.docker("version"), check=False, **quiet).returncode != 0:
            if self.daemon.poll() is not None or time.monotonic() > end:
                raise RuntimeError("dockerd does not start: " + self.last_words())
            time.sleep(0.1)
        subprocess.run(self.docker("import", "-", "bench-true"), input=image.getvalue(), check=True, **quiet)

    def last_words(self):
        with open("/run/dockerd.log", encoding="utf-8", errors="replace") as file:
            return "".join(file.readlines()[-3:])

    def contender(self):
        command = self.docker("run", "--rm", "--publish", "8080:80", "bench-true", "/bin/true")
        return Contender("docker run --rm -p 8080:80", command, 0.02)

    def close(self):
        self.daemon.send_signal(signal.SIGTERM)
        try:
            self.daemon.wait(20)
        except subprocess.TimeoutExpired:
            self.daemon.kill()
            self.daemon.wait()
        self.log.close()
        shutil.rmtree(self.data, ignore_errors=True)
        # The cgroup file systems are the machine's own: take our (now empty) directory out.
        for root, directories, _ in os.walk("/sys/fs/cgroup"):
            if self.cgroup[1:] in directories:
                directory = os.path.join(root, self.cgroup[1:])
                for path, _, _ in os.walk(directory, topdown=False):
                    os.rmdir(path)
                directories.remove(self.cgroup[1:])


class Podman:
    """podman with its default network and a root file system that holds nothing but a static `true`. In a mount
    namespace with cgroup2 alone, as crun."""

    def __init__(self, build):
        self.data = tempfile.mkdtemp(prefix="mini-run-bench-")
        root = os.path.join(self.data, "root")
        os.makedirs(os.path.join(root, "bin"))
        source = os.path.join(build, "true.c")
        with open(source, "w", encoding="utf-8") as file:
            file.write("int main(void) { return 0; }\n")
        shutil.copy(compiler(build)("true", "-static", source), os.path.join(root, "bin/true"))
        self.mounts = world.MountNamespace([["mount", "-t", "cgroup2", "none", "/sys/fs/cgroup"]])
        storage = ["--root", os.path.join(self.data, "storage"), "--runroot", "/run/bench-podman"]
        self.command = ["podman", *storage, "--cgroup-manager=cgroupfs", "run", "--rm", "--cgroups=disabled",
                        "--rootfs", root, "/bin/true"]

    def close(self):
        shutil.rmtree(self.data, ignore_errors=True)
