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
    openings: tuple[Opening, ...]


class NoRouters(Struct, frozen=True):
    """Router discovery (RFC 4861), dropped: nobody who is at the other end of such an interface routes for the host."""

    strangers: tuple[Stranger, ...]


class NoStrangers(Struct, frozen=True):
    """What comes from strangers and no rule before this one accepts is dropped. To the host: the rules after it match
    sources, and a stranger sends from any. Through it: not Docker decides who strangers reach."""

    strangers: tuple[Stranger, ...]


NO_STRANGERS = {
    "input": "The rules below match sources. The other end of a tunnel to strangers may send from any.",
    "forward": "Nobody behind a tunnel to strangers reaches what Docker publishes.",
}
"""Why, by hook."""

InputRule = RepliesOnly | Always | Denial | Opening | Stranger | Closed | NoRouters | NoStrangers
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
    yield from (_closed(stranger, ssh, ruleset.openings) for stranger in ruleset.strangers)
    yield Opening((*wall.origin[:2], "ssh"), ports=(ssh,))
    if wall.input == "drop":
        yield Always.INVALID
    if wall.input == "drop" or ruleset.denials:
        yield Always.DHCP  # a lease that ends locks everybody out, and the address of its server may be denied
    yield from ruleset.denials
    if wall.input == "drop":
        yield Always.ICMP
        yield from _openings(ruleset)
    else:
        yield from ruleset.strangers


def _closed(stranger: Stranger, port: Ports, openings: Iterable[Opening]) -> Closed:
    """Opened by what the tunnel or the firewall opens there, and the firewall names the interface."""
    named = (one for one in openings if stranger.device in one.devices)
    own = (one.by(stranger.device) for one in (*stranger.openings, *named) if _holds(one, port))
    return Closed(stranger, port, tuple(dict.fromkeys(replace(one, ports=(port,)) for one in own)))


def _holds(opening: Opening, port: Ports) -> bool:
    if not opening.ports:
        return opening.protocol is None
    return any(
        ports.protocol == port.protocol and ports.first <= port.first and port.last <= ports.last
        for ports in opening.ports
    )


def _openings(ruleset: Ruleset) -> Iterator[InputRule]:
    """By a tunnel to strangers, a source says nothing: openings for some sources alone are not for who comes by one."""
    limited = tuple(one for one in ruleset.openings if is_limited(one))
    if not (limited and ruleset.strangers):
        yield from ruleset.openings
        return
    yield from (one for one in ruleset.openings if not is_limited(one))
    yield NoStrangers(ruleset.strangers)
    yield from limited


def is_limited(opening: Opening) -> bool:
    """Whether it is for some sources, at no interface in particular."""
    return opening.sources is not None and not opening.devices


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
