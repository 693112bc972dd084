"""Hosts as senders of outer packets. Each is computed once, because a mesh of 1,000 hosts with firewalls needs them a
million times."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from msgspec import Struct
from netaddr import IPNetwork

from netc.language.links import End
from netc.language.topology import Host, Topology
from netc.language.tunnels import Tunnel
from netc.language.values import Endpoint
from netc.network.derive import alone
from netc.network.dialling import candidates
from netc.network.spans import Spans

Led = Mapping[int, Spans[None]]
"""Prefixes, by their version. All links of a host share one."""


class Sender(Struct, frozen=True):
    """`dialled` is what others may dial, and `holds` says whether the host's uplink has all of it."""

    addresses: dict[int, IPNetwork]
    """Each alone, by its place among those of all hosts."""
    dialled: tuple[Endpoint, ...]
    holds: bool
    stays: bool
    """It can be dialled where it is, and sends from there and from nowhere else, but for its `routes`."""
    routes: Led
    """All that its main table leads into tunnels."""


class Crowd(Struct, frozen=True):
    """Members of a mesh, or both ends of a link: the addresses and routes of those that stay, and the others'
    names."""

    addresses: dict[int, IPNetwork]
    routes: tuple[tuple[str, Led], ...]
    restless: frozenset[str]


class Senders:
    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self._known: dict[tuple[str, str | None], Sender | None] = {}
        self._routes: dict[str, Led] = {}
        self._crowds: dict[tuple[frozenset[str], str | None], Crowd] = {}

    def crowd(self, hosts: frozenset[str], link: str | None) -> Crowd:
        if (hosts, link) not in self._crowds:
            staying = {host: one for host in hosts if (one := self.of(host, link)) and one.stays}
            places = {place: net for one in staying.values() for place, net in one.addresses.items()}
            self._crowds[hosts, link] = Crowd(
                {place: places[place] for place in sorted(places)},
                tuple((host, one.routes) for host, one in staying.items() if one.routes),
                hosts - staying.keys(),
            )
        return self._crowds[hosts, link]

    def of(self, host: str, link: str | None) -> Sender | None:
        """A host at its end of a link, or of anything else; None for what is no host."""
        key = host, link
        if key not in self._known:
            table, end = self._hosts.get(host), self._ends.get(host, {}).get(link or "")
            self._known[key] = self._sender(host, table, end) if table else None
        return self._known[key]

    def _sender(self, name: str, host: Host, end: End | None) -> Sender:
        dialled = candidates(host, end)
        holds = all(any(net.ip == endpoint.host for net in host.addresses) for endpoint in dialled)
        return Sender(
            addresses={self._places[_place(net)]: net for net in map(alone, host.addresses)},
            dialled=dialled,
            holds=holds,
            stays=bool(dialled) and holds and not host.uplinks,
            routes=self._led(name, host),
        )

    def _led(self, name: str, host: Host) -> Led:
        if name not in self._routes:
            tables: tuple[End | Tunnel, ...] = (*self._ends.get(name, {}).values(), *host.tunnels.values())
            found: dict[int, list[tuple[int, int, None]]] = {}
            for net in (net for table in tables if table.table is None for net in table.routes):
                found.setdefault(net.version, []).append((net.first, net.last, None))
            self._routes[name] = {version: Spans(spans) for version, spans in found.items()}
        return self._routes[name]

    @cached_property
    def _hosts(self) -> dict[str, Host]:
        return {str(name): host for name, host in self.topology.hosts.items()}

    @cached_property
    def _ends(self) -> dict[str, dict[str, End]]:
        """By host and link."""
        found: dict[str, dict[str, End]] = {}
        for name, link in self.topology.links.items():
            for host, end in link.ends.items():
                found.setdefault(host, {})[name] = end
        return found

    @cached_property
    def _places(self) -> dict[tuple[int, int], int]:
        every = {_place(alone(net)) for host in self.topology.hosts.values() for net in host.addresses}
        return {place: number for number, place in enumerate(sorted(every))}


def _place(net: IPNetwork) -> tuple[int, int]:
    return net.version, net.first
