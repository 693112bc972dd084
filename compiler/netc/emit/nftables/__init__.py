"""Rulesets for nft(8), down to 1.0.6: one table `inet netc` in every namespace that needs one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from netaddr import IPAddress

from netc.emit.file import File, reload
from netc.emit.nftables import mangling, nat, sets, splits
from netc.emit.nftables.words import FAMILIES, Printed, devices, members, quoted
from netc.emit.render import Verbatim, origin, render, token
from netc.language.names import InterfaceName
from netc.language.values import Ports
from netc.plan.chains import (
    Answers,
    Chain,
    Forwarded,
    Held,
    Leads,
    Moved,
    Passed,
    Priority,
    Published,
    QueryRule,
    Scrub,
    SplitRule,
    Visited,
    base_chains,
)
from netc.plan.chains import Rule as AnyRule
from netc.plan.facts import Flowtable, Ruleset, SplitGuard
from netc.plan.facts.flowtable import OFFLOAD_PATH
from netc.plan.facts.ruleset import has_pieces, ruleset_path
from netc.plan.facts.split_guard import GUARD_PATH
from netc.plan.filtering import (
    NO_STRANGERS,
    Always,
    Closed,
    ForwardRule,
    InputRule,
    Led,
    NoRouters,
    NoStrangers,
    leads,
    led,
)
from netc.plan.host_plan import HostPlan
from netc.plan.lists import named_sets
from netc.plan.ruleset import (
    DOCKER_BRIDGES,
    ClampMss,
    Denial,
    DockerBridges,
    Hairpin,
    Masquerade,
    Opening,
    Passage,
    RepliesOnly,
    ReturnMark,
    SourceNat,
    Sources,
    Stranger,
    Transit,
)
from netc.plan.step import PROTOCOL


def emit(plan: HostPlan) -> Iterator[File]:
    for part in plan.parts:
        for ruleset in part.every(Ruleset):
            if ruleset.netfilter == "nftables":
                yield File(f"files{ruleset_path(ruleset)}", text(ruleset), takings=reload(part.name))
                yield from (File(path, piece, takings=reload(part.name)) for path, piece in sets.files(ruleset))
        for table in part.every(Flowtable):
            devices = Verbatim(", ".join(map(quoted, table.devices)))
            values = {"devices": devices, **splits.MASKS, "direct": table.splits and splits.MASKS["direct"]}
            shortcut = render("nftables", "offload.j2", origin=origin(table.origin), **values)
            yield File(f"files{OFFLOAD_PATH}", shortcut, takings=reload(part.name))
        for guard in part.every(SplitGuard):
            held = render("nftables", "guard.j2", origin=origin(guard.origin), **splits.guarded(guard.splits))
            yield File(f"files{GUARD_PATH}", held, takings=reload(part.name))


def text(ruleset: Ruleset) -> str:
    return render(
        "nftables",
        "ruleset.j2",
        origin=origin(ruleset.origin),
        marked=bool(ruleset.marks or ruleset.splits),
        sets=list(sets.declared(ruleset)),
        pieces=has_pieces(ruleset),
        maps=nat.maps(ruleset.forwards),
        nats=_told_once(nat.published(fact) for fact in ruleset.nats),
        leaves_by=_told_once(nat.leaves_by(*lead) for lead in leads(ruleset)),
        guards=bool(ruleset.replies_only),
        chains=[_chain(chain, ruleset) for chain in base_chains(ruleset)],
        **splits.values(ruleset),
    )


# ---- base chains ---------------------------------------------------------------------------------------------

PLACES = {
    Priority.MANGLE: ("_mangle", "mangle"),
    Priority.DSTNAT: ("_nat", "dstnat"),
    Priority.FILTER: ("", "filter"),
    Priority.REFUSAL: ("_refused", "filter + 10"),
    Priority.SRCNAT: ("_nat", "srcnat"),
}
"""What follows the hook in the name of a chain, and its priority."""


def _told_once(rules: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rules without the lines of `comment` that the rule before has."""
    told: list[dict[str, Any]] = []
    before: Sequence[str] = ()
    for rule in rules:
        new = [Verbatim(line) for line in rule["comment"] if line not in before]
        told.append(rule | {"comment": new})
        before = rule["comment"]
    return told


def _log(hook: str) -> str:
    return f'limit rate 5/second burst 20 packets log prefix "netc {hook}: " level info'


def _chain(chain: Chain, ruleset: Ruleset) -> dict[str, object]:
    suffix, priority = PLACES[chain.priority]
    if (chain.hook, chain.priority) == ("output", Priority.DSTNAT):
        priority = f"{int(chain.priority)}"  # nft has the name for `prerouting` alone
    # Of a set that may be empty, there are no lines.
    printed = ((comment, lines) for comment, lines in of_chain(chain, ruleset) if lines)
    rules = _told_once({"comment": comment, "lines": list(map(Verbatim, lines))} for comment, lines in printed)
    if chain.log:
        rules.append({"comment": [], "lines": [Verbatim(_log(chain.hook))]})
    return {
        "name": Verbatim(f"{chain.hook}{suffix}"),
        "type": Verbatim(_type(chain)),
        "hook": Verbatim(chain.hook),
        "priority": Verbatim(priority),
        "policy": Verbatim(chain.policy),
        "rules": rules,
    }


def of_chain(chain: Chain, ruleset: Ruleset) -> Iterator[Printed]:
    """Splits of one tunnel have some rules in common. The chain has these once."""
    of_splits: set[str] = set()
    for rule in chain.rules:
        comment, lines = printed(rule, chain, ruleset)
        if isinstance(rule, SplitRule):
            lines = [line for line in lines if line not in of_splits]
            of_splits.update(lines)
        yield comment, lines


def _type(chain: Chain) -> str:
    if chain.priority in (Priority.DSTNAT, Priority.SRCNAT):
        return "nat"
    return "route" if (chain.hook, chain.priority) == ("output", Priority.MANGLE) else "filter"


def printed(rule: AnyRule, chain: Chain, ruleset: Ruleset) -> Printed:
    match rule:
        case ReturnMark():
            return mangling.return_mark(rule)
        case Held():
            return mangling.held(rule.mark)
        case Scrub():
            return mangling.scrub(rule.mark)
        case ClampMss():
            return mangling.clamp(rule)
        case SplitRule() | Passed() | Answers():
            return splits.line(rule, chain.hook)
        case Visited():
            return splits.visited(rule)
        case Forwarded() | Published() | Leads() | Moved() | Masquerade() | Hairpin() | SourceNat():
            return nat.printed(rule)
        case QueryRule():
            return nat.query(rule)
        case _:
            return _rule(rule, chain.hook, ruleset)


# ---- what a host takes and passes on -------------------------------------------------------------------------

ALWAYS: dict[Always, Printed] = {
    Always.ESTABLISHED: ([], ["ct state established,related accept"]),
    Always.LOOPBACK: ([], ['iifname "lo" accept']),
    Always.NEIGHBOURS: (
        ["Neighbour discovery and MLD: conntrack does not track them."],
        [
            "icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } accept",
            "ip6 saddr fe80::/10 icmpv6 type"
            " { mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report } accept",
        ],
    ),
    Always.INVALID: ([], ["ct state invalid drop"]),
    Always.ICMP: (
        ["Echo requests, and errors: path MTU discovery needs them."],
        [
            "icmp type { echo-request, destination-unreachable, time-exceeded, parameter-problem } accept",
            "icmpv6 type"
            " { echo-request, destination-unreachable, packet-too-big, time-exceeded, parameter-problem } accept",
        ],
    ),
    Always.DHCP: (
        ["DHCP replies. To conntrack they are new: the requests went to a broadcast or multicast address."],
        [
            "meta nfproto ipv4 udp sport 67 udp dport 68 accept",
            "ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept",
        ],
    ),
}
"""Comment and rules."""


def _rule(rule: InputRule | ForwardRule, hook: str, ruleset: Ruleset) -> Printed:
    match rule:
        case Always():
            return ALWAYS[rule]
        case RepliesOnly():
            return [origin(rule.origin)], _guard(rule, hook, ruleset)
        case Stranger():
            return _why_stranger(rule, ruleset), _stranger(rule, hook, ruleset)
        case Closed(stranger=stranger, port=port):
            openings = [line for opening in rule.openings for line in _opening(opening, ruleset)]
            drops = [f"iifname {quoted(stranger.device)} {what} drop" for what in _ports((port,))]
            return [origin(stranger.origin)], [*openings, *drops]
        case NoRouters(strangers=strangers):
            kinds = "{ nd-router-solicit, nd-router-advert }"
            entering = _any([quoted(one.device) for one in strangers])
            return ["No tunnel to strangers has a router."], [f"iifname {entering} icmpv6 type {kinds} drop"]
        case NoStrangers(strangers=strangers):
            entering = f"iifname {_any([quoted(one.device) for one in strangers])}"
            logs = [f"{entering} {_log(hook)}"] if ruleset.filter and ruleset.filter.log else []
            return [NO_STRANGERS[hook]], [*logs, f"{entering} drop"]
        case Denial():
            return [origin(rule.origin)], [f"{source} drop" for _, source in _from(rule.sources, ruleset)]
        case Opening():
            return [origin(rule.origin)], list(_opening(rule, ruleset))
        case Passage():
            return [origin(rule.origin)], [f"iifname {quoted(rule.entering)} oifname {quoted(rule.leaving)} accept"]
        case Transit():
            ways = devices(rule.devices)
            return [origin(rule.origin)], [f"iifname {ways} oifname {ways} accept"]
        case DockerBridges():
            return [f"{origin(rule.origin)}: {WHY_DOCKER}"], list(_docker(rule))
        case Led():
            why = ["Forwarded and published ports, by the address that DNAT gave them."]
            return why, [_led(*target) for target in rule.targets]


def _led(device: InterfaceName | None, to: IPAddress) -> str:
    entering = f"iifname {quoted(device)} " if device else ""
    return f"{entering}{FAMILIES[to.version]} daddr {token(to)} ct status dnat accept"


WHY_DOCKER = "ports that Docker publishes, and its containers' own connections. Docker's rules decide."


def _docker(rule: DockerBridges) -> Iterator[str]:
    for name in DOCKER_BRIDGES:
        entering, leaving = f'iifname "{name}"', f'oifname "{name}"'
        if name.endswith("*"):  # but for what netc made
            entering, leaving = f"{entering} iifgroup != {PROTOCOL}", f"{leaving} oifgroup != {PROTOCOL}"
        yield f"{leaving} ct status dnat accept"
        yield f"{entering} {leaving} accept"
        if rule.uplinks:
            yield f"{entering} oifname {devices(rule.uplinks)} accept"


def _guard(guard: RepliesOnly, hook: str, ruleset: Ruleset) -> list[str]:
    device = quoted(guard.device)
    replies = f"iifname {device} jump replies"
    if hook == "output":
        return [f"oifname {device} jump replies"]
    if hook == "input":
        return [replies]
    if ruleset.filter:  # whose rules decide about published ports
        return [replies, f"oifname {device} ct status ! dnat drop"]
    return [replies, f"oifname {device} ct status dnat accept", f"oifname {device} drop"]


def _why_stranger(stranger: Stranger, ruleset: Ruleset) -> list[str]:
    why = f"{origin(stranger.origin)}: the tunnel leads to strangers. Only replies and the ports of `open` come in."
    return [why if ruleset.namespace else origin(stranger.origin)]


def _stranger(stranger: Stranger, hook: str, ruleset: Ruleset) -> list[str]:
    entering = f"iifname {quoted(stranger.device)}"
    replies = f"{entering} ct state established,related accept"
    own = (opening.by(stranger.device) for opening in stranger.openings)
    openings = [line for opening in own for line in _opening(opening, ruleset)]
    if hook == "input":
        found = f"{entering} icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert }} accept"
        return [replies, found, *openings, f"{entering} drop"]
    places = (to for device, to in led(ruleset) if device in (None, stranger.device))
    return [replies, *(_led(stranger.device, to) for to in places), f"{entering} drop"]


def _opening(opening: Opening, ruleset: Ruleset) -> Iterator[str]:
    entering = f"iifname {_any([quoted(name) for name in opening.devices])}" if opening.devices else ""
    whats = _ports(opening.ports) if opening.protocol is None else [f"meta l4proto {token(opening.protocol)}"]
    for source_family, source in _from(opening.sources, ruleset):
        for family, to in _to(opening.on):
            if None in (source_family, family) or source_family == family:
                for what in whats:
                    yield " ".join(filter(None, (entering, source, to, what, "accept")))


def _to(on: Sequence[IPAddress]) -> list[tuple[int | None, str]]:
    of = {family: [ip for ip in on if ip.version == family] for family in FAMILIES}
    return [(family, f"{FAMILIES[family]} daddr {members(ips)}") for family, ips in of.items() if ips] or [(None, "")]


def _ports(named: Sequence[Ports]) -> list[str]:
    protocols = dict.fromkeys(ports.protocol for ports in named)
    spans = {protocol: [ports.span for ports in named if ports.protocol == protocol] for protocol in protocols}
    return [f"{protocol} dport {_any(spans[protocol])}" for protocol in protocols] or [""]


def _from(named: Sources | None, ruleset: Ruleset) -> Iterator[tuple[int | None, str]]:
    """A match for each family and set, with its family."""
    if named is None:
        yield None, ""
        return
    for family, spelling in FAMILIES.items():
        nets = [net for net in named.prefixes if net.version == family]
        if nets:
            yield family, f"{spelling} saddr {members([net.ip if net.size == 1 else net for net in nets])}"
        for found in named_sets(named, ruleset):
            yield from ((family, match) for match in sets.matches(found, family, "saddr", ruleset))


def _any(spellings: Sequence[str]) -> str:
    return spellings[0] if len(spellings) == 1 else "{ " + ", ".join(spellings) + " }"
