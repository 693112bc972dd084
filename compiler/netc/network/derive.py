"""Names and numbers that an author leaves out. They hang on names and declared ids, never on a position."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from netaddr import IPAddress, IPNetwork

from netc.language.key_files import key_file
from netc.language.names import CredentialName, HostPath
from netc.language.tables import Secret
from netc.language.values import Family
from netc.network.dialling import public
from netc.network.ranges import BITS

PORT_BASE = 51820
"""A link's UDP port on a host is this plus the id of the host at the other end."""

KEEPALIVE_SECONDS = 25
"""Shorter than what NATs remember a UDP flow for (30 s and up)."""


MAIN = 254
"""rt_tables of iproute2."""

EVERYTHING = (IPNetwork("0.0.0.0/0"), IPNetwork("::/0"))


def link_local(host_id: int) -> IPNetwork:
    """`fe80::id/64`: the same on every interface of a host, so its id identifies the host to its peers."""
    return IPNetwork(f"fe80::{host_id:x}/64")


def vni(one_id: int, other_id: int) -> int:
    """The same from both ends; ids have 12 bits and a VNI 24."""
    return min(one_id, other_id) << 12 | max(one_id, other_id)


def fits(subnet: IPNetwork, host_id: int) -> bool:
    """Whether subnet + id is an address that a host can hold: in IPv4 the last one is for broadcast (RFC 919)."""
    return host_id < subnet.size - (1 if subnet.version == 4 else 0)


def in_subnet(subnet: IPNetwork, host_id: int) -> IPNetwork:
    """The host's address in a shared subnet that it fits in, with the subnet's length."""
    return IPNetwork(f"{IPAddress(int(subnet.network) + host_id, subnet.version)}/{subnet.prefixlen}")


def alone(address: IPNetwork) -> IPNetwork:
    """An interface's address as a prefix of its own: /32 or /128."""
    return IPNetwork(address.ip)


def is_alone(address: IPNetwork) -> bool:
    """Whether its subnet has no other. An fe80 address has neighbours all the same."""
    return bool(address.size == 1 and not (address.version == 6 and address.ip.is_link_local()))


def secret(given: Secret | None) -> HostPath | CredentialName | None:
    """Where the host finds a secret; None where the author names none."""
    return (given.credential or given.file) if given else None


def private_key(given: Secret | None, name: str) -> HostPath | CredentialName:
    """Where the host finds a private key; `name` is what its file is called where the author names none."""
    return secret(given) or key_file(f"{name}.key")


DEFAULT_LENGTH: dict[Family, int] = {4: 3, 6: 4}
"""Prefixes of this length and shorter count as default routes. Programs divide a default route into up to sixteen parts
to leave the host's own in place, and 2000::/3 is all of the IPv6 internet."""


def default_routes(routes: Iterable[IPNetwork], family: Family) -> frozenset[IPNetwork]:
    """Those that lead, in sum, to as much as a default route, whatever parts it is divided into. A route inside a part
    counts with the others inside parts. Private prefixes are no part (find_parts() of templates/bash/foreign.bash)."""
    found: set[IPNetwork] = set()
    own = {net for net in routes if net.version == family and public(net.ip)}
    left = sorted(own, key=lambda net: (net.first, -net.size))
    while left:
        widest: list[IPNetwork] = []
        for net in left:
            if not widest or net.first > widest[-1].last:
                widest.append(net)
        if sum(net.size for net in widest) < 2 ** (BITS[family] - DEFAULT_LENGTH[family]):
            break
        found.update(widest)
        left = [net for net in left if net not in found]
    return frozenset(found)


def apart(routes: Sequence[IPNetwork]) -> tuple[IPNetwork, ...]:
    """All others."""
    everywhere = {net for family in DEFAULT_LENGTH for net in default_routes(routes, family)}
    return tuple(net for net in routes if net not in everywhere)


def to_everywhere(routes: Sequence[IPNetwork]) -> tuple[IPNetwork, ...]:
    """Those of the first family that has default routes."""
    for family in DEFAULT_LENGTH:
        if found := default_routes(routes, family):
            return tuple(net for net in routes if net in found)
    return ()
