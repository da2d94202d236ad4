# SPDX-License-Identifier: MIT
"""The state of a World as one flat dict {line: value}: what "nothing changed" and "nothing left" mean.

Left out is only what changes by itself: counters, timers, and the clock in everything.
"""

import collections
import json
import os
import re
import stat
import time

CgroupMount = collections.namedtuple("CgroupMount", "path fstype controllers")

VOLATILE_LINK_KEYS = re.compile(r"_timer$|^(operstate|stats|stats64|gso_ipv4_max_size|tso_.*)$")
VOLATILE_SYSCTLS = re.compile(r"nf_conntrack_count$|/stable_secret$|tcp_fastopen_key$|/flush$|rt_cache")
# What loading a kernel module adds, the contract excepts.
MODULE_SYSCTLS = re.compile(r"^sysctl net/(netfilter|bridge|nf_conntrack)")


def cgroup_mounts():
    """The cgroup hierarchies mounted in this namespace, as /proc/self/cgroup names their controllers."""
    found = []
    for line in open("/proc/self/mountinfo"):
        fields = line.split()
        fstype, _, options = fields[fields.index("-") + 1:][:3]
        if fstype == "cgroup2":
            found.append(CgroupMount(fields[4], fstype, ""))
        elif fstype == "cgroup":
            controllers = [o for o in options.split(",") if o not in ("rw", "ro", "xattr")]
            found.append(CgroupMount(fields[4], fstype, ",".join(controllers)))
    return found


def disk_mounts():
    """Mount points of file systems that are on a disk."""
    with open("/proc/self/mountinfo") as file:
        fields = [line.split() for line in file]
    return [f[4].replace("\\040", " ") for f in fields if f[f.index("-") + 2].startswith("/dev/")]


def remove_cgroup(directory):
    """Removes DIRECTORY and what is below; the dying processes in it get a moment."""
    deadline = time.monotonic() + 5
    for path, _, _ in os.walk(directory, topdown=False):
        while True:
            try:
                os.rmdir(path)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.005)


def answers(world, *commands, where="host"):
    """What each of COMMANDS writes. One shell runs them all: a process started from here costs more than any of them."""
    return world.sh("\necho '---'\n".join(commands), where=where).stdout.split("---\n")


def parsed(text):
    return json.loads(text) if text.strip() else []


def ip_json(world, *arguments, where="host"):
    return parsed(world.run(["ip", "-j", "-d", *arguments], where).stdout)


def clean_link(link):
    """LINK of `ip -j -d link` without what changes by itself, at any depth."""
    if isinstance(link, dict):
        return {k: clean_link(v) for k, v in link.items() if not VOLATILE_LINK_KEYS.search(k)}
    if isinstance(link, list):  # NO-CARRIER comes and goes by itself for up to a second after a link is up
        return [clean_link(item) for item in link if item != "NO-CARRIER"]
    return link


def clean_rules(value):
    """VALUE of `nft -j list ruleset` without handles and counts."""
    if isinstance(value, dict):
        if set(value) == {"counter"} and isinstance(value["counter"], dict) and "packets" in value["counter"]:
            return {"counter": None}
        return {k: clean_rules(v) for k, v in value.items() if k not in ("handle", "metainfo")}
    if isinstance(value, list):
        return [clean_rules(item) for item in value]
    return value


LINKS = "ip -j -d link"
ADDRESSES = "ip -j -d addr"
ROUTES = ["ip -j -d -4 route show table all", "ip -j -d -6 route show table all"]
RULES = "nft -j list ruleset"


def links(text):
    """TEXT of LINKS."""
    return {f"link {link['ifname']}": clean_link(link) for link in parsed(text)}


# Comes a second after the first container and goes with the process that has it, whatever becomes of that
# (netsetup/nft_flows.cpp); test_mending.py looks at it by itself.
FLOWS = "mini_run_flows"


def rules(text):
    """TEXT of RULES."""
    def is_flows(entry):
        what, = entry.values()
        return (what.get("name") if "table" in entry else what.get("table")) == FLOWS
    return [clean_rules(entry) for entry in json.loads(text)["nftables"] if "metainfo" not in entry and not is_flows(entry)]


def addresses(text):
    """TEXT of ADDRESSES."""
    keys = ("family", "local", "prefixlen", "broadcast", "scope", "label")
    return {f"address {link['ifname']} {info['local']}": {k: info.get(k) for k in keys}
            for link in parsed(text) for info in link["addr_info"]}


def routes(*texts):
    """TEXTS of ROUTES."""
    found = {}
    for text in texts:
        for route in parsed(text):
            route.pop("expires", None)
            # linkdown and dead follow the carrier, which lags behind
            route["flags"] = [f for f in route.get("flags", []) if f not in ("linkdown", "dead")]
            name = (f"route {route['dst']} dev {route.get('dev', '-')} table {route.get('table', 'main')} "
                    f"type {route.get('type', 'unicast')} metric {route.get('metric', 0)}")
            found[name] = route
    return found


def sysctls():
    """Everything below /proc/sys/net that this process's network namespace has."""
    found = {}
    for directory, _, names in os.walk("/proc/sys/net"):
        for name in names:
            path = os.path.join(directory, name)
            key = path.removeprefix("/proc/sys/")
            if VOLATILE_SYSCTLS.search(key):
                continue
            try:
                with open(path) as file:
                    found[f"sysctl {key}"] = file.read().strip()
            except OSError:
                pass  # write-only, or without a value yet
    return found


def tree(top):
    """Every file below TOP: kind, mode and owner."""
    found = {}
    for directory, directories, names in os.walk(top):
        for name in directories + names:
            path = os.path.join(directory, name)
            try:
                info = os.lstat(path)
            except FileNotFoundError:  # removed this moment: the caller looks again until all is quiet
                continue
            found[f"file {path}"] = f"{stat.filemode(info.st_mode)} {info.st_uid}:{info.st_gid}"
    return found


def processes():
    """Processes of this mount namespace's /proc, by command line (and number, where one runs twice)."""
    found = collections.Counter()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        if int(pid) == os.getpid():
            continue
        try:
            with open(f"/proc/{pid}/cmdline") as file:
                command = file.read().replace("\0", " ").strip()
            with open(f"/proc/{pid}/stat") as file:
                text = file.read()
        except OSError:
            continue
        name, kind = text[text.index("("):text.rindex(")") + 1], text[text.rindex(")") + 2]
        # One that dies has lost its memory, and with it its command line, before it lets go of files and locks.
        found["zombie " + name if kind == "Z" else command or name] += 1
    return {f"process {command}": count for command, count in found.items()}


def _inside():
    found = sysctls() | tree("/run") | processes()
    with open("/proc/self/mountinfo") as file:
        for line in file:
            fields = line.split()
            kind = fields[fields.index("-") + 1]
            found[f"mount {fields[4]} {kind}"] = found.get(f"mount {fields[4]} {kind}", 0) + 1
    for mounted in cgroup_mounts():
        for directory, _, _ in os.walk(mounted.path):
            found[f"cgroup {directory}"] = ""
    return found


def translated_flows(text):
    """Connections that conntrack (TEXT of `conntrack -L`) remembers as translated: those of published ports and of containers."""
    found = {}
    for line in text.splitlines():
        ends = re.findall(r"src=(\S+) dst=(\S+)(?: sport=(\S+) dport=(\S+))?", line)
        if len(ends) == 2 and ends[0] != tuple(ends[1][i] for i in (1, 0, 3, 2)):
            found["flow " + " ".join(re.findall(r"^\w+|(?:src|dst|sport|dport)=\S+", line))] = ""
    return found


def listeners(text):
    """TEXT of `ss -tulnH`."""
    return {"socket " + " ".join([line.split()[0], line.split()[4]]): "" for line in text.splitlines()}


def take(world):
    """All of it. nft(8) 1.0.6 may die in the middle of a listing where a table goes meanwhile: once more then."""
    try:
        return _take(world)
    except json.JSONDecodeError:
        return _take(world)


def _take(world):
    link, address, route4, route6, rule4, rule6, ruleset, flows, sockets = answers(
        world, LINKS, ADDRESSES, *ROUTES, "ip -j -d -4 rule", "ip -j -d -6 rule", RULES,
        "for f in ipv4 ipv6; do conntrack -L -f $f 2>/dev/null || true; done", "ss -tulnH")
    found = links(link) | addresses(address) | routes(route4, route6)
    for family, text in ("-4", rule4), ("-6", rule6):
        for rule in parsed(text):
            found[f"ip rule {family} {json.dumps(rule, sort_keys=True)}"] = ""
    for entry in rules(ruleset):
        found["nft " + json.dumps(entry, sort_keys=True)] = ""
    return found | world.call(_inside) | translated_flows(flows) | listeners(sockets)


def difference(before, after):
    """What a reader needs to see what changed; empty where nothing did."""
    lines = [f"- {key}: {before[key]}" for key in before if key not in after]
    lines += [f"+ {key}: {after[key]}" for key in after
              if key not in before and not MODULE_SYSCTLS.match(key)]
    lines += [f"! {key}: {before[key]}  =>  {after[key]}" for key in before
              if key in after and before[key] != after[key]]
    return "\n".join(lines)
