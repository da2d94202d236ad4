# SPDX-License-Identifier: MIT
"""Servers for inside the containers and clients for everywhere else."""

import socket
import time

# Answers on TCP with a page and on UDP with an echo; both name the peer as the server saw it.
SERVER = r"""
import selectors, socket, sys
address, port, name = sys.argv[1], int(sys.argv[2]), sys.argv[3]
family = socket.AF_INET6 if ":" in address else socket.AF_INET
tcp = socket.create_server((address, port), family=family, backlog=64, dualstack_ipv6=address == "::")
udp = socket.socket(family, socket.SOCK_DGRAM)
if address == "::": udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
udp.bind((address, port))
ready = selectors.DefaultSelector()
ready.register(tcp, selectors.EVENT_READ)
ready.register(udp, selectors.EVENT_READ)
print("ready", flush=True)
while True:
    for key, _ in ready.select():
        if key.fileobj is tcp:
            peer, where = tcp.accept()
            peer.recv(1000)
            seen = where[0].removeprefix("::ffff:")
            peer.sendall(f"HTTP/1.0 200 OK\r\n\r\n{name} saw {seen}\n".encode())
            peer.close()
        else:
            data, where = udp.recvfrom(1000)
            seen = where[0].removeprefix("::ffff:")
            udp.sendto(f"{name} saw {seen}".encode(), where)
"""


def server(name="page", port=80, address="::"):
    """The argument vector of that server."""
    return ["/usr/bin/python3", "-c", SERVER, address, str(port), name]


def tcp(host, port, timeout=2):
    """The server's sentence over TCP. Names are tried as every client does: each address in turn."""
    with socket.create_connection((host, port), timeout) as peer:
        peer.sendall(b"GET / HTTP/1.0\r\n\r\n")
        answer = b""
        while data := peer.recv(1000):
            answer += data
    return answer.decode().rpartition("\r\n\r\n")[2].strip()


def udp(host, port, timeout=2):
    """The server's sentence over UDP; a refused address is followed by the next one of HOST."""
    error = None
    for family, kind, _, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM):
        with socket.socket(family, kind) as peer:
            peer.settimeout(timeout)
            try:
                peer.connect(address)
                peer.send(b"hello")
                return peer.recv(1000).decode()
            except OSError as reason:
                error = reason
    raise error


ASK = {"tcp": tcp, "udp": udp}


def outcome(protocol, host, port, timeout=0.5):
    """The server's sentence, or the name of the error where there was none."""
    try:
        return ASK[protocol](host, port, timeout)
    except OSError as error:
        return type(error).__name__


def timed(protocol, host, port):
    """(sentence, seconds)"""
    start = time.monotonic()
    answer = outcome(protocol, host, port, 5)
    return answer, time.monotonic() - start


def send_until_answered(host, port, source_port, seconds):
    """A UDP sender that has always been there: sends from SOURCE_PORT until something answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("0.0.0.0", source_port))
        peer.settimeout(0.02)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                peer.sendto(b"hello", (host, port))
                return peer.recv(1000).decode()
            except OSError:
                time.sleep(0.02)
    return "no answer"
