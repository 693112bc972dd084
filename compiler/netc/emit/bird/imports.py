"""Which routes a router imports from its neighbours, as functions and filters of BIRD.

The router that imports a route from another AS sets a large community of our own on it, (ASN, 1, class), and deletes
those that the neighbour set.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from msgspec.structs import replace

from netc.emit.bird.communities import (
    deletes,
    learned_from,
    of_ours,
    our_asns,
    reserved_asns,
)
from netc.emit.bird.filtering import (
    Accept,
    Add,
    All,
    Any,
    Argument,
    Assign,
    Begins,
    Call,
    Condition,
    Defined,
    Differs,
    Filter,
    Fixed,
    Function,
    Has,
    In,
    Inside,
    Is,
    Longer,
    Not,
    Note,
    Numbers,
    Prefixes,
    Refuse,
    Reject,
    Roa,
    RoaTable,
    Statement,
    When,
)
from netc.emit.bird.router import among, by_family, is_outer, next_hop, of_family, spoken
from netc.language.values import Family
from netc.network.once import once
from netc.plan.bgp import Session, System, is_held_to_its_device, names_its_next_hop
from netc.plan.communities import GRACEFUL_SHUTDOWN
from netc.plan.facts import Router
from netc.plan.route_class import FROM_MUTUAL_TRANSIT, class_of

LONGEST_PATH = 64
"""A longer path is an error or an attack: one of 2048 ASNs could harm BIRD before 2.17.5."""

LEARNED_FROM, PREF = Argument("lc", "learned_from"), Argument("int", "pref")


def functions(router: Router) -> Iterator[Function]:
    """In the order in which they are printed."""
    if importing := _importing(router):
        yield _refuse(importing)
        for begins in sorted({session.begins for session in importing}):
            yield _reject_path(router, begins)
        yield _reject_prefix(router)
        channels = [(session, family) for session in importing for family in session.families]
        if any(names_its_next_hop(*channel) for channel in channels):
            yield _THIRD_ROUTER
        if held := dict.fromkeys(session for session, family in channels if is_held_to_its_device(session, family)):
            yield _other_interface(held)
        for alike in dict.fromkeys(_variant(session, router) for session in importing):
            yield _import_external(router, *alike)
    if any(session.measures for session in router.sessions):
        yield _DN42_LINK
    if any(session.cost for session in router.sessions):
        yield _INTERNAL


@once
def _importing(router: Router) -> tuple[Session, ...]:
    return tuple(session for session in router.sessions if is_outer(session) and session.kind != "collector")


def import_external(session: Session, router: Router, family: Family) -> Filter:
    if session.kind == "collector":
        return False
    return tuple(_import(session, router, family))


def _import(session: Session, router: Router, family: Family) -> Iterator[Statement]:
    assert router.system is not None
    assert session.local_pref is not None
    if names_its_next_hop(session, family):
        yield Call(_THIRD_ROUTER.name)
    elif is_held_to_its_device(session, family):
        yield Call(OTHER_INTERFACE)
    elif session.lan:
        outside = Not(Inside("bgp_next_hop", session.lan))
        yield When(outside, (Refuse("its next hop is not in the subnet of the session"),))
    elif ours := tuple(Inside("bgp_next_hop", net) for net in session.own_hops if family == 4 or net.version == 6):
        yield When(Any(ours), (Refuse("its next hop is in a network of ours"),))
    if session.only:
        only = Prefixes(tuple(one for one in session.only if one.net.version == family))
        yield When(Not(In("net", only)), (Refuse("not a prefix of this neighbour"),))
    known = learned_from(class_of(session.kind), router.system)
    yield Call(_name("import", *_variant(session, router), router), (known, session.local_pref))
    yield from measured(session)
    yield Accept()


def measured(session: Session) -> Iterator[Statement]:
    if session.measures:
        latency, bandwidth, crypto = (
            next((one for one in session.measures if first <= one < first + 10), default)
            for first, default in ((0, 0), (20, 30), (30, 37))
        )
        yield Call(_DN42_LINK.name, (latency, bandwidth, crypto))


def import_internal(session: Session) -> Filter:
    """All routes. Where each router is the next hop, MED is the cost of the path through the AS."""
    return (Call(_INTERNAL.name, (session.cost,)), Accept()) if session.cost else True


_COST = Argument("int", "link_cost")
_INTERNAL = Function(
    "import_internal",
    ("Routes of our other routers: MED is the cost of the path through our routers.",),
    (When(Defined("bgp_med"), (Assign("bgp_med", _COST, added=True),), (Assign("bgp_med", _COST),)),),
    (_COST,),
)

# ---- external neighbours: what functions differ in -------------------------------------------------------------

Variant = tuple[tuple[int, ...], bool]
"""`Session.begins`, and whether ROAs of the private ASNs among these are those of the AS that others see instead."""


def _variant(session: Session, router: Router) -> Variant:
    has_roas = router.system is not None and bool(router.system.roa)
    return session.begins, session.kind == "downstream" and bool(session.begins) and has_roas


def _name(what: Literal["import", "reject"], begins: tuple[int, ...], is_origin: bool, router: Router) -> str:
    base = {"import": "import_downstream" if is_origin else "import_external", "reject": "reject_path"}[what]
    if not begins:
        return base
    known = sorted({session.begins for session in _importing(router)})
    twin = [other for other in known if other[:1] == begins[:1]].index(begins)
    return f"{base}_{begins[0]}" + (f"_{twin + 1}" if twin else "")


# ---- external neighbours: functions ------------------------------------------------------------------------------


def _refuse(importing: tuple[Session, ...]) -> Function:
    logged = [session.name for session in importing if session.log_rejects]
    if not logged:
        about = "Rejects a route of a neighbour. With its `log_rejects = true`, BIRD logs the reason."
        return Function("refuse", (about,), (Reject(),), (Argument("string", "reason"),))
    named = " || ".join(f'proto = "{name}"' for name in logged)
    body = Fixed(f'if {named} then print "rejected from ", proto, ": ", net, " ", bgp_path, ": ", reason;\nreject;')
    about = "Rejects a route of a neighbour, and logs the reason if the neighbour has `log_rejects = true`."
    return Function("refuse", (about,), (body,), (Argument("string", "reason"),))


def _reject_path(router: Router, begins: tuple[int, ...]) -> Function:
    system = router.system
    assert system is not None
    body = (
        When(Longer("bgp_path.len", LONGEST_PATH), (Refuse(f"more than {LONGEST_PATH} ASNs"),)),
        When(Is("bgp_path.len", 0), (Refuse("an empty AS path"),)),
        _NO_SETS,
        When(In("bgp_path", our_asns(system)), (Refuse("a loop: our own AS is in the path"),)),
        _refused(system, begins),
    )
    if not begins:
        about = "AS paths that no neighbour may announce: too long, empty, with an AS_SET, our ASNs, or reserved ones."
        return Function("reject_path", (about,), body)
    about = f"The same, but paths may begin with {', '.join(map(str, begins))}, and public ASNs follow."
    return Function(_name("reject", begins, False, router), (about,), body)


# A set is found unless each of its ASNs stands both before and after it. The first ASN is in no path: it is there so
# that the last one before a set is not 0, as `last` is for a path that ends in a set.
_NO_SETS = Fixed(
    """bgppath rest = prepend(bgp_path, 4294967295); # without its last ASN, again and again: a set comes last
for int one in bgp_path do
	if rest.last != rest.last_nonaggregated then refuse("AS_SET"); else rest = delete(rest, rest.last);"""
)


def _refused(system: System, begins: tuple[int, ...]) -> Statement:
    """A route server's own ASN is not in its paths, so these may have public ASNs alone."""
    reserved: Condition = In("bgp_path", reserved_asns(system))
    if begins:
        first = Numbers(tuple((asn, asn) for asn in begins))
        reserved = All((reserved, Not(Begins(first)), Not(Begins(first, Numbers(system.public_asns)))))
    return When(reserved, (Refuse("a reserved ASN is in the path"),))


def _reject_prefix(router: Router) -> Function:
    return Function(
        "reject_prefix",
        ("Prefixes that no neighbour may announce: ours, networks that we are in, and others than the profile has.",),
        tuple(_prefixes(router)),
    )


def _prefixes(router: Router) -> Iterator[Statement]:
    system, families = router.system, spoken(router, outer=True)
    assert system is not None
    for nets, reason in (
        (system.ours, "our own prefix"),
        (system.connected, "a network that we are in"),
        (system.refused, "a refused range"),
    ):
        some = tuple(net for net in nets if net.version in families)
        if some:
            yield When(among(some, parts=True), (Refuse(reason),))
    for family in families:
        accepted = Not(In("net", Prefixes(tuple(one for one in system.accepted if one.net.version == family))))
        yield When(of_family(family, families, accepted), (Refuse("the profile does not accept it"),))


_THIRD_ROUTER = Function(
    "reject_third_router",
    ("No neighbour sends our packets to a third router (RFC 7454, section 10).",),
    (When(Differs("bgp_next_hop", "from"), (Refuse("its next hop is another router"),)),),
)


OTHER_INTERFACE = "reject_other_interface"


def _other_interface(held: Iterable[Session]) -> Function:
    """A session without an interface has no next hops."""
    about = "The next hop is on the interface of the session: no neighbour has us use an uplink or a LAN of ours."
    return Function(OTHER_INTERFACE, (about,), tuple(map(_on_its_own, held)))


def _on_its_own(session: Session) -> Statement:
    here = Is("proto", session.name)
    elsewhere = (Not(Is("ifname", session.device)),) if session.device else ()
    return When(All((here, *elsewhere)), (Refuse("its next hop is on another interface"),))


def _import_external(router: Router, begins: tuple[int, ...], is_origin: bool) -> Function:
    system = router.system
    assert system is not None
    checks = "path, prefix and ROA" if system.roa or system.flaps else "path and prefix"
    about = (
        f"A route of a neighbour: checks {checks}, deletes {of_ours(system)} and MED, which only we may set,",
        "and keeps from whom we have the route.",
    )
    name = _name("import", begins, is_origin, router)
    return Function(name, about, tuple(_imported(router, begins, is_origin)), (LEARNED_FROM, PREF))


def _imported(router: Router, begins: tuple[int, ...], is_origin: bool) -> Iterator[Statement]:
    system, families = router.system, spoken(router, outer=True)
    assert system is not None
    yield Call(_name("reject", begins, False, router))
    yield Call("reject_prefix")
    for family in families:
        yield from _judged(router, family, begins if is_origin else ())
    yield from deletes(system)
    yield Assign("bgp_med", 0)
    yield Add(LEARNED_FROM)
    yield Assign("bgp_local_pref", PREF)
    yield When(Has(GRACEFUL_SHUTDOWN), (Assign("bgp_local_pref", 0),))
    if any(session.kind == "mutual-transit" for session in router.sessions):
        yield Note("With OTC (RFC 9234) BIRD would not export the route to upstreams and peers, which have roles.")
        yield Fixed(f"if {LEARNED_FROM.name} = {FROM_MUTUAL_TRANSIT.name} then unset(bgp_otc);")
    if system.recursive:
        yield by_family("bgp_next_hop", {family: next_hop(router, family) for family in families})


def _judged(router: Router, family: Family, begins: tuple[int, ...]) -> Iterator[Statement]:
    """Of a downstream with private ASNs: other ASes see its own ASN as the origin of their routes, or ours if that is
    private too."""
    system, families = router.system, spoken(router, outer=True)
    assert system is not None
    private = tuple(asn for asn in begins if asn in system.private_asns)
    seen = begins[0] if begins and begins[0] not in private else system.asn

    def refused(said: Condition, reason: str, *more: Condition) -> Statement:
        found = of_family(family, families, said)
        return When(All((*more, found)) if more else found, (Refuse(reason),))

    if system.roa:
        verdict: Literal["ROA_VALID", "ROA_INVALID"] = "ROA_VALID" if system.roa_strict else "ROA_INVALID"
        reason = "no valid ROA" if system.roa_strict else "ROA invalid"
        said = Roa(RoaTable("roa", family), verdict)
        wrong = Not(said) if system.roa_strict else said
        if private:
            ours = replace(said, origin=seen)
            origin = In("bgp_path.last", Numbers(tuple((asn, asn) for asn in private)))
            yield refused(wrong, reason, Not(origin))
            whom = "our AS" if seen == system.asn else f"AS{seen}"
            yield Note(f"Other ASes see {whom} as the origin of routes from a private ASN.")
            yield refused(Not(ours) if system.roa_strict else ours, reason, origin)
        else:
            yield refused(wrong, reason)
    if system.flaps:
        yield refused(Roa(RoaTable("flap", family), "ROA_INVALID"), "it flaps")


_DN42_LINK = Function(
    "dn42_link",
    (
        "A route keeps DN42's communities of the worst link of its path: the largest latency (1 to 9), the smallest",
        "bandwidth (21 to 29), the weakest encryption (31 to 36). 0, 30, 37: this link does not say it.",
    ),
    (
        Fixed(
            """for pair one in bgp_community do {
	if one ~ [ (DN42, 1..9) ] && one.data > slowest then slowest = one.data;
	if one ~ [ (DN42, 21..29) ] && one.data < narrowest then narrowest = one.data;
	if one ~ [ (DN42, 31..36) ] && one.data < weakest then weakest = one.data;
}
bgp_community.delete([ (DN42, 1..9), (DN42, 21..29), (DN42, 31..36) ]);
if slowest > 0 then bgp_community.add((DN42, slowest));
if narrowest < 30 then bgp_community.add((DN42, narrowest));
if weakest < 37 then bgp_community.add((DN42, weakest));"""
        ),
    ),
    (Argument("int", "slowest"), Argument("int", "narrowest"), Argument("int", "weakest")),
)
