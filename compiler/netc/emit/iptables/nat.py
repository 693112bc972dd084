"""What changes addresses, and by which interface it leaves then."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from netaddr import IPAddress

from netc.emit.iptables.words import Line, Rule, because, entering, leaving, one, places, said, span
from netc.emit.render import token
from netc.language.names import InterfaceName
from netc.language.values import Family
from netc.plan import filtering
from netc.plan.chains import Forwarded, Leads, Moved, Published, QueryRule, Stage
from netc.plan.facts import Ruleset
from netc.plan.ruleset import (
    DestinationNat,
    Hairpin,
    LeavesBy,
    Masquerade,
    NeverLeavesBy,
    PortForward,
    Queries,
    SourceNat,
)

PUBLISHED = "netc-published"
LEAVES_BY = "netc-leaves-by"
QUERIES = "netc-queries"


def lines(
    rule: Forwarded | Published | Leads | Moved | Masquerade | Hairpin | SourceNat, family: Family
) -> Iterable[Line]:
    match rule:
        case Forwarded():
            return _forwarded([fact for fact in rule.forwards if one(family, fact.on)])
        case Published():
            why = "Published ports. The destination changes, the client's address stays."
            return [(f"-j {PUBLISHED}", why)] if any(one(family, fact.to) for fact in rule.nats) else []
        case Leads():
            why = "While the interface that leads to a target is down, the route to the target is the default route."
            needed = any(one(family, fact.to) for fact, _ in rule.targets)
            return [(f"-m conntrack --ctstate DNAT -j {LEAVES_BY}", why)] if needed else []
        case Moved():
            return _moved(rule, family) if one(family, rule.source.sources) else []
        case Masquerade():
            return [_masquerade(rule)] if one(family, rule.on) else []
        case Hairpin():
            return [_hairpin(rule)] if one(family, rule.subnet) else []
        case SourceNat():
            return _source(rule) if one(family, rule.sources) else []


def _moved(rule: Moved, family: Family) -> Iterator[Line]:
    fact = rule.source
    why = because(fact.origin, f"connections that began with {fact.to} and moved to an uplink with other addresses.")
    prohibited = "icmp-admin-prohibited" if family == 4 else "icmp6-adm-prohibited"
    for device in rule.devices:
        moved = f"{leaving(device)} -s {fact.sources} -m conntrack --ctdir ORIGINAL --ctrepldst {token(fact.to)}"
        yield f"{moved} -p tcp -j REJECT --reject-with tcp-reset", why
        yield f"{moved} -j REJECT --reject-with {prohibited}", why


def chains(ruleset: Ruleset, family: Family) -> Iterator[Rule]:
    """Those that base chains jump to."""
    for queries in ruleset.queries:
        yield from _queries(queries, family)
    yield from _published([fact for fact in ruleset.nats if one(family, fact.to)], family)
    yield from _leaves_by([(fact, by) for fact, by in filtering.leads(ruleset) if one(family, fact.to)])


def _forwarded(facts: Sequence[PortForward]) -> Iterator[Line]:
    said_before: set[str] = set()
    for fact in facts:
        why = because(fact.origin, "the destination changes, the visitor's address stays.")
        ports = f"-p {fact.ports.protocol} --dport {span(fact.ports)}"
        words = f"{entering(fact.device)} -d {fact.on} {ports} -j DNAT --to-destination {_at(fact.to, fact.to_port)}"
        if words not in said_before:  # two forwards may lead the same port to the same place
            yield words, why
        said_before.add(words)


def query(rule: QueryRule, family: Family) -> Iterator[Line]:
    fact = rule.queries
    match rule.stage:
        case Stage.ARRIVING if family == 4:
            why = because(fact.origin, "a query to 127.0.0.53 gets into the tunnel, so `route_localnet` is on there.")
            yield f"{entering(fact.device)} -s 127.0.0.0/8 -j DROP", why
            yield f"{entering(fact.device)} -d 127.0.0.0/8 -j DROP", why
        case Stage.ASKED if fact.of(family):
            # The kernel lets no packet from ::1 into a tunnel.
            what = (
                "DNS queries go to the resolvers of the namespace, whatever server they were sent to: its resolv.conf"
            )
            why = because(fact.origin, f"{what} may be replaced by the host's while a service runs.")
            for protocol in ("udp", "tcp"):
                yield said("" if family == 4 else "! -o lo", f"-p {protocol} --dport 53 -j {QUERIES}"), why
        case Stage.REFUSED if not fact.of(family):
            why = because(fact.origin, "no resolver has this family: a refused program goes on with the next server.")
            prohibited = "icmp-admin-prohibited" if family == 4 else "icmp6-adm-prohibited"
            for protocol, answer in (("tcp", "tcp-reset"), ("udp", prohibited)):
                yield f"! -o lo -p {protocol} --dport 53 -j REJECT --reject-with {answer}", why


def _queries(fact: Queries, family: Family) -> Iterator[Rule]:
    own = fact.of(family)
    for to in places(own, "dst", family) if own else ():
        yield Rule("nat", QUERIES, f"{to} -j RETURN")
    if own:
        yield Rule("nat", QUERIES, f"-j DNAT --to-destination {own[0]}")


def _published(facts: Sequence[DestinationNat], family: Family) -> Iterator[Rule]:
    for nat in facts:
        why = because(nat.origin)
        dialled = f"-p {nat.port.protocol} --dport {nat.port.number}"
        what = f"{dialled} -j DNAT --to-destination {_at(nat.to, nat.to_port)}"
        for device in nat.past:  # no other rule publishes this port of `on`
            for on in places(nat.on, "dst", family):
                yield Rule("nat", PUBLISHED, f"{entering(device)} {on} {dialled} -j RETURN", why)
                why = ""
        for source in places(nat.sources, "src", family) if nat.sources else ("",):
            for on in places(nat.on, "dst", family):
                yield Rule("nat", PUBLISHED, said(source, on, what), why)
                why = ""


def _leaves_by(facts: Sequence[tuple[LeavesBy | NeverLeavesBy, tuple[InterfaceName, ...]]]) -> Iterator[Rule]:
    for fact, by in facts:
        to, why = f"-d {token(fact.to)}", because(fact.origin)
        if isinstance(fact, NeverLeavesBy):
            why = because(fact.origin, "no interface of these leads to it.")
            yield from (Rule("mangle", LEAVES_BY, f"{to} {leaving(device)} -j DROP", why) for device in by)
        elif len(by) > 1:  # `! -o` takes one interface
            yield from (Rule("mangle", LEAVES_BY, f"{to} {leaving(device)} -j RETURN", why) for device in by)
            yield Rule("mangle", LEAVES_BY, f"{to} -j DROP", why)
        else:
            yield Rule("mangle", LEAVES_BY, f"{to} ! {leaving(by[0])} -j DROP", why)


def _at(to: IPAddress, port: int | None) -> str:
    if port is None:
        return f"{to}"
    return f"{to}:{port}" if to.version == 4 else f"[{to}]:{port}"


def _masquerade(fact: Masquerade) -> Line:
    dialled = f"-p {fact.ports.protocol} -m conntrack --ctstate DNAT --ctorigdst {fact.on}"
    by = f"{leaving(fact.device)} " if fact.device else ""
    words = f"{by}{dialled} --ctorigdstport {span(fact.ports)} -j MASQUERADE"
    why = because(fact.origin, "masquerade. The server sees an address of this host, not that of the visitor.")
    return words, why


def _hairpin(fact: Hairpin) -> Line:
    within = f"-s {fact.subnet} -d {fact.subnet} -m conntrack --ctstate DNAT"
    what = "hairpin. The server sees this host as the client, so its replies come back through this host."
    why = because(fact.origin, what)
    return f"{leaving(fact.device)} {within} -j MASQUERADE", why


def _source(fact: SourceNat) -> Iterator[Line]:
    why = because(fact.origin)
    verdict = f"SNAT --to-source {fact.to}" if fact.to else "MASQUERADE"
    if not fact.leaving:
        raise TypeError("a rule for no device would be one for all")
    for device in sorted(fact.leaving):
        yield f"{leaving(device)} -s {fact.sources} -j {verdict}", why
        why = ""
