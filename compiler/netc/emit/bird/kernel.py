"""What BIRD exports to the kernel and imports from it, as filters."""

from __future__ import annotations

from collections.abc import Iterator

from netc.emit.bird.communities import NO_EXPORT
from netc.emit.bird.filtering import (
    Accept,
    Add,
    Assign,
    Call,
    Filter,
    Function,
    In,
    Is,
    Not,
    Note,
    Reject,
    Statement,
    When,
    Words,
)
from netc.emit.bird.policy import exactly, learned_families, of, served, source, within
from netc.language.values import Family
from netc.plan.facts import Router
from netc.plan.step import PROTOCOL

HERE = 240
"""BIRD's preference of `protocol direct`, before that of every other protocol."""


def learning(router: Router) -> Iterator[Function]:
    yield from (_learn(router, family) for family in learned_families(router))


def _learn(router: Router, family: Family) -> Function:
    nets = tuple(net for net in router.learning.nets if net.version == family) if router.learning else ()
    body = (
        When(Not(In("net", within(nets))), (Reject(),)),
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
    return (
        Note(f"Routes with netc's protocol number, {PROTOCOL} in rt_protos.d."),
        When(Is("krt_source", PROTOCOL), (Reject(),)),
        Call(_learn(router, family)),
    )


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
    by_babel = any(interface.kind == "babel" for interface in router.igp)
    igp = ("RTS_BABEL",) if by_babel else ("RTS_OSPF", "RTS_OSPF_IA")
    learned = In("source", Words(("RTS_BGP", *igp)))
    yield When(Not(learned), (Reject(),))
    if prefer:
        yield When(Not(Is("dest", "RTD_UNREACHABLE")), prefer)
    yield Accept()
