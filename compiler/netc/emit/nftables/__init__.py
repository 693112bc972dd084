"""Rulesets for nft(8), down to 1.0.6: one table `inet netc` in every namespace that needs one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace
from netaddr import IPAddress

from netc.emit.file import File, reload
from netc.emit.nftables import nat, splits
from netc.emit.nftables.splits import set_name
from netc.emit.nftables.words import FAMILIES, devices, members, quoted
from netc.emit.render import Verbatim, origin, render, token
from netc.language.names import InterfaceName
from netc.network.forwards import MARK_MASK
from netc.network.ranges import prefixes
from netc.plan.facts import AddressSet, Flowtable, Ruleset
from netc.plan.facts.flowtable import OFFLOAD_PATH
from netc.plan.facts.ruleset import ruleset_path
from netc.plan.filtering import Always, ForwardRule, InputRule, Led, forward_rules, input_rules, leaving, led
from netc.plan.host_plan import HostPlan
from netc.plan.lists import elements_path, is_short, named_sets
from netc.plan.ruleset import (
    Denial,
    Opening,
    Passage,
    RepliesOnly,
    ReturnMark,
    Sources,
    Stranger,
    Transit,
)


def emit(plan: HostPlan) -> Iterator[File]:
    for part in plan.parts:
        for ruleset in part.every(Ruleset):
            if ruleset.netfilter == "nftables":
                yield File(f"files{ruleset_path(ruleset)}", _text(ruleset), takings=reload(part.name))
        for table in part.every(Flowtable):
            devices = Verbatim(", ".join(map(quoted, table.devices)))
            values = {"origin": origin(table.origin), "devices": devices, "mask": Verbatim(f"{MARK_MASK:#010x}")}
            text = render("nftables", "offload.j2", **values)
            yield File(f"files{OFFLOAD_PATH}", text, takings=reload(part.name))


def _text(ruleset: Ruleset) -> str:
    unanswered = [line for fact in ruleset.queries for line in nat.unanswered(fact)]
    return render(
        "nftables",
        "ruleset.j2",
        origin=origin(ruleset.origin),
        nats=[nat.published(fact) for fact in ruleset.nats],
        guards=[quoted(guard.device) for guard in ruleset.replies_only],
        inside=ruleset.namespace is not None,
        strangers=[_shut(stranger, ruleset) for stranger in ruleset.strangers],
        queries=[nat.queries(fact) for fact in ruleset.queries],
        unanswered=unanswered,
        sending=bool(ruleset.replies_only or unanswered),
        sets=[printed for found in ruleset.sets for printed in _sets(found, ruleset)],
        chains=_chains(ruleset),
        maps=nat.maps(ruleset.forwards),
        masquerades=[nat.masquerade(masquerade) for masquerade in ruleset.masquerades],
        leaving=bool(ruleset.masquerades or ruleset.sources or ruleset.hairpins),
        sources=[nat.source(source) for source in ruleset.sources],
        leaves_by=[nat.leaves_by(fact, by) for fact, by in leaving(ruleset)],
        hairpins=[nat.hairpin(hairpin) for hairpin in ruleset.hairpins],
        clamps=[quoted(clamp.device) for clamp in ruleset.clamps],
        marked=bool(ruleset.marks or ruleset.splits),
        marks=[_mark(mark) for mark in ruleset.marks],
        scrubs=[_mark(mark) for mark in ruleset.marks if mark.scrub],
        **splits.values(ruleset),
    )


def _mark(mark: ReturnMark) -> dict[str, object]:
    """nft 1.0.6 cannot merge two marks, so every bit is spelled out."""
    families = [tuple(net for net in mark.on if net.version == family) for family in (4, 6)]
    to = [Verbatim(f"{'ip' if on[0].version == 4 else 'ip6'} daddr {members(on)} ") for on in families if on]
    return {
        "device": quoted(mark.device),
        "scrub": mark.scrub,
        "to": to or [Verbatim("")],
        "value": Verbatim(f"{mark.mark:#010x}"),
        "mask": Verbatim(f"{MARK_MASK:#010x}"),
        "rest": Verbatim(f"{MARK_MASK ^ 0xFFFFFFFF:#010x}"),
    }


# ---- what a host takes and passes on -------------------------------------------------------------------------

ALWAYS = {
    Always.ESTABLISHED: ("", ["ct state established,related accept"]),
    Always.LOOPBACK: ("", ['iifname "lo" accept']),
    Always.NEIGHBOURS: (
        "Neighbour discovery and MLD: conntrack does not track them.",
        [
            "icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } accept",
            "ip6 saddr fe80::/10 icmpv6 type"
            " { mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report } accept",
        ],
    ),
    Always.INVALID: ("", ["ct state invalid drop"]),
    Always.ICMP: (
        "Echo requests, and errors: path MTU discovery needs them.",
        [
            "icmp type { echo-request, destination-unreachable, time-exceeded, parameter-problem } accept",
            "icmpv6 type"
            " { echo-request, destination-unreachable, packet-too-big, time-exceeded, parameter-problem } accept",
        ],
    ),
    Always.DHCP: (
        "DHCP replies. To conntrack they are new: the requests went to a broadcast or multicast address.",
        [
            "meta nfproto ipv4 udp sport 67 udp dport 68 accept",
            "ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept",
        ],
    ),
}
"""Comment and rules."""

Printed = tuple[str, list[str]]


def _chains(ruleset: Ruleset) -> list[dict[str, object]]:
    if ruleset.namespace is not None or not (ruleset.replies_only or ruleset.strangers or ruleset.filter):
        return []
    policies = (ruleset.filter.input, ruleset.filter.forward) if ruleset.filter else ("accept", "accept")
    found = (("input", input_rules(ruleset)), ("forward", forward_rules(ruleset)))
    return [
        {
            "name": Verbatim(name),
            "policy": Verbatim(policy),
            "rules": [
                {"comment": Verbatim(comment), "lines": list(map(Verbatim, lines))}
                for comment, lines in (_rule(rule, name, ruleset) for rule in rules)
                if lines  # a set that may be empty is
            ],
            "log": Verbatim(f'"netc {name}: "') if ruleset.filter and ruleset.filter.log and policy == "drop" else None,
        }
        for (name, rules), policy in zip(found, policies, strict=True)
    ]


def _rule(rule: InputRule | ForwardRule, chain: str, ruleset: Ruleset) -> Printed:
    match rule:
        case Always():
            return ALWAYS[rule]
        case RepliesOnly():
            return origin(rule.origin), _guard(rule, chain, ruleset)
        case Stranger():
            return origin(rule.origin), _stranger(rule, chain, ruleset)
        case Denial():
            return origin(rule.origin), [f"{source} drop" for _, source in _from(rule.sources, ruleset)]
        case Opening():
            return origin(rule.origin), list(_opening(rule, ruleset))
        case Passage():
            return origin(rule.origin), [f"iifname {quoted(rule.entering)} oifname {quoted(rule.leaving)} accept"]
        case Transit():
            ways = devices(rule.devices)
            return origin(rule.origin), [f"iifname {ways} oifname {ways} accept"]
        case Led():
            return "Forwarded and published ports, by the address that DNAT gave them.", [
                _led(*target) for target in rule.targets
            ]


def _led(device: InterfaceName | None, to: IPAddress) -> str:
    entering = f"iifname {quoted(device)} " if device else ""
    return f"{entering}{FAMILIES[to.version]} daddr {token(to)} ct status dnat accept"


def _guard(guard: RepliesOnly, chain: str, ruleset: Ruleset) -> list[str]:
    device = quoted(guard.device)
    replies = f"iifname {device} jump replies"
    if chain == "input":
        return [replies]
    if ruleset.filter:  # whose rules decide about published ports
        return [replies, f"oifname {device} ct status ! dnat drop"]
    return [replies, f"oifname {device} ct status dnat accept", f"oifname {device} drop"]


def _shut(stranger: Stranger, ruleset: Ruleset) -> dict[str, object]:
    return {
        "origin": origin(stranger.origin),
        "lines": list(map(Verbatim, _stranger(stranger, "input", ruleset))),
    }


def _stranger(stranger: Stranger, chain: str, ruleset: Ruleset) -> list[str]:
    entering = f"iifname {quoted(stranger.device)}"
    replies = f"{entering} ct state established,related accept"
    if chain == "input":
        found = f"{entering} icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert }} accept"
        own = (replace(opening, devices=(stranger.device,)) for opening in stranger.openings)
        openings = (line for opening in own for line in _opening(opening, ruleset))
        return [replies, found, *openings, f"{entering} drop"]
    places = (to for device, to in led(ruleset) if device in (None, stranger.device))
    return [replies, *(_led(stranger.device, to) for to in places), f"{entering} drop"]


def _opening(opening: Opening, ruleset: Ruleset) -> Iterator[str]:
    entering = f"iifname {_any([quoted(name) for name in opening.devices])}" if opening.devices else ""
    for source_family, source in _from(opening.sources, ruleset):
        for family, to in _to(opening.on):
            if None in (source_family, family) or source_family == family:
                for what in _ports(opening):
                    yield " ".join(filter(None, (entering, source, to, what, "accept")))


def _to(on: Sequence[IPAddress]) -> list[tuple[int | None, str]]:
    of = {family: [ip for ip in on if ip.version == family] for family in FAMILIES}
    return [(family, f"{FAMILIES[family]} daddr {members(ips)}") for family, ips in of.items() if ips] or [(None, "")]


def _ports(opening: Opening) -> list[str]:
    if opening.protocol is not None:
        return [f"meta l4proto {token(opening.protocol)}"]
    protocols = dict.fromkeys(ports.protocol for ports in opening.ports)
    spans = {protocol: [ports.span for ports in opening.ports if ports.protocol == protocol] for protocol in protocols}
    return [f"{protocol} dport {_any(spans[protocol])}" for protocol in protocols] or [""]


def _from(sources: Sources | None, ruleset: Ruleset) -> Iterator[tuple[int | None, str]]:
    """A match for each family and set, with its family."""
    if sources is None:
        yield None, ""
        return
    for family, spelling in FAMILIES.items():
        nets = [net for net in sources.prefixes if net.version == family]
        if nets:
            yield family, f"{spelling} saddr {members([net.ip if net.size == 1 else net for net in nets])}"
        for found in named_sets(sources, ruleset):
            if found.of(family):
                yield family, f"{spelling} saddr @{set_name(found, family)}"


def _sets(found: AddressSet, ruleset: Ruleset) -> Iterator[dict[str, object]]:
    """Never auto-merge, which takes ten times as long: what the compiler worked out does not overlap."""
    for family in FAMILIES:
        if ranges := found.of(family):
            inline = ruleset.namespace is not None or is_short(found, family)
            yield {
                "name": set_name(found, family),
                "type": Verbatim(f"ipv{family}_addr"),
                "elements": list(map(Verbatim, prefixes(ranges, family))) if inline else [],
                "path": Verbatim(f'"{elements_path(found, family)}"'),
            }


def _any(spellings: Sequence[str]) -> str:
    return spellings[0] if len(spellings) == 1 else "{ " + ", ".join(spellings) + " }"
