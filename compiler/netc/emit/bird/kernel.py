"""What BIRD exports to the kernel and imports from it, as filters."""

from __future__ import annotations

from collections.abc import Iterator

from netaddr import IPNetwork

from netc.emit.bird.communities import NO_EXPORT
from netc.emit.bird.filtering import (
    Accept,
    Add,
    All,
    Assign,
    Call,
    Filter,
    Function,
    Has,
    In,
    Is,
    Not,
    Note,
    Reject,
    Statement,
    When,
    Words,
)
from netc.emit.bird.router import (
    exactly,
    hop_families,
    learned_families,
    of,
    served,
    some_are_unresolved,
    source,
    within,
)
from netc.language.values import Family
from netc.plan.facts import Router
from netc.plan.step import PROTOCOL

HERE = 240
"""BIRD's preference of `protocol direct`, before that of every other protocol."""


def learning(router: Router) -> Iterator[Function]:
    yield from (_learn(router, family) for family in learned_families(router))


def _learned(router: Router, family: Family) -> tuple[IPNetwork, ...]:
    return tuple(net for net in router.learning.nets if net.version == family) if router.learning else ()


def _learn(router: Router, family: Family) -> Function:
    body = (
        When(Not(In("net", within(_learned(router, family)))), (Reject(),)),
        When(Not(Is("dest", "RTD_UNICAST")), (Reject(),)),
        Note("As preferred as connected networks: more than routes of BGP and the IGP."),
        Assign("preference", HERE),
        Add(NO_EXPORT),
        Accept(),
    )
    about = "Accepts kernel routes that others made. NO_EXPORT keeps them inside the AS."
    return Function(f"import_learned{family}", about, body)


def import_connected(router: Router, family: Family) -> Filter:
    return (Call(_learn(router, family)),)


def import_kernel(router: Router, family: Family) -> Filter:
    """BIRD leaves its own routes out by itself."""
    if family in hop_families(router):
        return tuple(_import_hops(router, family))
    return (
        Note(f"Routes with netc's protocol number, {PROTOCOL} in rt_protos.d."),
        When(Is("krt_source", PROTOCOL), (Reject(),)),
        Call(_learn(router, family)),
    )


def _import_hops(router: Router, family: Family) -> Iterator[Statement]:
    yield When(Not(Is("dest", "RTD_UNICAST")), (Reject(),))
    yield Note("Next hops of multihop sessions are resolved by these routes. No neighbour gets them.")
    if router.learning and family in learned_families(router):
        yield When(Is("krt_source", PROTOCOL), (Accept(),))
        yield When(Not(In("net", within(_learned(router, family)))), (Accept(),))
        yield Call(_learn(router, family))
    yield Accept()


def of_kernel() -> Filter:
    return (When(Is("source", "RTS_INHERIT"), (Accept(),)), Reject())


def of_igp(router: Router) -> Filter:
    return (When(In("source", _igp(router)), (Accept(),)), Reject())


def to_announce() -> Filter:
    """Routes that `learn` names."""
    return (When(Has(NO_EXPORT), (Accept(),)), Reject())


def export_kernel(router: Router, family: Family) -> Filter:
    """Our own prefixes are unreachable in the kernel. More specific routes lead to the parts that a host has."""
    return tuple(_export_kernel(router, family))


def _export_kernel(router: Router, family: Family) -> Iterator[Statement]:
    prefer: tuple[Statement, ...] = ()
    if any(ip.version == family for ip in router.sources):
        prefer = (Assign("krt_prefsrc", source(router, family)),)
    if router.system:
        own = In("net", exactly(of(router, family)))
        said = Note("Our prefixes are unreachable where the kernel has no more specific route.")
        static: list[Statement] = [said, When(own, (Accept(),))]
        if here := served(router, family):
            static.append(When(In("net", exactly(here)), (*prefer, Accept())))
        yield When(Is("source", "RTS_STATIC"), (*static, Reject()))
    learned = In("source", Words(("RTS_BGP", *_igp(router).names)))
    yield When(Not(learned), (Reject(),))
    if some_are_unresolved(router):
        yield Note("A BGP route whose next hop is not resolved must not hide a shorter prefix.")
        yield When(All((Is("source", "RTS_BGP"), Is("dest", "RTD_UNREACHABLE"))), (Reject(),))
    if prefer:
        yield When(Not(Is("dest", "RTD_UNREACHABLE")), prefer)
    yield Accept()


def _igp(router: Router) -> Words:
    by_babel = any(interface.kind == "babel" for interface in router.igp)
    return Words(("RTS_BABEL",) if by_babel else ("RTS_OSPF", "RTS_OSPF_IA"))
