"""Functions of bird.conf that filters of external sessions call."""

from __future__ import annotations

from collections.abc import Iterator

from netc.emit.bird.communities import (
    DN42,
    own_communities,
    small_communities,
)
from netc.emit.bird.filtering import (
    All,
    Assign,
    Begins,
    Differs,
    Forget,
    Function,
    In,
    Is,
    Longer,
    Not,
    Note,
    Numbers,
    Pairs,
    Prefixes,
    Reject,
    Statement,
    When,
)
from netc.emit.bird.router import (
    is_outer,
    of,
    within,
)
from netc.language.values import Family
from netc.network.once import once
from netc.plan.bgp import System
from netc.plan.facts import Router

LONGEST_PATH = 64
"""A longer path is an error or an attack: one of 2048 ASNs could harm BIRD before 2.17.5."""


def functions(router: Router) -> tuple[Function, ...]:
    """In the order in which they are printed."""
    system = router.system
    if system is None or not any(is_outer(session) for session in router.sessions):
        return ()
    spoken = sorted({family for session in router.sessions if is_outer(session) for family in session.families})
    measured = (keep_worst(),) if any(session.measures for session in router.sessions) else ()
    rejecting = (
        *(reject_path(router, private) for private in _begun(router)),
        *(reject_prefix(router, family) for family in spoken),
    )
    return (*rejecting, *measured, clean_import(system), clean_export(system))


@once
def _begun(router: Router) -> tuple[tuple[int, ...], ...]:
    external = [session for session in router.sessions if is_outer(session) and session.kind != "collector"]
    return tuple(sorted({session.private_asns for session in external}))


def reject_path(router: Router, private: tuple[int, ...]) -> Function:
    """`private` are refused ASNs that the neighbour's paths may begin with."""
    system = router.system
    assert system is not None
    own = tuple((asn, asn) for asn in sorted({system.asn, *system.members}))
    body = (
        When(Longer("bgp_path.len", LONGEST_PATH), (Reject(),)),
        # The last ASN is 0 if the path ends in a set, and another one than the last before a set inside.
        When(All((Is("bgp_path.last", 0), Longer("bgp_path.len", 0))), (Reject(),)),
        When(Differs("bgp_path.last", "bgp_path.last_nonaggregated"), (Reject(),)),
        When(In("bgp_path", Numbers(own)), (Reject(),)),
        *(_begins(system, private) if private else (When(In("bgp_path", Numbers(system.refused_asns)), (Reject(),)),)),
    )
    about = (
        f"Rejects AS paths of more than {LONGEST_PATH} ASNs, with an AS_SET (RFC 9774), an ASN of ours (a loop), or a "
        "refused ASN"
    )
    if not private:
        return Function("reject_path", f"{about}.", body)
    twin = [other for other in _begun(router) if other[:1] == private[:1]].index(private)
    name = f"reject_path_{private[0]}" + (f"_{twin + 1}" if twin else "")
    return Function(name, f"{about} after {', '.join(map(str, private))}.", body)


def _begins(system: System, private: tuple[int, ...]) -> Iterator[Statement]:
    first = Numbers(tuple((asn, asn) for asn in private))
    neither = All((Not(Begins(first)), Not(Begins(first, Numbers(system.public_asns)))))
    yield When(neither, (Reject(),))


def reject_prefix(router: Router, family: Family) -> Function:
    system = router.system
    assert system is not None
    refused = tuple(net for net in system.refused if net.version == family)
    connected = tuple(net for net in system.connected if net.version == family)
    accepted = Prefixes(tuple(one for one in system.accepted if one.net.version == family))
    body: list[Statement] = [When(In("net", within(of(router, family))), (Reject(),))]
    if refused:
        body.append(When(In("net", within(refused)), (Reject(),)))
    body.append(When(Not(In("net", accepted)), (Reject(),)))
    if connected:
        body.insert(1, When(In("net", within(connected)), (Reject(),)))
    kinds = [name for name, nets in (("connected networks", connected), ("refused ranges", refused)) if nets]
    ranges = ", ".join(("", *kinds, "")).rstrip() if kinds else ""
    about = f"Rejects our own prefixes{ranges} and prefixes that the profile does not accept."
    return Function(f"reject_prefix{family}", about, tuple(body))


def keep_worst() -> Function:
    """A path is as good as the worst link of it."""
    body: list[Statement] = [Note("Latency, 1 to 9: the largest number is the slowest link.")]
    body += [_beaten(number, 1, number - 1) for number in range(9, 1, -1)]
    body.append(Note("Bandwidth, 21 to 29: the smallest number is the slowest link."))
    body += [_beaten(number, number + 1, 29) for number in range(21, 29)]
    body.append(Note("Encryption, 31 to 36: the smallest number is the least safe link."))
    body += [_beaten(number, number + 1, 36) for number in range(31, 36)]
    return Function("dn42_keep_worst", "Keeps the DN42 communities of the worst link on the path.", tuple(body))


def _beaten(number: int, first: int, last: int) -> Statement:
    return When(In("bgp_community", Pairs(DN42, number, number)), (Forget("bgp_community", Pairs(DN42, first, last)),))


def clean_import(system: System) -> Function:
    body = (*_forgets(system), Assign("bgp_med", 0))
    about = f"Deletes our {_of_ours(system)} and sets MED to 0: neighbours may set neither."
    return Function("import_external", about, body)


def _forgets(system: System) -> Iterator[Statement]:
    yield Forget("bgp_large_community", own_communities(system))
    yield from (Forget("bgp_community", one) for one in small_communities(system))


def _of_ours(system: System) -> str:
    return "communities" if small_communities(system) else "large communities"


def clean_export(system: System) -> Function:
    body: list[Statement] = list(_forgets(system))
    members = ""
    if system.form == "fake":
        members = ", and ASNs of members from the AS path"
        body.append(Forget("bgp_path", Numbers(tuple((asn, asn) for asn in system.members))))
    about = f"Deletes our {_of_ours(system)}{members}. The last call of each filter that exports to another AS."
    return Function("export_external", about, tuple(body))
