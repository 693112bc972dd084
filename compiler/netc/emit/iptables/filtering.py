"""The filter: packets to the host, packets that it forwards, and packets that leave a namespace.

The rules are in the table `mangle`, which packets pass before `filter`. In `filter` the first rule that accepts a
packet decides, and Docker inserts its rules first whenever it starts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from netc.emit.iptables.words import Rule, because, dialled, entering, leaving, one, places, said, sources
from netc.language.values import Family
from netc.plan.facts import Ruleset
from netc.plan.filtering import Always, ForwardRule, InputRule, Led, forward_rules, input_rules, led
from netc.plan.ruleset import Denial, Opening, Passage, Queries, RepliesOnly, Stranger, Transit

Judged = RepliesOnly | Stranger | Always | Denial | Opening | Led | Passage

ESTABLISHED = "-m conntrack --ctstate RELATED,ESTABLISHED"


def rules(ruleset: Ruleset, family: Family) -> Iterator[Rule]:
    if ruleset.namespace is not None:
        yield from _inside(ruleset, family)
    else:
        wall = ruleset.filter
        yield from _hook("INPUT", input_rules(ruleset), wall.input if wall else "accept", family, ruleset)
        yield from _hook("FORWARD", forward_rules(ruleset), wall.forward if wall else "accept", family, ruleset)
    if ruleset.replies_only:
        yield from _replies(family)


def _hook(
    hook: str, found: Iterable[InputRule | ForwardRule], policy: str, family: Family, ruleset: Ruleset
) -> Iterator[Rule]:
    chain = f"netc-{hook}"
    for rule in found:
        if isinstance(rule, Transit):
            rest = f"netc-passing{ruleset.transits.index(rule) or ''}"
            yield from _transit(rule, chain, rest)
            chain = rest
        else:
            yield from _rule(rule, hook, chain, family, ruleset)
    if ruleset.filter and ruleset.filter.log and policy == "drop":
        log = f'-j LOG --log-prefix "netc {hook.lower()}: " --log-level info'
        yield Rule("mangle", chain, f"-m limit --limit 5/second --limit-burst 20 {log}")
    if policy == "drop":
        yield Rule("mangle", chain, "-j DROP")


def _transit(fact: Transit, chain: str, rest: str) -> Iterator[Rule]:
    """As many rules as there are devices, and not as there are pairs of them: what came in by one and does not leave by
    one goes on in `rest`, where all others are."""
    between = rest.replace("passing", "transit")
    for device in sorted(fact.devices):
        yield Rule("mangle", chain, f"{entering(device)} -g {between}", because(fact.origin))
    yield Rule("mangle", chain, f"-g {rest}")
    for device in sorted(fact.devices):
        yield Rule("mangle", between, f"{leaving(device)} -j RETURN")
    yield Rule("mangle", between, f"-g {rest}")


def _inside(ruleset: Ruleset, family: Family) -> Iterator[Rule]:
    for stranger in ruleset.strangers:
        why = because(stranger.origin, "the tunnel leads to strangers. Only replies and the ports of `open` come in.")
        for words in _stranger(stranger, "INPUT", family, ruleset):
            yield Rule("mangle", "netc-INPUT", words, why)
    for guard in ruleset.replies_only:
        why = because(guard.origin, "new connections leave by the tunnel alone. By the veth pair only replies leave.")
        yield Rule("mangle", "netc-OUTPUT", f"{leaving(guard.device)} -g netc-replies", why)
    yield Rule("mangle", "netc-FORWARD", "-j DROP")
    for queries in ruleset.queries:
        yield from _queries(queries, family)


def _queries(fact: Queries, family: Family) -> Iterator[Rule]:
    if family == 4 and fact.of_loopback:
        why = because(fact.origin, "a query to 127.0.0.53 gets into the tunnel, so `route_localnet` is on there.")
        for side in ("-s", "-d"):
            yield Rule("mangle", "netc-PREROUTING", f"{entering(fact.device)} {side} 127.0.0.0/8 -j DROP", why)
    if not fact.of(family):
        why = because(fact.origin, "no resolver has this family: a refused program goes on with the next server.")
        prohibited = "icmp-admin-prohibited" if family == 4 else "icmp6-adm-prohibited"
        for protocol, answer in (("tcp", "tcp-reset"), ("udp", prohibited)):
            words = f"! -o lo -p {protocol} --dport 53 -j REJECT --reject-with {answer}"
            yield Rule("filter", "netc-OUTPUT", words, why)


def _replies(family: Family) -> Iterator[Rule]:
    chain = "netc-replies"
    yield Rule("mangle", chain, f"{ESTABLISHED} --ctdir REPLY -j RETURN")
    if family == 6:
        yield Rule("mangle", chain, "-p icmpv6 --icmpv6-type neighbour-solicitation -j RETURN")
        yield Rule("mangle", chain, "-p icmpv6 --icmpv6-type neighbour-advertisement -j RETURN")
    yield Rule("mangle", chain, "-j DROP")


def _rule(rule: Judged, hook: str, chain: str, family: Family, ruleset: Ruleset) -> Iterator[Rule]:
    why, lines = _words(rule, hook, family, ruleset)
    for words in lines:
        yield Rule("mangle", chain, words, why)
        why = ""


def _words(rule: Judged, hook: str, family: Family, ruleset: Ruleset) -> tuple[str, list[str]]:
    match rule:
        case Always():
            return ALWAYS[rule][0], list(ALWAYS[rule][1].get(family, ()))
        case RepliesOnly():
            return because(rule.origin), _guard(rule, hook, ruleset)
        case Stranger():
            return because(rule.origin), _stranger(rule, hook, family, ruleset)
        case Denial():
            return because(rule.origin), [f"{it} -j DROP" for it in sources(rule.sources, "src", family, ruleset)]
        case Opening():
            return because(rule.origin), [said(words, "-j RETURN") for words in _opening(rule, family, ruleset)]
        case Passage():
            return because(rule.origin), [f"{entering(rule.entering)} {leaving(rule.leaving)} -j RETURN"]
        case Led():
            why = "Forwarded and published ports, by the address that DNAT gave them."
            targets = [(device, to) for device, to in rule.targets if one(family, to)]
            return why, [
                said(entering(device), f"-d {to} -m conntrack --ctstate DNAT -j RETURN") for device, to in targets
            ]


def _guard(guard: RepliesOnly, hook: str, ruleset: Ruleset) -> list[str]:
    replies = f"{entering(guard.device)} -g netc-replies"
    out = leaving(guard.device)
    if hook == "INPUT":
        return [replies]
    if ruleset.filter:  # whose rules decide about published ports
        return [replies, f"{out} -m conntrack ! --ctstate DNAT -j DROP"]
    return [replies, f"{out} -m conntrack --ctstate DNAT -j RETURN", f"{out} -j DROP"]


def _stranger(stranger: Stranger, hook: str, family: Family, ruleset: Ruleset) -> list[str]:
    device = entering(stranger.device)
    lines = [f"{device} {ESTABLISHED} -j RETURN"]
    if hook == "INPUT":
        found = _icmp(6, "neighbour-solicitation", "neighbour-advertisement") if family == 6 else []
        lines += [f"{device} {words}" for words in found]
        own = (replace(opening, devices=(stranger.device,)) for opening in stranger.openings)
        openings = (words for opening in own for words in _opening(opening, family, ruleset))
        lines += [said(words, "-j RETURN") for words in openings]
    else:
        places = (to for name, to in led(ruleset) if name in (None, stranger.device) and one(family, to))
        lines += [f"{device} -d {to} -m conntrack --ctstate DNAT -j RETURN" for to in places]
    return [*lines, f"{device} -j DROP"]


def _opening(opening: Opening, family: Family, ruleset: Ruleset) -> Iterator[str]:
    ports = list(dialled(opening.ports)) if opening.protocol is None else [f"-p {opening.protocol}"]
    here = list(places(opening.on, "dst", family)) if opening.on else [""]
    for device in opening.devices or (None,):
        for source in sources(opening.sources, "src", family, ruleset):
            for to in here:
                for what in ports:
                    yield said(entering(device), source, to, what)


def _icmp(family: Family, *kinds: int | str) -> list[str]:
    spelled = "-p icmp --icmp-type" if family == 4 else "-p icmpv6 --icmpv6-type"
    return [f"{spelled} {kind} -j RETURN" for kind in kinds]


ERRORS = ("time-exceeded", "parameter-problem", "echo-request")

ALWAYS: dict[Always, tuple[str, dict[Family, list[str]]]] = {
    Always.ESTABLISHED: ("", {family: [f"{ESTABLISHED} -j RETURN"] for family in (4, 6)}),
    Always.LOOPBACK: ("", {family: ["-i lo -j RETURN"] for family in (4, 6)}),
    Always.NEIGHBOURS: (
        "Neighbour discovery and MLD (types 130, 131, 132 and 143): conntrack does not track them.",
        {
            6: [
                *_icmp(6, "router-solicitation", "router-advertisement"),
                *_icmp(6, "neighbour-solicitation", "neighbour-advertisement"),
                *(f"-s fe80::/10 {words}" for words in _icmp(6, 130, 131, 132, 143)),
            ]
        },
    ),
    Always.INVALID: ("", {family: ["-m conntrack --ctstate INVALID -j DROP"] for family in (4, 6)}),
    Always.ICMP: (
        "Echo requests, and errors: path MTU discovery needs them.",
        {
            4: _icmp(4, "destination-unreachable", *ERRORS),
            6: _icmp(6, "destination-unreachable", "packet-too-big", *ERRORS),
        },
    ),
    Always.DHCP: (
        "DHCP replies. To conntrack they are new: the requests went to a broadcast or multicast address.",
        {
            4: ["-p udp --sport 67 --dport 68 -j RETURN"],
            6: ["-s fe80::/10 -p udp --sport 547 --dport 546 -j RETURN"],
        },
    ),
}
"""Comment and rules, by family."""
