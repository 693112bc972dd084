"""What changes addresses, and by which interface it leaves then."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netc.emit.nftables.words import FAMILIES, devices, members, quoted
from netc.emit.render import Verbatim, origin, token
from netc.language.names import InterfaceName
from netc.plan.ruleset import DestinationNat, Hairpin, LeavesBy, Masquerade, PortForward, Queries, SourceNat


def masquerade(masquerade: Masquerade) -> dict[str, object]:
    return {
        "origin": origin(masquerade.origin),
        "device": quoted(masquerade.device),
        "family": Verbatim("ip" if masquerade.on.version == 4 else "ip6"),
        "on": masquerade.on,
        "protocol": Verbatim(masquerade.ports.protocol),
        "ports": Verbatim(masquerade.ports.span),
    }


def source(source: SourceNat) -> dict[str, object]:
    family = Verbatim("ip" if source.sources.version == 4 else "ip6")
    return {
        "origin": origin(source.origin),
        "family": family,
        "sources": source.sources,
        "devices": devices(source.leaving),
        "verdict": Verbatim(f"snat {family} to {token(source.to)}" if source.to else "masquerade"),
    }


def leaves_by(fact: LeavesBy, by: Sequence[InterfaceName]) -> dict[str, object]:
    return {
        "origin": origin(fact.origin),
        "family": Verbatim(FAMILIES[4 if fact.to.version == 4 else 6]),
        "to": fact.to,
        "devices": devices(by),
    }


def hairpin(hairpin: Hairpin) -> dict[str, object]:
    return {
        "origin": origin(hairpin.origin),
        "family": Verbatim("ip" if hairpin.subnet.version == 4 else "ip6"),
        "device": quoted(hairpin.device),
        "subnet": hairpin.subnet,
    }


def maps(forwards: Sequence[PortForward]) -> list[dict[str, object]]:
    """A map for each family, for ports that change and for those that stay: one lookup, however many there are."""
    groups: dict[tuple[int, bool], list[PortForward]] = {}
    for fact in forwards:
        groups.setdefault((fact.on.version, fact.to_port is not None), []).append(fact)
    return [_map(family, moved, facts) for (family, moved), facts in sorted(groups.items())]


def _map(family: int, moved: bool, facts: Sequence[PortForward]) -> dict[str, object]:
    v4 = family == 4
    return {
        "name": Verbatim(f"{'moved' if moved else 'forwards'}{family}"),
        "family": Verbatim("ip" if v4 else "ip6"),
        "type": Verbatim("ipv4_addr" if v4 else "ipv6_addr"),
        "moved": moved,
        # Two forwards may lead the same port to the same place; the map has it once.
        "elements": list({str(element["text"]): element for element in map(_element, facts)}.values()),
    }


def _element(fact: PortForward) -> dict[str, object]:
    to = f"{fact.to} . {fact.to_port}" if fact.to_port is not None else str(fact.to)
    key = f"{quoted(fact.device)} . {fact.on} . {fact.ports.protocol} . {fact.ports.span}"
    return {"origin": origin(fact.origin), "text": Verbatim(f"{key} : {to}")}


def published(nat: DestinationNat) -> dict[str, object]:
    v4 = nat.to.version == 4
    return {
        "origin": origin(nat.origin),
        "family": Verbatim("ip" if v4 else "ip6"),
        "on": members(nat.on),
        "sources": members(nat.sources) if nat.sources else None,
        "protocol": Verbatim(nat.port.protocol),
        "port": nat.port.number,
        "to": Verbatim(f"{nat.to}:{nat.to_port}" if v4 else f"[{nat.to}]:{nat.to_port}"),
    }


def queries(queries: Queries) -> dict[str, object]:
    """What is sent to the loopback device in IPv6 stays: the kernel lets no packet from ::1 into a tunnel."""
    led = []
    for family, spelling in FAMILIES.items():
        if own := queries.of(family):
            lo = "" if family == 4 else 'oifname != "lo" '
            others = f"{lo}{spelling} daddr != {members(own)} meta l4proto {{ tcp, udp }} th dport 53"
            led.append(Verbatim(f"{others} dnat {spelling} to {token(own[0])}"))
    return {"led": led, "device": quoted(queries.device) if queries.of_loopback else None}


def unanswered(queries: Queries) -> Iterator[Verbatim]:
    for family in FAMILIES:
        if not queries.of(family):
            of = f'oifname != "lo" meta nfproto ipv{family}'
            yield Verbatim(f"{of} tcp dport 53 reject with tcp reset")
            yield Verbatim(f"{of} udp dport 53 reject with icmpx admin-prohibited")
