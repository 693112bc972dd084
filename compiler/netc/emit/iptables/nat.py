"""The table `nat`: where ports lead, and whose name is on what leaves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netaddr import IPAddress

from netc.emit.iptables import splits
from netc.emit.iptables.words import Rule, because, entering, leaving, one, places, said, span
from netc.language.values import Family
from netc.plan.facts import Ruleset
from netc.plan.ruleset import DestinationNat, Hairpin, Masquerade, PortForward, Queries, SourceNat

PUBLISHED = "netc-published"
ASKED = "netc-queries"


def rules(ruleset: Ruleset, family: Family) -> Iterator[Rule]:
    yield from _forwarded([fact for fact in ruleset.forwards if one(family, fact.on)])
    yield from splits.asked(ruleset, family)
    for queries in ruleset.queries:
        yield from _queries(queries, family)
    yield from _published([fact for fact in ruleset.nats if one(family, fact.to)], family)
    for masquerade in ruleset.masquerades:
        if one(family, masquerade.on):
            yield _masquerade(masquerade)
    for hairpin in ruleset.hairpins:
        if one(family, hairpin.subnet):
            yield _hairpin(hairpin)
    for source in ruleset.sources:
        if one(family, source.sources):
            yield from _source(source)
    yield from splits.leaving_from(ruleset, family)


def _forwarded(facts: Sequence[PortForward]) -> Iterator[Rule]:
    said_before: set[str] = set()
    for fact in facts:
        why = because(fact.origin, "the destination changes, the visitor's address stays.")
        ports = f"-p {fact.ports.protocol} --dport {span(fact.ports)}"
        words = f"{entering(fact.device)} -d {fact.on} {ports} -j DNAT --to-destination {_at(fact.to, fact.to_port)}"
        if words not in said_before:  # two forwards may lead the same port to the same place
            yield Rule("nat", "netc-PREROUTING", words, why)
        said_before.add(words)


def _queries(fact: Queries, family: Family) -> Iterator[Rule]:
    """What is sent to the loopback device in IPv6 stays: the kernel lets no packet from ::1 into a tunnel."""
    own = fact.of(family)
    if not own:
        return
    why = (
        "DNS queries go to the resolvers of the namespace, whatever server they were sent to: its resolv.conf may be "
        "replaced by the host's while a service runs."
    )
    for protocol in ("udp", "tcp"):
        dialled = said("" if family == 4 else "! -o lo", f"-p {protocol} --dport 53 -j {ASKED}")
        yield Rule("nat", "netc-OUTPUT", dialled, because(fact.origin, why))
    for to in places(own, "dst", family):
        yield Rule("nat", ASKED, f"{to} -j RETURN")
    yield Rule("nat", ASKED, f"-j DNAT --to-destination {own[0]}")


def _published(facts: Sequence[DestinationNat], family: Family) -> Iterator[Rule]:
    if not facts:
        return
    why = "Published ports. The destination changes, the client's address stays."
    yield Rule("nat", "netc-PREROUTING", f"-j {PUBLISHED}", why)
    yield Rule("nat", "netc-OUTPUT", f"-j {PUBLISHED}")
    for nat in facts:
        why = because(nat.origin)
        what = f"-p {nat.port.protocol} --dport {nat.port.number} -j DNAT --to-destination {_at(nat.to, nat.to_port)}"
        for source in places(nat.sources, "src", family) if nat.sources else ("",):
            for on in places(nat.on, "dst", family):
                yield Rule("nat", PUBLISHED, said(source, on, what), why)
                why = ""


def _at(to: IPAddress, port: int | None) -> str:
    if port is None:
        return f"{to}"
    return f"{to}:{port}" if to.version == 4 else f"[{to}]:{port}"


def _masquerade(fact: Masquerade) -> Rule:
    dialled = f"-p {fact.ports.protocol} -m conntrack --ctstate DNAT --ctorigdst {fact.on}"
    words = f"{leaving(fact.device)} {dialled} --ctorigdstport {span(fact.ports)} -j MASQUERADE"
    why = because(fact.origin, "masquerade. The server sees an address of this host, not that of the visitor.")
    return Rule("nat", "netc-POSTROUTING", words, why)


def _hairpin(fact: Hairpin) -> Rule:
    within = f"-s {fact.subnet} -d {fact.subnet} -m conntrack --ctstate DNAT"
    what = "hairpin. The server sees this host as the client, so its replies come back through this host."
    why = because(fact.origin, what)
    return Rule("nat", "netc-POSTROUTING", f"{leaving(fact.device)} {within} -j MASQUERADE", why)


def _source(fact: SourceNat) -> Iterator[Rule]:
    why = because(fact.origin)
    verdict = f"SNAT --to-source {fact.to}" if fact.to else "MASQUERADE"
    if not fact.leaving:
        raise TypeError("a rule for no device would be one for all")
    for device in sorted(fact.leaving):
        yield Rule("nat", "netc-POSTROUTING", f"{leaving(device)} -s {fact.sources} -j {verdict}", why)
        why = ""
