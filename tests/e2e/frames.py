# SPDX-License-Identifier: MIT
"""Ethernet frames as bytes, right in every checksum, and what sends and hears them."""

import ipaddress
import struct

# Sends the frames of its arguments, in hex, by eth0 of where it runs.
SENDER = r"""
import socket, sys
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind(("eth0", 0))
for frame in sys.argv[1:]:
    wire.send(bytes.fromhex(frame))
"""

# Prints what comes in by the interface of its argument, in hex, until a frame that ends with "the end".
HEARER = r"""
import socket, sys
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
wire.bind((sys.argv[1], 3))
print("ready", flush=True)
while True:
    frame, (_, _, kind, _, _) = wire.recvfrom(2000)
    if kind != socket.PACKET_OUTGOING:
        print(frame.hex(), flush=True)
        if frame.endswith(b"the end"):
            break
"""

ARP, IPV4, IPV6, EXPERIMENT = 0x0806, 0x0800, 0x86dd, 0x88b5
REQUEST, REPLY = 1, 2
ROUTER_ADVERTISEMENT, SOLICITATION, ADVERTISEMENT, REDIRECT = 134, 135, 136, 137
ALL_NODES = "ff02::1"


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def ip(text):
    return ipaddress.ip_address(text).packed


def checksum(data):
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ethernet(source, target, kind, payload):
    return mac(target) + mac(source) + struct.pack("!H", kind) + payload


def arp(operation, sender_mac, sender, target_mac, target):
    return struct.pack("!HHBBH", 1, IPV4, 6, 4, operation) + mac(sender_mac) + ip(sender) + mac(target_mac) + ip(target)


def _ipv6(source, target, protocol, payload):
    return struct.pack("!IHBB", 6 << 28, len(payload), protocol, 255) + ip(source) + ip(target) + payload


def _with_checksum(source, target, protocol, payload, at):
    pseudo = ip(source) + ip(target) + struct.pack("!II", len(payload), protocol)
    return payload[:at] + struct.pack("!H", checksum(pseudo + payload)) + payload[at + 2:]


def icmpv6(source, target, kind, body):
    message = _with_checksum(source, target, 58, struct.pack("!BBH", kind, 0, 0) + body, 2)
    return _ipv6(source, target, 58, message)


def udp(source, target, text, port=9):
    payload = struct.pack("!HHHH", port, port, 8 + len(text), 0) + text
    if ":" in source:
        return _ipv6(source, target, 17, _with_checksum(source, target, 17, payload, 6))
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 1, 0, 64, 17, 0) + ip(source) + ip(target)
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + payload


def advertisement(source, target, about, link):
    """Neighbour advertisement: ABOUT is at LINK, whatever you knew (override)."""
    return icmpv6(source, target, ADVERTISEMENT, struct.pack("!I", 0x60000000) + ip(about) + b"\2\1" + mac(link))


def router_advertisement(source, link):
    return icmpv6(source, ALL_NODES, ROUTER_ADVERTISEMENT, struct.pack("!BBHII", 64, 0, 1800, 0, 0) + b"\1\1" + mac(link))


def redirect(source, target, better, destination):
    return icmpv6(source, target, REDIRECT, bytes(4) + ip(better) + ip(destination))


def claim(about):
    """Duplicate address detection: somebody wants to take ABOUT."""
    group = ipaddress.ip_address(int(ipaddress.ip_address("ff02::1:ff00:0")) | int(ipaddress.ip_address(about)) & 0xffffff)
    return icmpv6("::", str(group), SOLICITATION, bytes(4) + ip(about))


def link_local(address):
    """The address that an interface with the MAC ADDRESS gives itself."""
    m = mac(address)
    return str(ipaddress.ip_address(b"\xfe\x80" + bytes(6) + bytes([m[0] ^ 2]) + m[1:3] + b"\xff\xfe" + m[3:]))
