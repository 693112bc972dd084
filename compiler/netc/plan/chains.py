"""Where packets meet the rules of a packet filter: the base chains, in the order in which the kernel runs them.

Emitters print this list and no other order. No two base chains share hook and priority: nftables would run the one that
was registered last first, iptables the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, IntEnum, auto
from typing import Literal

from msgspec import Struct
from netaddr import IPNetwork

from netc.language.names import InterfaceName
from netc.plan.facts import Ruleset
from netc.plan.filtering import ForwardRule, InputRule, forward_rules, input_rules, leads
from netc.plan.ruleset import (
    ClampMss,
    DestinationNat,
    Hairpin,
    LeavesBy,
    Masquerade,
    NeverLeavesBy,
    PortForward,
    Queries,
    RepliesOnly,
    ReturnMark,
    SourceNat,
    SplitTunnel,
)

Hook = Literal["prerouting", "input", "forward", "output", "postrouting"]


class Priority(IntEnum):
    """Of base chains at one hook; the lowest comes first. The names of nft(8) are those of the kernel's own numbers."""

    MANGLE = -150
    DSTNAT = -100
    FILTER = 0
    REFUSAL = 10
    """After the filter: iptables rejects in its table `filter` alone, and netc's filter is in its table `mangle`."""
    OFFLOAD = 20
    """Of the flowtable, a table of its own: what no filter dropped."""
    SRCNAT = 100


class Passed(Enum):
    """Packets that no split chooses."""

    MARKED = auto()
    """Those that WireGuard devices of netc send themselves."""
    REPLIES = auto()
    """Replies to connections that the host passes on."""
    OWNERLESS = auto()
    """TCP that is of no program any more, or not yet, so that no owner says who sent it: what a closed connection
    repeats after its flow was forgotten, and further paths of MPTCP. It is dropped."""


class Answers(Struct, frozen=True):
    """Replies to incoming connections, which no split chooses. A packet with a forged source makes a reply of whatever
    a program sends to that address. So these are replies alone: all, if the filter has `judged` the first packet, else
    TCP that opens no connection, and what leaves by one of `near`."""

    judged: bool
    near: tuple[InterfaceName, ...]


class Stage(Enum):
    """What becomes of packets at one place because of a split."""

    ARRIVING = auto()
    """By the tunnel: nothing from or to 127.0.0.0/8 where DNAT leads queries for 127.0.0.53 into it; small segments."""
    CLAIMED = auto()
    """New connections by the tunnel that no ReturnMark claims get the split's mark, so replies leave by it."""
    FORGED = auto()
    """Programs that are chosen may not set netc's bits of a mark themselves. nftables alone can tell."""
    OUTER = auto()
    """The tunnel's own outer packets are not chosen."""
    ERRORS = auto()
    """ICMP errors to the program or client that opened a connection are not marked."""
    RESUMED = auto()
    """Packets of a connection with the split's mark get the mark too."""
    CHOSEN = auto()
    """New packets of who is chosen get the mark, except those that are `direct`."""
    ASKED = auto()
    """DNS queries with the mark go to the split's resolver."""
    REFUSED = auto()
    """What the tunnel cannot carry is rejected at once."""
    HELD = auto()
    """Packets with the mark leave by the tunnel or are dropped."""
    LEAVING = auto()
    """By the tunnel: small segments, and no mark on the outer packet."""
    SOURCE = auto()
    """Connections with the mark get the tunnel's own address as their source."""


class SplitRule(Struct, frozen=True):
    stage: Stage
    split: SplitTunnel


class Visited(Struct, frozen=True):
    """Visitors of these forwards enter by the interface that a split chooses. The forward has them, not the split."""

    forwards: tuple[PortForward, ...]


class QueryRule(Struct, frozen=True):
    """DNS queries of programs in a namespace: ARRIVING, ASKED or REFUSED."""

    stage: Stage
    queries: Queries


class Forwarded(Struct, frozen=True):
    """The DNAT of all forwards. None of their conditions overlap."""

    forwards: tuple[PortForward, ...]


class Published(Struct, frozen=True):
    """The DNAT of all published ports."""

    nats: tuple[DestinationNat, ...]


class Moved(Struct, frozen=True):
    """Packets of connections that got the address of one uplink by SourceNat, and now leave by another of `devices`,
    whose provider would drop them (BCP 38), are rejected. So TCP ends at once, and clients connect again."""

    source: SourceNat
    devices: tuple[InterfaceName, ...]


class Leads(Struct, frozen=True):
    """Each target of a DNAT, and all interfaces that lead to it, or all that do not. What was sent there is dropped
    at any other interface, or at one of these."""

    targets: tuple[tuple[LeavesBy | NeverLeavesBy, tuple[InterfaceName, ...]], ...]


class Held(Struct, frozen=True):
    """Replies to what came in by the interface leave by it or are dropped."""

    mark: ReturnMark


class Scrub(Struct, frozen=True):
    """What leaves by the interface loses its mark, since the kernel copies it to outer packets."""

    mark: ReturnMark


Rule = (
    InputRule
    | ForwardRule
    | ClampMss
    | ReturnMark
    | Held
    | Scrub
    | Passed
    | Answers
    | SplitRule
    | Visited
    | QueryRule
    | Forwarded
    | Published
    | Leads
    | Moved
    | Masquerade
    | Hairpin
    | SourceNat
    | RepliesOnly
)


class Chain(Struct, frozen=True):
    """A base chain. Its rules run in this order. In FILTER the first that matches decides, else the policy does, which
    logs what it drops with `log`."""

    hook: Hook
    priority: Priority
    rules: tuple[Rule, ...]
    policy: Literal["accept", "drop"] = "accept"
    log: bool = False


def base_chains(ruleset: Ruleset) -> tuple[Chain, ...]:
    """Those that have a rule, or drop: in the order of a packet's path, at each hook by priority."""
    if ruleset.namespace is not None:
        return tuple(_inside(ruleset))
    splits = ruleset.splits
    programs = [split for split in splits if split.of_programs]
    passing = [split for split in splits if not split.of_programs]
    published = (Published(ruleset.nats),) if ruleset.nats else ()
    wall = ruleset.filter
    policies = (wall.input, wall.forward) if wall else ("accept", "accept")
    log = wall is not None and wall.log
    every = (
        Chain("prerouting", Priority.MANGLE, tuple(_claiming(ruleset))),
        Chain("prerouting", Priority.DSTNAT, (*_forwarded(ruleset), *_asked(passing), *published)),
        Chain("input", Priority.FILTER, tuple(input_rules(ruleset)), policies[0], log and policies[0] == "drop"),
        Chain("forward", Priority.MANGLE, ruleset.clamps),
        Chain("forward", Priority.FILTER, tuple(forward_rules(ruleset)), policies[1], log and policies[1] == "drop"),
        Chain("forward", Priority.REFUSAL, (*_of(Stage.REFUSED, *passing), *_moved(ruleset))),
        Chain("output", Priority.MANGLE, tuple(_choosing(ruleset))),
        Chain("output", Priority.DSTNAT, (*_asked(programs), *published)),
        Chain("output", Priority.REFUSAL, _of(Stage.REFUSED, *programs)),
        Chain("postrouting", Priority.MANGLE, tuple(_leaving(ruleset))),
        Chain("postrouting", Priority.SRCNAT, tuple(_sources(ruleset))),
    )
    return tuple(chain for chain in every if chain.rules or chain.policy == "drop")


def _inside(ruleset: Ruleset) -> Iterator[Chain]:
    """New connections leave by the tunnel alone. Only replies leave by the veth pair, and nothing is forwarded. DNS
    queries go to the resolvers of the namespace."""
    queries = ruleset.queries
    arriving = tuple(QueryRule(Stage.ARRIVING, fact) for fact in queries if fact.of_loopback)
    refused = tuple(QueryRule(Stage.REFUSED, fact) for fact in queries if not (fact.of(4) and fact.of(6)))
    every = (
        Chain("prerouting", Priority.MANGLE, arriving),
        Chain("input", Priority.FILTER, ruleset.strangers),
        Chain("forward", Priority.FILTER, (), "drop"),
        Chain("output", Priority.DSTNAT, tuple(QueryRule(Stage.ASKED, fact) for fact in queries)),
        Chain("output", Priority.FILTER, ruleset.replies_only),
        Chain("output", Priority.REFUSAL, refused),
        Chain("postrouting", Priority.SRCNAT, ruleset.sources),
    )
    yield from (chain for chain in every if chain.rules or chain.policy == "drop")


def _of(stage: Stage, *splits: SplitTunnel) -> tuple[SplitRule, ...]:
    needed = (split for split in splits if stage != Stage.REFUSED or split.refuses)
    return tuple(SplitRule(stage, split) for split in needed)


def _claiming(ruleset: Ruleset) -> Iterator[Rule]:
    """Whose a connection is that comes in. What came in by a forward or for the prefix of an uplink is theirs, then the
    tunnel of a split has what comes in by it, then splits choose. A split takes from a forward's link only what is not
    for the forward: it overwrites the mark that all new connections by the link got."""
    splits = ruleset.splits
    passing = [split for split in splits if not split.of_programs]
    yield from _of(Stage.ARRIVING, *splits)
    yield from ruleset.marks
    yield from _of(Stage.CLAIMED, *splits)
    yield from _of(Stage.RESUMED, *splits)
    if passing:
        yield Passed.REPLIES
        chosen = {split.incoming for split in passing}
        visitors = tuple(forward for forward in ruleset.forwards if forward.device in chosen)
        if visitors:
            yield Visited(visitors)
    yield from _of(Stage.CHOSEN, *passing)


def _forwarded(ruleset: Ruleset) -> tuple[Rule, ...]:
    return (Forwarded(ruleset.forwards),) if ruleset.forwards else ()


def _asked(splits: list[SplitTunnel]) -> tuple[Rule, ...]:
    return tuple(SplitRule(Stage.ASKED, split) for split in splits if split.resolvers)


def _moved(ruleset: Ruleset) -> Iterator[Moved]:
    devices: dict[IPNetwork, set[InterfaceName]] = {}
    for fact in ruleset.sources:
        devices.setdefault(fact.sources, set()).update(fact.leaving)
    for fact in ruleset.sources:
        if fact.to and (others := devices[fact.sources].difference(fact.leaving)):
            yield Moved(fact, tuple(sorted(others)))


def _choosing(ruleset: Ruleset) -> Iterator[Rule]:
    """Which packets of the host itself go by a tunnel, also those that the kernel sends without a program."""
    if not ruleset.splits:
        return
    programs = [split for split in ruleset.splits if split.of_programs]
    yield from _of(Stage.FORGED, *programs)
    yield Passed.MARKED
    for split in ruleset.splits:
        if split.outer:
            yield SplitRule(Stage.OUTER, split)
        yield from (SplitRule(Stage.ERRORS, split), SplitRule(Stage.RESUMED, split))
    if any(split.by_owner for split in programs):
        yield Passed.OWNERLESS
    if programs:
        wall = ruleset.filter
        yield Answers(wall is not None and wall.input == "drop", programs[0].near)
    yield from _of(Stage.CHOSEN, *programs)


def _leaving(ruleset: Ruleset) -> Iterator[Rule]:
    """What must not leave is dropped before any mark is removed."""
    if found := tuple(leads(ruleset)):
        yield Leads(found)
    yield from (Held(mark) for mark in ruleset.marks if mark.held)
    yield from _of(Stage.HELD, *ruleset.splits)
    yield from _of(Stage.LEAVING, *ruleset.splits)
    yield from (Scrub(mark) for mark in ruleset.marks if mark.scrub)


def _sources(ruleset: Ruleset) -> Iterator[Rule]:
    """Splits first: the kernel forgets `masquerade` with the device."""
    yield from _of(Stage.SOURCE, *ruleset.splits)
    yield from ruleset.masquerades
    yield from ruleset.hairpins
    yield from ruleset.sources
