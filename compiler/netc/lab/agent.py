"""The packets of a lab: a script of its own, run in a network namespace with nothing but the standard library.
Its standard input is a verb and its words, as a list in JSON:

watch NAME ANY UDP TCP  logs what passes each interface, answers probes at these ports (comma-separated), and logs them.
                        ANY 1: answers for every address that is routed to it.
ask PROBES              sends what the JSON says, and prints the numbers of what was answered

A probe is known by its number, which is its source port less FIRST.
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

FIRST, LAST = 61000, 61999
IP_PKTINFO, IP_TRANSPARENT, IPV6_TRANSPARENT = 8, 19, 75
SO_ATTACH_FILTER, SO_RCVBUFFORCE = 26, 33
SOL_PACKET, PACKET_STATISTICS = 263, 6
OUTGOING = 4
WAIT = 2.5


def log(**said: object) -> None:
    os.write(1, f"{json.dumps(said)}\n".encode())


def flow(packet: bytes) -> tuple[int, str, str, int, int] | None:
    """Family, protocol, source, destination, ports; None for what is no TCP or UDP."""
    family = packet[0] >> 4
    if family == 4:
        protocol, start = packet[9], (packet[0] & 15) * 4
        ends = socket.inet_ntop(socket.AF_INET, packet[12:16]), socket.inet_ntop(socket.AF_INET, packet[16:20])
    elif family == 6 and len(packet) > 44:
        protocol, start = packet[6], 40
        ends = socket.inet_ntop(socket.AF_INET6, packet[8:24]), socket.inet_ntop(socket.AF_INET6, packet[24:40])
    else:
        return None
    if protocol not in (6, 17) or len(packet) < start + 4:
        return None
    return (protocol, *ends, *struct.unpack("!HH", packet[start : start + 4]))


def bound(kind: socket.SocketKind, family: socket.AddressFamily, port: int, any_: bool) -> socket.socket:
    made = socket.socket(family, kind)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        if any_:
            made.setsockopt(socket.IPPROTO_IPV6, IPV6_TRANSPARENT, 1)
    else:
        made.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        if any_:
            made.setsockopt(socket.IPPROTO_IP, IP_TRANSPARENT, 1)
    made.bind(("", port))
    if kind == socket.SOCK_STREAM:
        made.listen(64)
    return made


def probes_alone(sniff: socket.socket) -> None:
    """The buffer of a user without root has room for some hundred packets: the kernel keeps those that begin a probe or
    its answer, and none of a tunnel that carries them. As tcpdump(8) compiles it, from the header of IP on."""
    drop, accept = 21, 22
    program = [
        (0x20, 0, 0, 0xFFFFF004),  # outbound
        (0x15, 0, drop - 2, OUTGOING),
        (0x30, 0, 0, 0),  # IPv4: X is the length of its header, A the protocol
        (0x54, 0, 0, 0xF0),
        (0x15, 0, 3, 0x40),
        (0xB1, 0, 0, 0),
        (0x30, 0, 0, 9),
        (0x05, 0, 0, 3),
        (0x15, 0, drop - 9, 0x60),  # IPv6
        (0x01, 0, 0, 40),
        (0x30, 0, 0, 6),
        (0x15, 3, 0, 17),  # UDP, or TCP with SYN or RST
        (0x15, 0, drop - 13, 6),
        (0x50, 0, 0, 13),
        (0x45, 0, drop - 15, 0x06),
        (0x48, 0, 0, 0),  # the source port, or the destination port
        (0x35, 0, 1, FIRST),
        (0x35, 0, accept - 18, LAST + 1),
        (0x48, 0, 0, 2),
        (0x35, 0, drop - 20, FIRST),
        (0x35, 0, accept - 21, LAST + 1),
        (0x06, 0, 0, 0),
        (0x06, 0, 0, 200),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
    sniff.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", len(program), ctypes.addressof(code)))


def watch(name: str, any_: str, udp: str, tcp: str) -> None:
    sniff = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
    probes_alone(sniff)
    with contextlib.suppress(PermissionError):  # without root, as much as everybody may have
        sniff.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
    servers: dict[int, socket.socket] = {}
    seen: set[tuple[Any, ...]] = set()
    for kind, ports in ((socket.SOCK_DGRAM, udp), (socket.SOCK_STREAM, tcp)):
        for port in filter(None, ports.split(",")):
            for family in (socket.AF_INET, socket.AF_INET6):
                try:
                    made = bound(kind, family, int(port), any_ == "1")
                    servers[made.fileno()] = made
                except OSError:
                    pass  # somebody listens there
    ending: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: ending.append(1))
    log(ready=name)
    while True:
        found = select.select([sniff, *servers.values()], [], [], 0.1)[0]
        if ending and sniff not in found:  # all that came is read
            log(missed=struct.unpack("II", sniff.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[1])
            return
        for ready in found:
            if ready is sniff:
                passed(sniff, seen)
                continue
            try:
                (datagram if ready.type == socket.SOCK_DGRAM else stream)(ready)
            except (OSError, ValueError) as error:  # also what others send, such as a DNS query of the host itself
                log(error=str(error))


def passed(sniff: socket.socket, seen: set[tuple[Any, ...]]) -> None:
    packet, (device, _, kind, *_) = sniff.recvfrom(200)
    found = flow(packet)
    if found and kind == OUTGOING and device != "lo":
        ports = [port - FIRST for port in found[3:] if FIRST <= port <= LAST]
        if ports:
            line = (device, found[3] >= FIRST, ports[0], found[0])
            if line not in seen:
                seen.add(line)
                log(out=device, there=FIRST <= found[3] <= LAST, number=ports[0], source=found[1], to=found[2])


def datagram(server: socket.socket) -> None:
    data, ancillary, _, visitor = server.recvmsg(200, 256)
    for level, kind, value in ancillary:
        if (level, kind) == (socket.IPPROTO_IP, IP_PKTINFO):
            to, own = value[8:12], struct.pack("=I4s4s", 0, value[8:12], value[8:12])
        elif (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO):
            to, own = value[:16], value[:16] + struct.pack("=I", 0)
        else:
            continue
        log(got=int(data), source=visitor[0], to=socket.inet_ntop(server.family, to))
        server.sendmsg([data], [(level, kind, own)], 0, visitor)


def stream(server: socket.socket) -> None:
    made, visitor = server.accept()
    with made:
        made.settimeout(1)
        data = made.recv(100)
        if data:
            log(got=int(data), source=visitor[0], to=made.getsockname()[0])
            made.sendall(data)


def ask(probes: str) -> None:
    waiting: dict[socket.socket, dict[str, Any]] = {}
    for probe in json.loads(probes):
        try:
            made = opened(probe)
        except OSError as error:
            log(number=probe["number"], error=str(error))
            continue
        waiting[made] = probe
    end, tries = time.monotonic() + WAIT, 0
    while waiting and time.monotonic() < end:
        if time.monotonic() > end - WAIT + tries * 0.6:
            tries += 1
            for made, probe in waiting.items():
                if probe["protocol"] == "udp":
                    quietly(made.send, str(probe["number"]).encode())
        streams = [made for made, probe in waiting.items() if probe["protocol"] == "tcp" and not probe.get("sent")]
        readable, writable, _ = select.select([*waiting], streams, [], 0.1)
        for made in writable:
            waiting[made]["sent"] = True
            quietly(made.send, str(waiting[made]["number"]).encode())
        for made in readable:
            if quietly(made.recv, 100):
                log(answered=waiting[made]["number"])
                del waiting[made]


def quietly(call: Callable[..., Any], *words: Any) -> Any:
    try:
        return call(*words)
    except OSError:
        return None


def opened(probe: dict[str, Any]) -> socket.socket:
    os.setegid(probe["gid"])
    os.seteuid(probe["uid"])
    try:
        family = socket.AF_INET6 if ":" in probe["to"] else socket.AF_INET
        made = socket.socket(family, socket.SOCK_DGRAM if probe["protocol"] == "udp" else socket.SOCK_STREAM)
    finally:
        os.seteuid(0)
        os.setegid(0)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    if probe["any"]:
        six = family == socket.AF_INET6
        made.setsockopt(
            socket.IPPROTO_IPV6 if six else socket.IPPROTO_IP, IPV6_TRANSPARENT if six else IP_TRANSPARENT, 1
        )
    made.setblocking(False)
    made.bind((probe["source"], FIRST + probe["number"]))
    with contextlib.suppress(BlockingIOError):
        made.connect((probe["to"], probe["port"]))
    return made


VERBS: dict[str, Callable[..., None]] = {"watch": watch, "ask": ask}

if __name__ == "__main__":
    with os.fdopen(0) as said:
        verb, *words = json.load(said)
    VERBS[verb](*words)
