"""A packet at a hook of a stack, and what rules ask of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace
from netaddr import IPAddress, IPNetwork

from netc.diagnostic import KeyPath
from netc.language.values import Ports
from netc.plan.ruleset import PortForward, Sources
from netc.walk.free import among, between, equals
from netc.walk.packet import NAMES, REST, TCP, UDP, Connection, Owner, Packet
from netc.walk.stack import Stack, holder, is_loopback

State = Literal["new", "established", "related"]


class Verdict(Struct, frozen=True):
    """How a packet ends at a hook: not at all, or with the key that decided."""

    ends: Literal["accepted", "dropped", "rejected"]
    origin: KeyPath = ()
    why: str = ""


ACCEPT = Verdict("accepted")


class Translation(Struct, frozen=True):
    """A new address, and a port unless it stays. `to` None: one of the interface's own (masquerade)."""

    origin: KeyPath
    to: IPAddress | None
    port: int | None = None


@dataclass
class Met:
    """A packet at a hook. `owner` None: no process of this stack sends it."""

    stack: Stack
    packet: Packet
    connection: Connection
    is_reply: bool
    state: State
    arriving: str | None = None
    leaving: str | None = None
    owner: Owner | None = None

    @property
    def is_new(self) -> bool:
        return self.state == "new"


def mark(met: Met, value: int) -> None:
    met.packet = replace(met.packet, mark=met.packet.mark & REST | value)


def mark_connection(met: Met, value: int) -> None:
    met.connection.mark = met.connection.mark & REST | value


def unmark(met: Met, leaving: str) -> None:
    if met.leaving == leaving:
        mark(met, 0)


def is_forwarded(met: Met, forward: PortForward) -> bool:
    there = met.arriving == forward.device and is_ip(met.packet.to, met.packet, forward.on)
    return there and in_ports(met.packet, (forward.ports,))


def in_ports(packet: Packet, ports: tuple[Ports, ...]) -> bool:
    name = NAMES.get(packet.protocol)
    return any(one.protocol == name and between(packet.dport, one.first, one.last) for one in ports)


def in_sources(met: Met, number: int, sources: Sources) -> bool:
    return among(number, met.stack.members(sources).of(met.packet.family))


def is_ip(number: int, packet: Packet, ip: IPAddress) -> bool:
    return packet.family == ip.version and equals(number, int(ip))


def within(number: int, family: int, net: IPNetwork) -> bool:
    return family == net.version and between(number, net.first, net.last)


def in_any(number: int, family: int, nets: tuple[IPNetwork, ...]) -> bool:
    return any(within(number, family, net) for net in nets)


def is_query(packet: Packet, *ports: int) -> bool:
    return packet.protocol in (TCP, UDP) and any(equals(packet.dport, port) for port in ports or (53,))


def is_local(met: Met) -> bool:
    """Whether the stack itself has the destination."""
    packet = met.packet
    return holder(met.stack, packet.family, packet.to) is not None or is_loopback(packet.family, packet.to)
