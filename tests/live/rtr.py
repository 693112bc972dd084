"""A cache that speaks RTR (RFC 8210, version 1), for BIRD in the lab. Runs alone.

rtr.py PORT [--password=WORD@CLIENT] PREFIX,MAX,ASN…
"""

import ipaddress
import socket
import struct
import sys
import threading

PORT, LISTED = int(sys.argv[1]), [word for word in sys.argv[2:] if not word.startswith("--password=")]
SECRETS = [word.partition("=")[2] for word in sys.argv[2:] if word.startswith("--password=")]
TCP_MD5SIG = 14
"""tcp(7); Python has no name for it."""
SESSION, SERIAL = 7, 1


def pdu(kind: int, field: int, body: bytes = b"") -> bytes:
    return struct.pack("!BBHI", 1, kind, field, 8 + len(body)) + body


def answer() -> bytes:
    """All of it, whatever was asked: cache response, prefixes, end of data."""
    said = pdu(3, SESSION)
    for one in LISTED:
        prefix, longest, asn = one.split(",")
        net = ipaddress.ip_network(prefix)
        head = struct.pack("!BBBB", 1, net.prefixlen, int(longest), 0)
        said += pdu(4 if net.version == 4 else 6, 0, head + net.network_address.packed + struct.pack("!I", int(asn)))
    return said + pdu(7, SESSION, struct.pack("!IIII", SERIAL, 3600, 600, 7200))


def serve(client: socket.socket) -> None:
    if client.recv(64):
        client.sendall(answer())
    while client.recv(64):
        pass


server = socket.create_server(("::", PORT), family=socket.AF_INET6, dualstack_ipv6=True)
for secret in SECRETS:
    word, _, client = secret.partition("@")
    mapped = ipaddress.ip_address(f"::ffff:{client}").packed
    peer = struct.pack("=HHI16sI", socket.AF_INET6, 0, 0, mapped, 0).ljust(128, b"\0")
    server.setsockopt(socket.IPPROTO_TCP, TCP_MD5SIG, peer + struct.pack("=BBHI80s", 0, 0, len(word), 0, word.encode()))
print("listens", flush=True)
while True:
    threading.Thread(target=serve, args=server.accept()[:1], daemon=True).start()
