"""The filter: packets to the host, packets that it forwards, and packets that leave a namespace."""

from __future__ import annotations

from collections.abc import Iterator

from netc.emit.iptables.words import Rule, Table, because, dialled, entering, leaving, one, places, said, sources
from netc.language.values import Family
from netc.plan.chains import Chain, Hook
from netc.plan.facts import Ruleset
from netc.plan.filtering import NO_STRANGERS, Always, Closed, Led, NoRouters, NoStrangers, led
from netc.plan.ruleset import DOCKER_BRIDGES, Denial, DockerBridges, Opening, Passage, RepliesOnly, Stranger, Transit
from netc.plan.step import PROTOCOL

ByStrangers = Stranger | Closed | NoRouters | NoStrangers
Judged = RepliesOnly | ByStrangers | Always | Denial | Opening | Led | Passage | DockerBridges

ESTABLISHED = "-m conntrack --ctstate RELATED,ESTABLISHED"


def rules(chain: Chain, table: Table, name: str, ruleset: Ruleset, family: Family) -> Iterator[Rule]:
    for rule in chain.rules:
        if isinstance(rule, Transit):
            rest = f"netc-passing{ruleset.transits.index(rule) or ''}"
            yield from _transit(rule, name, rest)
            name = rest
        elif isinstance(rule, Judged):
            yield from (Rule(table, name, *line) for line in _lines(rule, chain.hook, family, ruleset))
        else:
            raise TypeError(f"{rule!r} is no rule of the filter")
    if chain.log:
        yield from (Rule(table, name, words) for words in _logs(chain.hook, ruleset))
    if chain.policy == "drop":
        yield Rule(table, name, "-j DROP")


def _logs(hook: Hook, ruleset: Ruleset) -> list[str]:
    """What a drop is logged by."""
    log = f'-j LOG --log-prefix "netc {hook}: " --log-level info'
    wanted = ruleset.filter and ruleset.filter.log
    return [f"-m limit --limit 5/second --limit-burst 20 {log}"] if wanted else []


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


def replies(table: Table, family: Family) -> Iterator[Rule]:
    """The chain that guards of namespaces jump to."""
    chain = "netc-replies"
    yield Rule(table, chain, f"{ESTABLISHED} --ctdir REPLY -j RETURN")
    if family == 6:
        yield Rule(table, chain, "-p icmpv6 --icmpv6-type neighbour-solicitation -j RETURN")
        yield Rule(table, chain, "-p icmpv6 --icmpv6-type neighbour-advertisement -j RETURN")
    yield Rule(table, chain, "-j DROP")


def _lines(rule: Judged, hook: Hook, family: Family, ruleset: Ruleset) -> Iterator[tuple[str, str]]:
    """Rules and their comments: the first has one."""
    why, lines = _words(rule, hook, family, ruleset)
    for words in lines:
        yield words, why
        why = ""


def _words(rule: Judged, hook: Hook, family: Family, ruleset: Ruleset) -> tuple[str, list[str]]:
    match rule:
        case Always():
            return ALWAYS[rule][0], list(ALWAYS[rule][1].get(family, ()))
        case RepliesOnly():
            what = "new connections leave by the tunnel alone. By the veth pair only replies leave."
            return because(rule.origin, what if ruleset.namespace else ""), _guard(rule, hook, ruleset)
        case Stranger():
            what = "the tunnel leads to strangers. Only replies and the ports of `open` come in."
            return because(rule.origin, what if ruleset.namespace else ""), _stranger(rule, hook, family, ruleset)
        case Closed(stranger=stranger, port=port):
            openings = [said(words, "-j RETURN") for it in rule.openings for words in _opening(it, family, ruleset)]
            drops = [f"{entering(stranger.device)} {ports} -j DROP" for ports in dialled((port,))]
            return because(stranger.origin), [*openings, *drops]
        case NoRouters(strangers=strangers):
            kinds = _icmp(6, "router-solicitation", "router-advertisement", verdict="DROP") if family == 6 else []
            drops = [f"{entering(stranger.device)} {words}" for stranger in strangers for words in kinds]
            return "No tunnel to strangers has a router.", drops
        case NoStrangers(strangers=strangers):
            return NO_STRANGERS[hook], [
                f"{entering(stranger.device)} {words}"
                for stranger in strangers
                for words in (*_logs(hook, ruleset), "-j DROP")
            ]
        case Denial():
            return because(rule.origin), [f"{it} -j DROP" for it in sources(rule.sources, "src", family, ruleset)]
        case Opening():
            return because(rule.origin), [said(words, "-j RETURN") for words in _opening(rule, family, ruleset)]
        case Passage():
            return because(rule.origin), [f"{entering(rule.entering)} {leaving(rule.leaving)} -j RETURN"]
        case DockerBridges():
            why = "ports that Docker publishes, and its containers' own connections. Docker's rules decide."
            return because(rule.origin, why), [f"{words} -j RETURN" for words in _docker(rule)]
        case Led():
            why = "Forwarded and published ports, by the address that DNAT gave them."
            targets = [(device, to) for device, to in rule.targets if one(family, to)]
            return why, [
                said(entering(device), f"-d {to} -m conntrack --ctstate DNAT -j RETURN") for device, to in targets
            ]


def _docker(rule: DockerBridges) -> Iterator[str]:
    for name in DOCKER_BRIDGES:
        came, goes = f"-i {name}", f"-o {name}"
        if name.endswith("*"):  # but for what netc made
            came = f"-i {name[:-1]}+ -m devgroup ! --src-group {PROTOCOL}"
            goes = f"-o {name[:-1]}+ -m devgroup ! --dst-group {PROTOCOL}"
        yield f"{goes} -m conntrack --ctstate DNAT"
        yield f"{came} {goes}"
        yield from (f"{came} {leaving(uplink)}" for uplink in rule.uplinks)


def _guard(guard: RepliesOnly, hook: Hook, ruleset: Ruleset) -> list[str]:
    replies = f"{entering(guard.device)} -g netc-replies"
    out = leaving(guard.device)
    if hook == "output":
        return [f"{out} -g netc-replies"]
    if hook == "input":
        return [replies]
    if ruleset.filter:  # whose rules decide about published ports
        return [replies, f"{out} -m conntrack ! --ctstate DNAT -j DROP"]
    return [replies, f"{out} -m conntrack --ctstate DNAT -j RETURN", f"{out} -j DROP"]


def _stranger(stranger: Stranger, hook: Hook, family: Family, ruleset: Ruleset) -> list[str]:
    device = entering(stranger.device)
    own = (opening.by(stranger.device) for opening in stranger.openings)
    openings = [said(words, "-j RETURN") for one in own for words in _opening(one, family, ruleset)]
    lines = [f"{device} {ESTABLISHED} -j RETURN"]
    if hook == "input":
        found = _icmp(6, "neighbour-solicitation", "neighbour-advertisement") if family == 6 else []
        lines += [f"{device} {words}" for words in found]
        lines += openings
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


def _icmp(family: Family, *kinds: int | str, verdict: str = "RETURN") -> list[str]:
    spelled = "-p icmp --icmp-type" if family == 4 else "-p icmpv6 --icmpv6-type"
    return [f"{spelled} {kind} -j {verdict}" for kind in kinds]


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
