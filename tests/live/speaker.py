"""A neighbour that speaks BGP by hand, run on a host of the lab with the standard library alone. It announces what
no daemon does.

speaker LOCAL REMOTE ASN PREFIX=PATH…    a path is ASNs, of which a set is in braces: `4242420001 {1,2}`
"""

import socket
import struct
import sys

OPEN, UPDATE, KEEPALIVE = 1, 2, 4
SET, SEQUENCE = 1, 2
AS_TRANS = 23456


def message(kind: int, body: bytes = b"") -> bytes:
    return b"\xff" * 16 + struct.pack("!HB", 19 + len(body), kind) + body


def opened(asn: int, router: str) -> bytes:
    """IPv4 unicast, and ASNs of four bytes."""
    offers = struct.pack("!BBHBB", 1, 4, 1, 0, 1) + struct.pack("!BBI", 65, 4, asn)
    options = struct.pack("!BB", 2, len(offers)) + offers
    return message(OPEN, struct.pack("!BHH4sB", 4, AS_TRANS, 240, socket.inet_aton(router), len(options)) + options)


def segments(path: str) -> bytes:
    said = b""
    for word in path.split():
        asns = [int(asn) for asn in word.strip("{}").split(",")]
        kind = SET if word.startswith("{") else SEQUENCE
        said += struct.pack(f"!BB{len(asns)}I", kind, len(asns), *asns)
    return said


def update(prefix: str, path: str, hop: str) -> bytes:
    net, _, length = prefix.partition("/")
    said = segments(path)
    attributes = struct.pack("!BBBB", 0x40, 1, 1, 0)
    attributes += struct.pack("!BBB", 0x40, 2, len(said)) + said
    attributes += struct.pack("!BBB4s", 0x40, 3, 4, socket.inet_aton(hop))
    announced = bytes([int(length)]) + socket.inet_aton(net)[: (int(length) + 7) // 8]
    return message(UPDATE, struct.pack("!HH", 0, len(attributes)) + attributes + announced)


def main(local: str, remote: str, asn: str, *routes: str) -> None:
    with socket.create_connection((remote, 179), source_address=(local, 0)) as session:
        session.sendall(opened(int(asn), local) + message(KEEPALIVE))
        for route in routes:
            session.sendall(update(*route.split("="), local))
        while session.recv(4096):
            session.sendall(message(KEEPALIVE))


if __name__ == "__main__":
    main(*sys.argv[1:])
