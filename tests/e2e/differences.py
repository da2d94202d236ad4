# SPDX-License-Identifier: MIT
"""The one list of differences that are allowed between the printed plan and the real thing.

    what differs                              why
    interface indexes                         the kernel counts; the script and the program make other things first
    link_netnsid, and the peer as @ifN        the kernel numbers the namespaces as it meets them
    handles and counters of nftables          the kernel counts (left out by snapshot.py)
    lifetimes of addresses and routes         time
    timers and operstate of links             time (left out by snapshot.py)
    table inet mini_run_flows                 a process's socket owns it: no command that ends could (snapshot.py)
    mr-* of the veth                          it is named after the run
"""

import re

import snapshot

INDEX_KEYS = {"ifindex", "link_index", "link_netnsid", "link", "valid_life_time", "preferred_life_time"}


def alike(value):
    """VALUE of a dump without what may differ."""
    if isinstance(value, dict):
        return {alike(k): alike(v) for k, v in value.items() if k not in INDEX_KEYS}
    if isinstance(value, list):
        return [alike(item) for item in value]
    if isinstance(value, str):
        return re.sub(r"\bmr-[0-9a-f]+", "mr-RUN", value)
    return value


def network(world, where="host"):
    """The network of WHERE as explain = do compares it."""
    link, address, route4, route6, rules = snapshot.answers(
        world, snapshot.LINKS, snapshot.ADDRESSES, *snapshot.ROUTES, snapshot.RULES, where=where)
    found = snapshot.links(link) | snapshot.addresses(address) | snapshot.routes(route4, route6)
    found |= world.call(snapshot.sysctls, where=where)
    found |= {f"nft {entry}": "" for entry in map(str, map(alike, snapshot.rules(rules)))}
    return alike(found)
