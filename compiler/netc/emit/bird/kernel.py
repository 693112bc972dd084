"""What BIRD exports to the kernel and imports from it, as filters."""

from __future__ import annotations

from collections.abc import Iterator

from netaddr import IPAddress, IPNetwork

from netc.emit.bird.communities import NO_EXPORT, from_external
from netc.emit.bird.filtering import (
    Accept,
    Add,
    All,
    Any,
    Assign,
    Call,
    Condition,
    Differs,
    Filter,
    Function,
    Has,
    In,
    Is,
    Longer,
    Not,
    Note,
    Reject,
    Statement,
    When,
    Word,
    Words,
)
from netc.emit.bird.router import (
    among,
    by_family,
    covers,
    hop_families,
    is_multihop,
    learned_families,
    of,
    of_family,
    router_families,
    served,
    some_are_unresolved,
    source,
)
from netc.language.values import Family
from netc.network.derive import DEFAULT_LENGTH, MAIN
from netc.plan.facts import Router
from netc.plan.step import PROTOCOL

HERE = 240
"""BIRD's preference of `protocol direct`, before that of every other protocol."""


LEARN, EXPORT = "import_learned", "export_kernel"


def functions(router: Router) -> Iterator[Function]:
    if router.learning:
        yield _learn(router.learning.nets)
    if families := tuple(router_families(router)):
        yield _export(router, families)


def _learn(nets: tuple[IPNetwork, ...]) -> Function:
    body = (
        When(Not(among(nets, parts=True)), (Reject(),)),
        When(Not(Is("dest", "RTD_UNICAST")), (Reject(),)),
        Note("As preferred as connected networks: more than routes of BGP and the IGP."),
        Assign("preference", HERE),
        Add(NO_EXPORT),
    )
    return Function(LEARN, ("Kernel routes that others made. NO_EXPORT keeps them inside the AS.",), body)


def import_connected() -> Filter:
    return (Call(LEARN), Accept())


def import_kernel(router: Router, family: Family) -> Filter:
    """BIRD leaves its own routes out by itself."""
    if family in hop_families(router):
        return tuple(_import_hops(router, family))
    return (
        Note(f"Routes with netc's protocol number, {PROTOCOL} in rt_protos.d."),
        When(Is("krt_source", PROTOCOL), (Reject(),)),
        Call(LEARN),
        Accept(),
    )



def of_main(family: Family) -> Filter:
    """As the kernel's rules for packets of an uplink: main without its default routes comes first."""
    return (When(Longer("net.len", DEFAULT_LENGTH[family]), (Accept(),)), Reject())


# An uplink's table also has an unreachable default route, for while its interface is down.
IMPORT_UPLINK: Filter = (When(Not(Is("dest", "RTD_UNICAST")), (Reject(),)), Accept())


def _import_hops(router: Router, family: Family) -> Iterator[Statement]:
    yield When(Not(Is("dest", "RTD_UNICAST")), (Reject(),))
    yield Note("Next hops of multihop sessions are resolved by these routes. No neighbour gets them.")
    if router.learning and family in learned_families(router):
        yield When(Is("krt_source", PROTOCOL), (Accept(),))
        yield When(Not(among(router.learning.nets, parts=True)), (Accept(),))
        yield Call(LEARN)
    yield Accept()


def of_kernel() -> Filter:
    return (When(Is("source", "RTS_INHERIT"), (Accept(),)), Reject())


def of_igp(router: Router) -> Filter:
    return (When(In("source", _igp(router)), (Accept(),)), Reject())


def to_announce() -> Filter:
    """Routes that `learn` names."""
    return (When(Has(NO_EXPORT), (Accept(),)), Reject())


def export_kernel() -> Filter:
    return (Call(EXPORT), Accept())


def _export(router: Router, families: tuple[Family, ...]) -> Function:
    sources = {family: source(router, family) for family in families if _has_source(router, family)}
    from_here = ", with our own address as their source" if sources else ""
    return Function(EXPORT, (f"Exports routes to the kernel{from_here}.",), tuple(_exported(router, families, sources)))


def _has_source(router: Router, family: Family) -> bool:
    return any(ip.version == family for ip in router.sources)


def _exported(router: Router, families: tuple[Family, ...], sources: dict[Family, IPAddress]) -> Iterator[Statement]:
    static: tuple[Word, ...] = ("RTS_STATIC",) if router.system else ()
    yield When(Not(In("source", Words((*static, "RTS_BGP", *_igp(router).names)))), (Reject(),))
    if router.system:
        own = tuple(net for family in families for net in (*of(router, family), *served(router, family)))
        yield Note("Our own prefixes are unreachable where the kernel has no more specific route.")
        yield When(All((Is("source", "RTS_STATIC"), Not(among(own)))), (Reject(),))
    yield from _kept_routes(router, families)
    if some_are_unresolved(router):
        yield Note("A BGP route whose next hop is not resolved must not hide a shorter prefix.")
        yield When(All((Is("source", "RTS_BGP"), Is("dest", "RTD_UNREACHABLE"))), (Reject(),))
    reached = Not(Is("dest", "RTD_UNREACHABLE"))
    if set(sources) == set(families):
        yield When(reached, (by_family("krt_prefsrc", sources),))
    else:
        for family, ip in sources.items():
            yield When(of_family(family, families, reached), (Assign("krt_prefsrc", ip),))


def _kept_routes(router: Router, families: tuple[Family, ...]) -> Iterator[Statement]:
    """Routes of other ASes that would cut the host off, from whichever router of ours they come."""
    system = router.system
    if system is None:
        return
    held = tuple(net for net in system.held if net.version in families)
    kept = [*([(among(held, parts=True),)] if held else []), *_covering(router, families)]
    external = In("bgp_large_community", from_external(system))
    if kept:
        yield Note("The host keeps its own routes to its subnets, endpoints of tunnels and multihop neighbours.")
    yield from (When(All((external, *conditions)), (Reject(),)) for conditions in kept)


def _covering(router: Router, families: tuple[Family, ...]) -> Iterator[tuple[Condition, ...]]:
    """In the main table, routes to the endpoint of a tunnel would lead into a tunnel, and those to a multihop neighbour
    through another one. The default route, or one to the address alone, stays. The host's own packets do not use a
    table of BIRD's own."""
    if router.table != MAIN:
        return
    far = tuple(ip for ip in router.outer if ip.version in families)
    if far and router.tunnels:
        inside = tuple(Is("ifname", device) for device in router.tunnels)
        yield covers(far), Any(inside) if len(inside) > 1 else inside[0]
    for remote in sorted({session.remote for session in router.sessions if is_multihop(session)}):
        if remote.version in families:
            yield covers((remote,)), Differs("from", remote)


def _igp(router: Router) -> Words:
    by_babel = any(interface.kind == "babel" for interface in router.igp)
    return Words(("RTS_BABEL",) if by_babel else ("RTS_OSPF", "RTS_OSPF_IA"))
