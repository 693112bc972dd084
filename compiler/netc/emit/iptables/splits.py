"""Split tunnels: their rules in base chains, and the chains that these jump to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from netc.emit.iptables.words import (
    TCP_OVERHEAD,
    Line,
    Rule,
    because,
    entering,
    leaving,
    masked,
    one,
    places,
    said,
    segment,
    sources,
    span,
)
from netc.emit.render import token
from netc.language.values import Family
from netc.network.nested import NESTED_MARK
from netc.network.splits import DIRECT_MARK, OUTER_MARK
from netc.plan.chains import Answers, Hook, Passed, SplitRule, Stage, Visited
from netc.plan.facts import Ruleset
from netc.plan.ruleset import SplitTunnel

DIRECT = "netc-direct"
REPLY = "-m conntrack --ctdir REPLY"
OWNERLESS = ("! --syn -m conntrack --ctstate NEW,INVALID", "--syn --tcp-option 30")
"""What a closed connection repeats after its flow was forgotten, and another path of a connection (MPTCP)."""
OF_KERNEL = "-m owner ! --uid-owner 0-4294967294"
"""Of no program: also what the kernel sends by a socket of its own, such as neighbour advertisements (RFC 4861)."""


def carries(split: SplitTunnel) -> str:
    return f"-m mark --mark {masked(split.mark)}"


def chain_of(split: SplitTunnel) -> str:
    return f"netc-split-{split.name}"


def into(split: SplitTunnel) -> str:
    return f"netc-into-{split.name}"


def refusing(split: SplitTunnel) -> str:
    return f"netc-no-{split.name}"


# ---- in base chains ------------------------------------------------------------------------------------------


def lines(rule: SplitRule | Passed | Answers, hook: Hook, family: Family) -> Iterable[Line]:
    match rule:
        case Passed.MARKED:
            marks = (NESTED_MARK, OUTER_MARK)
            why = f"WireGuard's own packets ({marks[0]:#010x}, {marks[1]:#010x}) are not chosen."
            return [(f"-p udp -m mark --mark {masked(mark)} -j RETURN", why) for mark in marks]
        case Passed.OWNERLESS:
            why = "TCP that is of no program is dropped: nothing says whether a split chooses it."
            return [(f"! -o lo -p tcp {words} -m owner ! --socket-exists -j DROP", why) for words in OWNERLESS]
        case Passed.REPLIES:
            return [(f"{REPLY} -j RETURN", "Replies to other incoming connections are not chosen.")]
        case Answers(judged=True):
            return [(f"{REPLY} -g {DIRECT}", "Replies to other incoming connections are not chosen.")]
        case Answers(near=near):
            why = (
                "Replies to other incoming connections are not chosen. But a packet with a forged source makes a reply "
                "of what a program sends there, so only TCP counts, and what leaves to hosts and bridges of netc."
            )
            words = [f"-p tcp ! --tcp-flags SYN,ACK SYN {REPLY} -j RETURN"]
            words += [f"{leaving(device)} {REPLY} -g {DIRECT}" for device in near]
            return [(line, why) for line in words]
        case SplitRule(stage, split):
            why = because(
                split.origin, WHY.get(stage, "").format(mark=f"{split.mark:#010x}", device=token(split.device))
            )
            return [(words, why) for words in _lines(stage, split, hook, family)]


def visited(rule: Visited, family: Family) -> Iterator[Line]:
    why = "Visitors of a forward are not chosen: its server answers them."
    for fact in rule.forwards:
        if one(family, fact.on):
            ports = f"-p {fact.ports.protocol} --dport {span(fact.ports)}"
            yield f"{entering(fact.device)} -d {fact.on} {ports} -j RETURN", why


WHY = {
    Stage.ARRIVING: "nothing from or to 127.0.0.0/8 comes by the tunnel, and TCP segments fit through it.",
    Stage.CLAIMED: "new connections by {device} get mark {mark}, so replies leave by it.",
    Stage.ERRORS: "ICMP errors to the program or client that opened a connection are not marked.",
    Stage.RESUMED: "packets of a chosen connection get mark {mark}, also those that the kernel sends itself.",
    Stage.ASKED: "DNS queries go to its resolver, whatever server they were sent to.",
    Stage.REFUSED: "refused at once, so that programs try the other address family.",
    Stage.HELD: "packets with mark {mark}, and connections that have it, leave by {device} or are dropped.",
    Stage.LEAVING: "TCP segments are made to fit through {device}.",
    Stage.SOURCE: "the kernel chose the source address before the mark, so it is that of another interface.",
}


def _lines(stage: Stage, split: SplitTunnel, hook: Hook, family: Family) -> Iterator[str]:
    device, marked = leaving(split.device), masked(split.mark)
    match stage:
        case Stage.FORGED:
            pass  # iptables does not match the mark of a socket. The guard does
        case Stage.ARRIVING:
            yield from _arriving(split, family)
        case Stage.CLAIMED:
            new = f"{entering(split.device)} -m conntrack --ctstate NEW"
            yield f"{new} -m connmark --mark {masked(0)} -j CONNMARK --set-xmark {marked}"
            yield f"{new} -m connmark --mark {marked} -j RETURN"
        case Stage.RESUMED:
            yield said(
                f"! {entering(split.device)}" if hook == "prerouting" else "",
                f"-m connmark --mark {marked} -g {into(split)}",
            )
        case Stage.OUTER:
            if split.outer and one(family, split.outer.remote):
                yield f"-d {split.outer.remote} -p {split.outer.protocol} -j RETURN"
        case Stage.ERRORS:
            yield from (said(back, "-m conntrack --ctstate RELATED -j RETURN") for back in _back(split, family))
        case Stage.CHOSEN:
            if split.of_programs and split.others:
                yield f"{OF_KERNEL} -j RETURN"
            yield from (f"{who} -g {chain_of(split)}" for who in _chosen(split, family))
        case Stage.ASKED:
            for resolver in (ip for ip in split.resolvers if one(family, ip)):
                for protocol in ("udp", "tcp"):
                    yield f"{carries(split)} -p {protocol} --dport 53 -j DNAT --to-destination {resolver}"
        case Stage.REFUSED:
            yield from (f"{carries(split)} -j {refusing(split)}" for _ in list(_refused(split, family))[:1])
        case Stage.HELD:
            begun = f"! {entering(split.device)} -m connmark --mark {marked} -m conntrack --ctdir ORIGINAL"
            for held in (carries(split), begun):  # other software may have set another mark meanwhile
                yield f"{held} -o lo -j RETURN"
                yield f"{held} ! {device} -j DROP"
        case Stage.LEAVING:
            yield f"{device} {segment(None if split.mtu is None else split.mtu - TCP_OVERHEAD[family])}"
            if split.outer:
                yield f"{device} -j MARK --set-xmark {masked(0)}"
        case Stage.SOURCE:
            # Not by MASQUERADE, which is forgotten with the device: what a closed connection has still to say would go
            # by the uplink.
            for address in (ip for ip in split.addresses if one(family, ip)):
                yield f"{device} -m connmark --mark {marked} -j SNAT --to-source {address}"


def _arriving(split: SplitTunnel, family: Family) -> Iterator[str]:
    """DNAT sends queries for 127.0.0.53 into the tunnel, so `route_localnet` is on there."""
    device = entering(split.device)
    if family == 4 and split.of_programs and any(one(4, resolver) for resolver in split.resolvers):
        yield f"{device} -s 127.0.0.0/8 -j DROP"
        yield f"{device} -d 127.0.0.0/8 -j DROP"
    if split.mtu is not None:
        yield f"{device} {segment(split.mtu - TCP_OVERHEAD[family])}"


def _chosen(split: SplitTunnel, family: Family) -> Iterable[str]:
    if split.of_programs:
        return [_owner(split)]
    return [entering(split.incoming)] if split.incoming else places(split.sources, "src", family)


def _owner(split: SplitTunnel) -> str:
    """The host resolves names and control groups when it loads the rules. Packets that the kernel sends have no owner.
    With `others` those of its own sockets would match all the same: OF_KERNEL comes first."""
    if split.slice:
        return f"-m cgroup {'! ' if split.others else ''}--path {split.slice.control_group}"
    whose = f"--gid-owner {token(split.group)}" if split.group else f"--uid-owner {token(split.user)}"
    return f"-m owner --socket-exists ! {whose}" if split.others else f"-m owner {whose}"


def _back(split: SplitTunnel, family: Family) -> list[str]:
    """Matches packets to the sources that the split chooses."""
    if split.incoming:
        return [leaving(split.incoming)]
    return list(places(split.sources, "dst", family)) if split.sources else ["-o lo"]


# ---- chains of its own ---------------------------------------------------------------------------------------


def chains(ruleset: Ruleset, family: Family) -> Iterator[Rule]:
    """Those that base chains jump to."""
    if ruleset.splits:
        why = "The guard (guard.nft) lets connections with this mark pass. Those that came in by a forward keep theirs."
        yield Rule(
            "mangle", DIRECT, f"-m connmark --mark {masked(0)} -j CONNMARK --set-xmark {masked(DIRECT_MARK)}", why
        )
    for split in ruleset.splits:
        yield from _split(split, family, ruleset)
        if split.refuses:
            yield from (Rule("filter", refusing(split), words) for words in _refused(split, family))


def _split(split: SplitTunnel, family: Family, ruleset: Ruleset) -> Iterator[Rule]:
    chain = chain_of(split)
    marked = f"get mark {split.mark:#010x} and leave by {token(split.device)}"
    why = because(split.origin, f"chosen packets {marked}, except those that do not get to the end of this chain.")
    for ports in split.serves:
        yield Rule("mangle", chain, f"-p udp --sport {span(ports)} {REPLY} -g {DIRECT}", why)
        why = ""
    if split.resolvers:
        for protocol in ("udp", "tcp"):
            yield Rule("mangle", chain, f"-p {protocol} -m multiport --dports 53,853 -g {into(split)}", why)
            why = ""
    own = "-o lo" if split.of_programs else "-m addrtype --dst-type LOCAL"
    yield Rule("mangle", chain, f"{own} -j RETURN", why)
    for direct in sources(split.direct, "dst", family, ruleset):
        yield Rule("mangle", chain, f"{direct} -g {DIRECT}")
    if family == 6 and split.ipv6 == "direct":
        yield Rule("mangle", chain, f"-g {DIRECT}")
    else:
        yield Rule("mangle", chain, f"-g {into(split)}")
    if split.of_programs:
        why = "To a client of the host, with an address that is not the tunnel's."
        other = f"{REPLY} -m connmark ! --mark {masked(split.mark)}"
        yield Rule("mangle", into(split), f"{other} -j DROP", why)
    yield Rule("mangle", into(split), f"-j CONNMARK --set-xmark {masked(split.mark)}")
    yield Rule("mangle", into(split), f"-j MARK --set-xmark {masked(split.mark)}")


def _refused(split: SplitTunnel, family: Family) -> Iterator[str]:
    """Rejects IPv6 that the tunnel cannot carry, and DNS queries in a family without a resolver."""
    prohibited = "icmp-admin-prohibited" if family == 4 else "icmp6-adm-prohibited"
    if family == 6 and split.ipv6 == "block":
        yield "-p tcp -j REJECT --reject-with tcp-reset"
        yield f"-j REJECT --reject-with {prohibited}"
    elif split.resolvers and not any(one(family, resolver) for resolver in split.resolvers):
        yield "-p tcp --dport 53 -j REJECT --reject-with tcp-reset"
        yield f"-p udp --dport 53 -j REJECT --reject-with {prohibited}"
