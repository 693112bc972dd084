"""The order of the rules that filter packets of a host."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum, auto
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace
from netaddr import IPAddress

from netc.language.names import InterfaceName
from netc.language.values import Ports
from netc.plan.facts import Ruleset
from netc.plan.ruleset import (
    Denial,
    DockerBridges,
    LeavesBy,
    NeverLeavesBy,
    Opening,
    Passage,
    RepliesOnly,
    Stranger,
    Transit,
)


class Always(Enum):
    """Rules that are the same on every host."""

    ESTABLISHED = auto()
    """Packets of an accepted connection, and its ICMP errors (RFC 4890: PMTUD needs them)."""
    LOOPBACK = auto()
    NEIGHBOURS = auto()
    """Neighbour discovery and MLD, which conntrack does not track (RFC 4861, RFC 3810)."""
    INVALID = auto()
    """Packets that conntrack cannot assign; dropped."""
    ICMP = auto()
    """Errors and echo requests (RFC 4890 section 4.4.1)."""
    DHCP = auto()
    """Replies to the image's DHCP client. It broadcasts requests, so conntrack does not see them as replies."""


class Led(Struct, frozen=True):
    """Connections that the host's own DNAT has sent to one of these targets, by the interface if the DNAT has one. The
    rules match the target, so ports that Docker publishes stay closed."""

    targets: tuple[tuple[InterfaceName | None, IPAddress], ...]


class Closed(Struct, frozen=True):
    """A port of the host for a stranger, who reaches it only by `openings`. Other rules decide about all else of it."""

    stranger: Stranger
    port: Ports

    @property
    def openings(self) -> Iterator[Opening]:
        for one in self.stranger.openings:
            if any(_holds(ports, self.port) for ports in one.ports):
                yield replace(one, ports=(self.port,)).by(self.stranger.device)


class NoRouters(Struct, frozen=True):
    """Router discovery (RFC 4861), dropped: nobody who is at the other end of such an interface routes for the host."""

    strangers: tuple[Stranger, ...]


class NoStrangers(Struct, frozen=True):
    """What comes from strangers and no rule before this one accepts is dropped: not Docker decides who they reach."""

    strangers: tuple[Stranger, ...]


InputRule = RepliesOnly | Always | Denial | Opening | Stranger | Closed | NoRouters
ForwardRule = RepliesOnly | Always | Denial | Led | Passage | Transit | Stranger | NoStrangers | DockerBridges


def input_rules(ruleset: Ruleset) -> Iterator[InputRule]:
    """The host's input chain. The first rule that matches decides, else the policy of the filter. No rule of the author
    comes before ssh, which strangers reach only where it is opened to them."""
    wall = ruleset.filter
    yield from ruleset.replies_only
    if wall is None:
        yield from ruleset.strangers
        return
    yield from (Always.ESTABLISHED, Always.LOOPBACK)
    if ruleset.strangers:
        yield NoRouters(ruleset.strangers)
    yield Always.NEIGHBOURS
    ssh = Ports(wall.ssh, wall.ssh, "tcp")
    yield from (Closed(stranger, ssh) for stranger in ruleset.strangers)
    yield Opening((*wall.origin[:2], "ssh"), ports=(ssh,))
    if wall.input == "drop":
        yield Always.INVALID
    if wall.input == "drop" or ruleset.denials:
        yield Always.DHCP  # a lease that ends locks everybody out, and the address of its server may be denied
    yield from ruleset.denials
    if wall.input == "drop":
        yield Always.ICMP
        yield from ruleset.openings
    else:
        yield from ruleset.strangers


def _holds(ports: Ports, one: Ports) -> bool:
    return ports.protocol == one.protocol and ports.first <= one.first and one.last <= ports.last


def forward_rules(ruleset: Ruleset) -> Iterator[ForwardRule]:
    """The host's forward chain. As in the input chain, the first rule that matches decides."""
    wall = ruleset.filter
    yield from ruleset.replies_only
    if wall is None:
        yield from ruleset.strangers
        return
    yield Always.ESTABLISHED
    if ruleset.transits:
        yield from ruleset.denials
    if wall.forward == "drop":
        yield from ruleset.transits
        yield Always.INVALID
    if not ruleset.transits:
        yield from ruleset.denials
    if wall.forward == "drop":
        if targets := led(ruleset):
            yield Led(targets)
        yield from ruleset.passages
        if ruleset.docker and ruleset.strangers:
            yield NoStrangers(ruleset.strangers)
        yield from ruleset.docker
    else:
        yield from ruleset.strangers


def led(ruleset: Ruleset) -> tuple[tuple[InterfaceName | None, IPAddress], ...]:
    """The targets of the host's own DNATs, each with the interface if the DNAT has one."""
    return tuple(dict.fromkeys(_targets(ruleset)))


def _targets(ruleset: Ruleset) -> Iterator[tuple[InterfaceName | None, IPAddress]]:
    for nat in ruleset.nats:
        yield None, nat.to
    for forward in ruleset.forwards:
        yield forward.device, forward.to


Lead = TypeVar("Lead", LeavesBy, NeverLeavesBy)


def leads(ruleset: Ruleset) -> Iterator[tuple[LeavesBy | NeverLeavesBy, tuple[InterfaceName, ...]]]:
    yield from _leads(ruleset.leaves_by)
    yield from _leads(ruleset.never_by)


def _leads(facts: Iterable[Lead]) -> Iterator[tuple[Lead, tuple[InterfaceName, ...]]]:
    """Each target of a DNAT once, with all interfaces that lead to it: several tunnels may have one address. Or with
    all that do not."""
    found: dict[IPAddress, dict[InterfaceName, Lead]] = {}
    for fact in facts:
        found.setdefault(fact.to, {}).setdefault(fact.device, fact)
    for by_device in found.values():
        yield next(iter(by_device.values())), tuple(by_device)
