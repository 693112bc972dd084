"""What a tunnel leaves of its underlay's MTU.

Overheads in bytes, without the outer IP header: WireGuard 40 (UDP 8, its header 16, tag 16; wireguard.com/papers),
GRE 4 and its key 4 more (RFC 2784, 2890), VXLAN 30 with the inner Ethernet header (RFC 7348), IPIP and 6in4 nothing
(RFC 2003, 4213). Outer headers: IPv4 20 (RFC 791), IPv6 40 (RFC 8200).
"""

from __future__ import annotations

from netc.language.links import Kind
from netc.language.values import Family
from netc.network.interface import Mtu

OUTER = {4: 20, 6: 40}
WRAP = {
    Kind.WIREGUARD: 40,
    Kind.GRE: 4,
    Kind.IP6GRE: 4,
    Kind.IPIP: 0,
    Kind.SIT: 0,
    Kind.SIX_TO_FOUR: 0,
    Kind.VXLAN: 30,
}
GRE_KEY = 4


def overhead(kind: Kind, outer: Family | None, *, keyed: bool) -> int:
    """Bytes that `kind` adds; an unknown outer family counts as the larger one."""
    return OUTER[outer or 6] + WRAP[kind] + (GRE_KEY if keyed else 0)


def mtu(given: int | None, under: int, under_name: str, added: int) -> Mtu:
    return Mtu(given or under - added, under, added, under_name, given is not None)
