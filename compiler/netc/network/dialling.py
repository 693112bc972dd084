"""Which host dials which, at which endpoint, and over which family."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct
from netaddr import IPAddress, IPNetwork

from netc.language.links import End, OuterFamily
from netc.language.topology import Host
from netc.language.values import Endpoint, Family

PRIVATE = tuple(
    # The internet cannot dial these: RFC 1918, 6598, 3927, 1122, 4193, 4291.
    map(
        IPNetwork,
        [
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "100.64.0.0/10",
            "169.254.0.0/16",
            "127.0.0.0/8",
            "fc00::/7",
            "fe80::/10",
            "::1/128",
        ],
    )
)
FAMILY: dict[OuterFamily | None, Family | None] = {"ipv4": 4, "ipv6": 6, None: None}


_SPANS = {version: [(net.first, net.last) for net in PRIVATE if net.version == version] for version in (4, 6)}


def public(address: IPAddress) -> bool:
    value = int(address)
    return not any(first <= value <= last for first, last in _SPANS[address.version])


def candidates(host: Host, end: End | None = None) -> tuple[Endpoint, ...]:
    """What others may dial to reach `host`, best first; empty behind NAT."""
    given = end.endpoint if end and end.endpoint is not None else host.endpoint
    if given is False:
        return ()
    if given is not None:
        return (given,)
    return tuple(Endpoint(net.ip) for net in host.addresses if public(net.ip))


def families(host: Host) -> frozenset[Family]:
    """The outer families that a host can speak; both when it declares no address."""
    found: set[Family] = {4 if net.version == 4 else 6 for net in host.addresses}
    return frozenset(found or {4, 6})


def dial(near: Host, far: tuple[Endpoint, ...], family: Family | None) -> Endpoint | None:
    """The first of `far` that `near` can dial, in `family` if one is given."""
    wanted = {family} if family else families(near)
    return next((endpoint for endpoint in far if endpoint.family is None or endpoint.family in wanted), None)


class Outer(Struct, frozen=True):
    """The outer addresses of one end of a tunnel without ports."""

    local: IPAddress | None
    remote: IPAddress | None


def outer(near: Host, near_end: End, far: Host, peer_end: End, family: Family) -> Outer:
    """`local` is what the uplink holds, `remote` what the other side is known as (behind NAT these differ)."""
    return Outer(
        near_end.local or next(_held(near, near_end, family), None),
        next(_known(far, peer_end, family), None),
    )


def _known(host: Host, end: End, family: Family) -> Iterator[IPAddress]:
    """A DNS name is no address that a tunnel without ports could end at, so the host's own are next."""
    offers = candidates(host, end)
    addresses = [endpoint.host for endpoint in offers if isinstance(endpoint.host, IPAddress)]
    if offers and not addresses:
        addresses = [net.ip for net in host.addresses if public(net.ip)]
    yield from (ip for ip in addresses if ip.version == family)


def _held(host: Host, end: End, family: Family) -> Iterator[IPAddress]:
    """An endpoint that the uplink itself holds, else any of its addresses of the family."""
    own = [net.ip for net in host.addresses if net.version == family]
    yield from (ip for ip in _known(host, end, family) if ip in own or not own)
    yield from own
