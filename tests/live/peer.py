"""The far end of a test's packets: a script of its own, run on a host of the lab with nothing but the standard library.

echo PORT ADDRESS…                  TCP and UDP: answers each visitor with the visitor's address
dns ANSWER PORT ADDRESS…            UDP and TCP: answers every A query with ANSWER, everything else with nothing
ask PROTO ADDRESS PORT SECONDS [SOURCE]    prints what an echo answers
"""

import selectors
import socket
import sys
from collections.abc import Callable

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
        if kind == socket.SOCK_DGRAM:
            mine.send(b"?")
        print(mine.recv(1000).decode())


VERBS: dict[str, Callable[..., None]] = {"echo": echo, "dns": dns, "ask": ask}

if __name__ == "__main__":
    verb, *arguments = sys.argv[1:]
    try:
        VERBS[verb](*arguments)
    except OSError as error:
        sys.exit(f"{verb}: {error}")
