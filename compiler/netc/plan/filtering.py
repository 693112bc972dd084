"""The order of the rules that guard a host. What is printed and what the check against lockouts walks are both this."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto

from msgspec import Struct
from netaddr import IPAddress

from netc.language.names import InterfaceName
from netc.language.values import Ports
from netc.plan.facts import Ruleset
from netc.plan.ruleset import Denial, Opening, Passage, RepliesOnly, Stranger, Transit


class Always(Enum):
    """Rules that are the same on every host."""

    ESTABLISHED = auto()
    """What belongs to a connection that was let in, ICMP errors of it among them (RFC 4890: PMTUD lives on them)."""
    LOOPBACK = auto()
    NEIGHBOURS = auto()
    """Neighbour discovery and MLD, which conntrack does not track (RFC 4861, RFC 3810)."""
    INVALID = auto()
    """What conntrack cannot place; dropped."""
    ICMP = auto()
    """Errors and echo requests (RFC 4890 section 4.4.1)."""
    DHCP = auto()
    """Replies to the image's client: its requests go to everyone, so they are no replies to conntrack."""


class Led(Struct, frozen=True):
    """What the host's own DNATs have led to one of these places, by the interface where they ask for one. They are
    told by where they lead: an address that is the host's own to give away is nobody else's to forward to, so what
    Docker publishes stays shut."""

    targets: tuple[tuple[InterfaceName | None, IPAddress], ...]


InputRule = RepliesOnly | Always | Denial | Opening | Stranger
ForwardRule = RepliesOnly | Always | Denial | Led | Passage | Transit | Stranger


def input_rules(ruleset: Ruleset) -> Iterator[InputRule]:
    """The host's input chain: the first that matches decides, and at its end the policy of the filter. Nothing that
    an author can write stands before ssh."""
    wall = ruleset.filter
    yield from ruleset.replies_only
    if wall is None:
        yield from ruleset.strangers
        return
    yield from (Always.ESTABLISHED, Always.LOOPBACK, Always.NEIGHBOURS)
    yield Opening((*wall.origin[:2], "ssh"), ports=(Ports(wall.ssh, wall.ssh, "tcp"),))
    if wall.input == "drop":
        yield Always.INVALID
    if wall.input == "drop" or ruleset.denials:
        yield Always.DHCP  # a lease that ends locks everybody out, and its server's address may be a denied one
    yield from ruleset.denials
    if wall.input == "drop":
        yield Always.ICMP
        yield from ruleset.openings
    else:
        yield from ruleset.strangers


def forward_rules(ruleset: Ruleset) -> Iterator[ForwardRule]:
    """The host's forward chain, in the same way."""
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
    else:
        yield from ruleset.strangers


def led(ruleset: Ruleset) -> tuple[tuple[InterfaceName | None, IPAddress], ...]:
    """Where the host's own DNATs lead, by the interface where they ask for one."""
    return tuple(dict.fromkeys(_targets(ruleset)))


def _targets(ruleset: Ruleset) -> Iterator[tuple[InterfaceName | None, IPAddress]]:
    for nat in ruleset.nats:
        yield None, nat.to
    for forward in ruleset.forwards:
        yield forward.device, forward.to
