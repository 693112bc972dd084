"""What goes between a router and the kernel, as BIRD's filters: routes there, and from there what others made."""

from __future__ import annotations

from collections.abc import Iterator

from netc.emit.bird.filtering import (
    Accept,
    Add,
    Assign,
    Call,
    Constants,
    Filter,
    Function,
    In,
    Is,
    Not,
    Reject,
    Statement,
    When,
)
from netc.emit.bird.policy import NO_EXPORT, exactly, learned_families, of, served, source, within
from netc.language.values import Family
from netc.plan.facts import Router
from netc.plan.step import PROTOCOL

HERE = 240
"""BIRD's own preference of what is at an interface: before all that anybody else says."""


def learning(router: Router) -> Iterator[Function]:
    yield from (_learn(router, family) for family in learned_families(router))


def _learn(router: Router, family: Family) -> Function:
    nets = tuple(net for net in router.learning.nets if net.version == family) if router.learning else ()
    body = (
        When(Not(In("net", within(nets))), (Reject(),)),
        When(Not(Is("dest", "RTD_UNICAST")), (Reject(),)),
        Assign("preference", HERE),
        Add(NO_EXPORT),
        Accept(),
    )
    return Function(f"learn{family}", "What others made in the kernel, and our routers alone are told of.", body)


def from_devices(router: Router, family: Family) -> Filter:
    return (Call(_learn(router, family)),)


def from_kernel(router: Router, family: Family) -> Filter:
    """BIRD's own it knows by itself."""
    return (When(Is("krt_source", PROTOCOL), (Reject(),)), Call(_learn(router, family)))


def to_kernel(router: Router, family: Family) -> Filter:
    """What is ours and not here is unreachable; what is here, the kernel knows better."""
    return tuple(_to_kernel(router, family))


def _to_kernel(router: Router, family: Family) -> Iterator[Statement]:
    prefer: tuple[Statement, ...] = ()
    if any(ip.version == family for ip in router.sources):
        prefer = (Assign("krt_prefsrc", source(router, family)),)
    if router.system:
        own = In("net", exactly(of(router, family)))
        static: list[Statement] = [When(own, (Accept(),))]
        if here := served(router, family):
            static.append(When(In("net", exactly(here)), (*prefer, Accept())))
        yield When(Is("source", "RTS_STATIC"), (*static, Reject()))
    by_babel = any(interface.kind == "babel" for interface in router.igp)
    igp = ("RTS_BABEL",) if by_babel else ("RTS_OSPF", "RTS_OSPF_IA")
    learned = In("source", Constants(("RTS_BGP", *igp)))
    yield When(Not(learned), (Reject(),))
    if prefer:
        yield When(Not(Is("dest", "RTD_UNREACHABLE")), prefer)
    yield Accept()
