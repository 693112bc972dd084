"""What changes addresses, and by which interface it leaves then."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netaddr import IPAddress, IPNetwork

from netc.emit.nftables.words import FAMILIES, Printed, devices, members, quoted
from netc.emit.render import Verbatim, origin, token
from netc.language.names import InterfaceName
from netc.plan.chains import Forwarded, Leads, Moved, Published, QueryRule, Stage
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


def printed(rule: Forwarded | Published | Leads | Moved | Masquerade | Hairpin | SourceNat) -> Printed:
    match rule:
        case Forwarded():
            return [], list(map(_lookup, maps(rule.forwards)))
        case Published():
            return [], ["jump published"]
        case Leads():
            return [], ["ct status dnat jump leaves_by"]
        case Moved():
            return _moved(rule.source, rule.devices)
        case Masquerade():
            return _masquerade(rule)
        case Hairpin():
            return _hairpin(rule)
        case SourceNat():
            return _source(rule)


def _lookup(found: dict[str, object]) -> str:
    family, name = found["family"], found["name"]
    # Of `meta l4proto` in a key with ranges, nft 1.0 makes a `byteorder` of one byte, which Linux 6.12.117 refuses.
    key = f"iifname . {family} daddr . ct protocol . th dport"
    return f"meta l4proto {{ tcp, udp }} dnat {family} to {key} map @{name}"


def _masquerade(fact: Masquerade) -> Printed:
    why = f"{origin(fact.origin)}: masquerade. The server sees an address of this host, not that of the visitor."
    dialled = f"ct original {_family(fact.on)} daddr {fact.on} meta l4proto {fact.ports.protocol}"
    ports = f"ct original proto-dst {fact.ports.span}"
    leaving = f"oifname {quoted(fact.device)} " if fact.device else ""
    return [why], [f"{leaving}ct status dnat {dialled} {ports} masquerade"]


def _hairpin(fact: Hairpin) -> Printed:
    what = "hairpin. The server sees this host as the client, so its replies come back through this host."
    family = _family(fact.subnet)
    within = f"{family} saddr {fact.subnet} {family} daddr {fact.subnet}"
    return [f"{origin(fact.origin)}: {what}"], [f"oifname {quoted(fact.device)} {within} ct status dnat masquerade"]


def _source(fact: SourceNat) -> Printed:
    family = _family(fact.sources)
    verdict = f"snat {family} to {token(fact.to)}" if fact.to else "masquerade"
    return [origin(fact.origin)], [f"oifname {devices(fact.leaving)} {family} saddr {fact.sources} {verdict}"]


def _moved(fact: SourceNat, by: Sequence[InterfaceName]) -> Printed:
    family, to = _family(fact.sources), token(fact.to)
    why = f"{origin(fact.origin)}: connections that began with {to} and moved to an uplink with other addresses."
    moved = f"oifname {devices(by)} ct direction original {family} saddr {fact.sources} ct reply {family} daddr {to}"
    return [why], [f"{moved} meta l4proto tcp reject with tcp reset", f"{moved} reject with icmpx admin-prohibited"]


def _family(of: IPAddress | IPNetwork) -> str:
    return "ip" if of.version == 4 else "ip6"


def leaves_by(fact: LeavesBy | NeverLeavesBy, by: Sequence[InterfaceName]) -> dict[str, object]:
    never = isinstance(fact, NeverLeavesBy)
    return {
        "comment": [f"{origin(fact.origin)}: no interface of these leads to it." if never else origin(fact.origin)],
        "family": Verbatim(FAMILIES[4 if fact.to.version == 4 else 6]),
        "to": fact.to,
        "devices": devices(by) if never else Verbatim(f"!= {devices(by)}"),
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
        "comment": [origin(nat.origin)],
        "family": Verbatim("ip" if v4 else "ip6"),
        "on": members(nat.on),
        "sources": members(nat.sources) if nat.sources else None,
        "past": devices(nat.past) if nat.past else None,
        "protocol": Verbatim(nat.port.protocol),
        "port": nat.port.number,
        "to": Verbatim(f"{nat.to}:{nat.to_port}" if v4 else f"[{nat.to}]:{nat.to_port}"),
    }


def query(rule: QueryRule) -> Printed:
    fact = rule.queries
    match rule.stage:
        case Stage.ARRIVING:
            why = "a query to 127.0.0.53 gets into the tunnel, so `route_localnet` is on there."
            device = quoted(fact.device)
            lines = [f"iifname {device} ip {side} 127.0.0.0/8 drop" for side in ("saddr", "daddr")]
        case Stage.ASKED:
            why = "DNS queries go to its resolvers. Its resolv.conf may be replaced by the host's."
            lines = list(_asked(fact))
        case _:
            why = "no resolver has this family: a refused program goes on with the next server."
            lines = list(_refused(fact))
    return [f"{origin(fact.origin)}: {why}"], lines


def _asked(fact: Queries) -> Iterator[str]:
    """What is sent to the loopback device in IPv6 stays: the kernel lets no packet from ::1 into a tunnel."""
    for family, spelling in FAMILIES.items():
        if own := fact.of(family):
            lo = "" if family == 4 else 'oifname != "lo" '
            others = f"{lo}{spelling} daddr != {members(own)} meta l4proto {{ tcp, udp }} th dport 53"
            yield f"{others} dnat {spelling} to {token(own[0])}"


def _refused(fact: Queries) -> Iterator[str]:
    for family in FAMILIES:
        if not fact.of(family):
            of = f'oifname != "lo" meta nfproto ipv{family}'
            yield f"{of} tcp dport 53 reject with tcp reset"
            yield f"{of} udp dport 53 reject with icmpx admin-prohibited"
