"""Sends a router advertisement (RFC 4861) by an interface: `python3 advertise.py INTERFACE PREFIX/64`."""

import socket
import struct
import sys

interface, prefix = sys.argv[1:]
raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
lifetime, on_link_and_autonomous = 1800, 0xC0
router = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, lifetime, 0, 0)
net = socket.inet_pton(socket.AF_INET6, prefix.split("/")[0])
option = struct.pack("!BBBBIII", 3, 4, 64, on_link_and_autonomous, 3600, 3600, 0) + net
raw.sendto(router + option, ("ff02::1", 0, 0, socket.if_nametoindex(interface)))
