"""The far end of a test's packets: a script of its own, run on a host of the lab with nothing but the standard library.

echo PORT ADDRESS…                  TCP and UDP: answers each visitor with the visitor's address
dns ANSWER PORT ADDRESS…            UDP and TCP: answers every A query with ANSWER, everything else with nothing
reflect PORT ADDRESS…               UDP: gives back what comes
ask PROTO ADDRESS PORT SECONDS [SOURCE]    prints what an echo answers; UDP asks once a second
probe ADDRESS PORT [SOURCE]         sends 1,000 numbered packets a second to a reflector until SIGTERM, then prints as
                                    JSON how many it sent in how many seconds, and which did not come back
"""

import json
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from select import select

SO_RCVBUFFORCE = 33
"""socket(7); Python has no name for it."""
RATE, BURST, AWAY = 1000, 100, 2000
"""A second. A machine that was away for a while makes up for it, without a flood; but for no more than two seconds."""
FIRST = 0xFFFFFFFF
"""The number of packets that do not count."""

Datagram = Callable[[bytes, str], bytes]
Stream = Callable[[socket.socket, str], bytes]


def family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def plain(address: str) -> str:
    return address.partition("%")[0]


def bound(kind: socket.SocketKind, address: str, port: int) -> socket.socket:
    made = socket.socket(family(address), kind)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if made.family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    made.bind((address, port))
    return made


def serve(datagram: Datagram, stream: Stream, port: int, addresses: list[str]) -> None:
    waiting = selectors.DefaultSelector()
    for address in addresses:
        tcp = bound(socket.SOCK_STREAM, address, port)
        tcp.listen(64)
        waiting.register(tcp, selectors.EVENT_READ)
        waiting.register(bound(socket.SOCK_DGRAM, address, port), selectors.EVENT_READ)
    print("ready", flush=True)
    while True:
        for key, _ in waiting.select():
            server = key.fileobj
            assert isinstance(server, socket.socket)
            try:
                answer(server, datagram, stream)
            except (OSError, IndexError) as error:  # one visitor's trouble is not the next one's
                print(error, flush=True)


def answer(server: socket.socket, datagram: Datagram, stream: Stream) -> None:
    if server.type == socket.SOCK_DGRAM:
        asked, visitor = server.recvfrom(4096)
        server.sendto(datagram(asked, plain(visitor[0])), visitor)
        return
    connection, visitor = server.accept()
    with connection:
        connection.settimeout(2)
        connection.sendall(stream(connection, plain(visitor[0])))
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1)  # the visitor hangs up first, and the port is free again at once


def echo(port: str, *addresses: str) -> None:
    serve(lambda _, visitor: visitor.encode(), lambda _, visitor: visitor.encode(), int(port), list(addresses))


def roomy(kind: socket.SocketKind, address: str) -> socket.socket:
    """A machine that has other things to do for a while drops nothing that has already arrived."""
    made = socket.socket(family(address), kind)
    made.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
    if made.family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return made


def reflect(port: str, *addresses: str) -> None:
    waiting = selectors.DefaultSelector()
    for address in addresses:
        made = roomy(socket.SOCK_DGRAM, address)
        made.bind((address, int(port)))
        waiting.register(made, selectors.EVENT_READ)
    print("ready", flush=True)
    while True:
        for key, _ in waiting.select():
            assert isinstance(key.fileobj, socket.socket)
            said, visitor = key.fileobj.recvfrom(100)
            key.fileobj.sendto(said, visitor)


def probe(address: str, port: str, source: str = "") -> None:
    mine = roomy(socket.SOCK_DGRAM, address)
    if source:
        mine.bind((source, 0))
    mine.connect((address, int(port)))
    mine.setblocking(False)
    returned: set[int] = set()
    going = True

    def stop(*_: object) -> None:
        nonlocal going
        going = False

    def hear(seconds: float) -> None:
        end = time.monotonic() + seconds
        while True:
            try:
                returned.add(int.from_bytes(mine.recv(100), "big"))
            except BlockingIOError:
                left = end - time.monotonic()
                if left <= 0:
                    return
                select([mine], [], [], left)
            except OSError:  # somebody on the way says that it does not go on: it is missed soon enough
                pass

    def send(number: int) -> None:
        with suppress(OSError):
            mine.send(number.to_bytes(4, "big"))

    while not returned:  # what comes first waits for neighbours and handshakes
        send(FIRST)
        hear(0.05)
    hear(0.5)
    signal.signal(signal.SIGTERM, stop)
    print("ready", flush=True)
    sent, began = 0, time.monotonic()
    beginning = began
    while going:
        due = int((time.monotonic() - began) * RATE)
        if due - sent > AWAY:
            began += (due - sent - AWAY) / RATE
        late = due - sent > BURST
        for number in range(sent, min(due, sent + BURST)):
            send(number)
        sent = max(sent, min(due, sent + BURST))
        hear(0.02 if late else max(0.0, began + (sent + 1) / RATE - time.monotonic()))
    seconds = time.monotonic() - beginning
    hear(1)
    print(json.dumps({"sent": sent, "seconds": seconds, "lost": sorted(set(range(sent)) - returned)}))


def dns(fixed: str, port: str, *addresses: str) -> None:
    def framed(connection: socket.socket, _: str) -> bytes:
        """Over TCP a message begins with its length."""
        with connection.makefile("rb") as asked:
            said = reply(asked.read(int.from_bytes(asked.read(2), "big")), fixed)
        return len(said).to_bytes(2, "big") + said

    serve(lambda asked, _: reply(asked, fixed), framed, int(port), list(addresses))


def reply(asked: bytes, fixed: str) -> bytes:
    end = 12
    while asked[end]:
        end += asked[end] + 1
    question = asked[12 : end + 5]
    is_a = question[-4:] == b"\0\1\0\1"
    answers = b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4" + socket.inet_aton(fixed) if is_a else b""
    counts = b"\0\1" + len(answers[:1]).to_bytes(2, "big") + b"\0\0\0\0"
    return asked[:2] + b"\x85\x80" + counts + question + answers


def ask(proto: str, address: str, port: str, seconds: str, source: str = "") -> None:
    kind = socket.SOCK_STREAM if proto == "tcp" else socket.SOCK_DGRAM
    with socket.socket(family(address), kind) as mine:
        mine.settimeout(float(seconds))
        if source:
            mine.bind((source, 0))
        mine.connect((address, int(port)))
        end = time.monotonic() + float(seconds)
        while kind == socket.SOCK_DGRAM:
            mine.send(b"?")
            if select([mine], [], [], max(0.0, min(1.0, end - time.monotonic())))[0]:
                break
            if time.monotonic() > end:
                raise TimeoutError("timed out")
        print(mine.recv(1000).decode())


VERBS: dict[str, Callable[..., None]] = {"echo": echo, "dns": dns, "reflect": reflect, "ask": ask, "probe": probe}

if __name__ == "__main__":
    verb, *arguments = sys.argv[1:]
    try:
        VERBS[verb](*arguments)
    except OSError as error:
        sys.exit(f"{verb}: {error}")
