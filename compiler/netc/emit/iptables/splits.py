"""Split tunnels, by the tables that they need."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netc.emit.iptables.words import (
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
)
from netc.emit.render import token
from netc.language.values import Family
from netc.network.splits import DIRECT_MARK
from netc.plan.facts import Ruleset
from netc.plan.ruleset import SplitTunnel

TCP_OVERHEAD: dict[Family, int] = {4: 40, 6: 60}
"""Bytes of the headers of IP (RFC 791, RFC 8200) and TCP (RFC 9293), without options."""

DIRECT = "netc-direct"


def carries(split: SplitTunnel) -> str:
    return f"-m mark --mark {masked(split.mark)}"


def into(split: SplitTunnel) -> str:
    return f"netc-into-{split.name}"


def of_programs(split: SplitTunnel) -> bool:
    return bool(split.group or split.user or split.slice)


# ---- mangle ----------------------------------------------------------------------------------------------------


def arriving(ruleset: Ruleset, family: Family) -> Iterator[Rule]:
    for split in ruleset.splits:
        device = entering(split.device)
        if family == 4 and of_programs(split) and any(one(4, resolver) for resolver in split.resolvers):
            why = "DNAT sends queries for 127.0.0.53 into the tunnel, so `route_localnet` is on here."
            yield Rule("mangle", "netc-PREROUTING", f"{device} -s 127.0.0.0/8 -j DROP", why)
            yield Rule("mangle", "netc-PREROUTING", f"{device} -d 127.0.0.0/8 -j DROP")
        if split.mtu is not None:
            yield Rule("mangle", "netc-PREROUTING", f"{device} {segment(split.mtu - TCP_OVERHEAD[family])}")


def chosen(ruleset: Ruleset, family: Family) -> Iterator[Rule]:
    """What goes by a tunnel: what programs send, and what is passed on."""
    if not ruleset.splits:
        return
    yield from _sent(ruleset.splits, family)
    yield from _passed(ruleset.splits, family)
    why = "The guard (guard.nft) lets connections with this mark pass. Those that came in by a forward keep theirs."
    yield Rule("mangle", DIRECT, f"-m connmark --mark {masked(0)} -j CONNMARK --set-xmark {masked(DIRECT_MARK)}", why)
    for split in ruleset.splits:
        yield from _split(split, family, ruleset)


def _sent(splits: Sequence[SplitTunnel], family: Family) -> Iterator[Rule]:
    chain = "netc-OUTPUT"
    why = "Marked packets keep their mark."
    yield Rule("mangle", chain, f"-m mark ! --mark {masked(0)} -j RETURN", why)
    for split in splits:
        what = f"packets of a chosen connection get mark {split.mark:#010x}, also those that the kernel sends itself."
        why = because(split.origin, what)
        if split.outer and one(family, split.outer.remote):
            yield Rule("mangle", chain, f"-d {split.outer.remote} -p {split.outer.protocol} -j RETURN")
        for back in _back(split, family):
            words = said(back, "-m conntrack --ctstate RELATED -j RETURN")
            back_why = "ICMP errors to the program or client that opened a connection are not marked."
            yield Rule("mangle", chain, words, back_why)
        yield Rule("mangle", chain, f"-m connmark --mark {masked(split.mark)} -g {into(split)}", why)
    why = "Replies to other incoming connections are not chosen."
    yield Rule("mangle", chain, "-m conntrack --ctdir REPLY -j RETURN", why)
    for split in splits:
        if of_programs(split):
            yield Rule("mangle", chain, f"{_owner(split)} -g netc-split-{split.name}", because(split.origin))


def _owner(split: SplitTunnel) -> str:
    """The host resolves names and control groups when it loads the rules. Packets that the kernel sends have no owner,
    so they are not matched with `others` either."""
    if split.slice:
        return f"-m cgroup {'! ' if split.others else ''}--path {split.slice.control_group}"
    whose = f"--gid-owner {token(split.group)}" if split.group else f"--uid-owner {token(split.user)}"
    return f"-m owner --socket-exists ! {whose}" if split.others else f"-m owner {whose}"


def _back(split: SplitTunnel, family: Family) -> list[str]:
    """Matches packets to the sources that the split chooses."""
    if split.incoming:
        return [leaving(split.incoming)]
    return list(places(split.sources, "dst", family)) if split.sources else ["-o lo"]


def _passed(splits: Sequence[SplitTunnel], family: Family) -> Iterator[Rule]:
    chain = "netc-PREROUTING"
    for split in splits:
        device = entering(split.device)
        new = f"{device} -m conntrack --ctstate NEW"
        name = token(split.device)
        why = because(split.origin, f"new connections by {name} get mark {split.mark:#010x}, so replies leave by it.")
        yield Rule("mangle", chain, f"{new} -j CONNMARK --set-xmark {masked(split.mark)}", why)
        yield Rule("mangle", chain, f"{new} -j RETURN")
        yield Rule("mangle", chain, f"! {device} -m connmark --mark {masked(split.mark)} -g {into(split)}")
    passing = [split for split in splits if not of_programs(split)]
    if passing:
        yield Rule("mangle", chain, "-m conntrack --ctdir REPLY -j RETURN")
    for split in passing:
        comes = [entering(split.incoming)] if split.incoming else places(split.sources, "src", family)
        for source in comes:
            yield Rule("mangle", chain, f"{source} -g netc-split-{split.name}", because(split.origin))


def _split(split: SplitTunnel, family: Family, ruleset: Ruleset) -> Iterator[Rule]:
    chain = f"netc-split-{split.name}"
    marked = f"get mark {split.mark:#010x} and leave by {token(split.device)}"
    why = because(split.origin, f"chosen packets {marked}, except those that do not get to the end of this chain.")
    if split.resolvers:
        for protocol in ("udp", "tcp"):
            yield Rule("mangle", chain, f"-p {protocol} -m multiport --dports 53,853 -g {into(split)}", why)
            why = ""
    own = "-o lo" if of_programs(split) else "-m addrtype --dst-type LOCAL"
    yield Rule("mangle", chain, f"{own} -j RETURN", why)
    for direct in sources(split.direct, "dst", family, ruleset):
        yield Rule("mangle", chain, f"{direct} -g {DIRECT}")
    if family == 6 and split.ipv6 == "direct":
        yield Rule("mangle", chain, f"-g {DIRECT}")
    else:
        yield Rule("mangle", chain, f"-g {into(split)}")
    yield Rule("mangle", into(split), f"-j CONNMARK --set-xmark {masked(split.mark)}")
    yield Rule("mangle", into(split), f"-j MARK --set-xmark {masked(split.mark)}")


def leaving_marked(ruleset: Ruleset, family: Family) -> Iterator[Rule]:
    chain = "netc-POSTROUTING"
    if ruleset.splits:
        yield Rule(
            "mangle",
            chain,
            "-o lo -j RETURN",
            "Marked packets leave by the tunnel or are dropped. TCP segments are made to fit through it.",
        )
    for split in ruleset.splits:
        device = leaving(split.device)
        yield Rule("mangle", chain, f"{carries(split)} ! {device} -j DROP", because(split.origin))
        size = None if split.mtu is None else split.mtu - TCP_OVERHEAD[family]
        yield Rule("mangle", chain, f"{device} {segment(size)}")
        if split.outer:
            yield Rule("mangle", chain, f"{device} -j MARK --set-xmark {masked(0)}")


# ---- filter ----------------------------------------------------------------------------------------------------


def refused(ruleset: Ruleset, family: Family) -> Iterator[Rule]:
    """Rejects at once, so that programs go on with the other family. connect() fails sooner by a reset than by ICMP."""
    for split in ruleset.splits:
        if words := list(_refused(split, family)):
            chain, hook = f"netc-no-{split.name}", "netc-OUTPUT" if of_programs(split) else "netc-FORWARD"
            why = because(split.origin, "refused at once, so that programs try the other address family.")
            yield Rule("filter", hook, f"{carries(split)} -j {chain}", why)
            yield from (Rule("filter", chain, one_of) for one_of in words)


def _refused(split: SplitTunnel, family: Family) -> Iterator[str]:
    """Rejects IPv6 that the tunnel cannot carry, and DNS queries in a family without a resolver."""
    prohibited = "icmp-admin-prohibited" if family == 4 else "icmp6-adm-prohibited"
    if family == 6 and split.ipv6 == "block":
        yield "-p tcp -j REJECT --reject-with tcp-reset"
        yield f"-j REJECT --reject-with {prohibited}"
    elif split.resolvers and not any(one(family, resolver) for resolver in split.resolvers):
        yield "-p tcp --dport 53 -j REJECT --reject-with tcp-reset"
        yield f"-p udp --dport 53 -j REJECT --reject-with {prohibited}"


# ---- nat -------------------------------------------------------------------------------------------------------


def asked(ruleset: Ruleset, family: Family) -> Iterator[Rule]:
    """DNS queries go to the split's own resolver, whichever server they were sent to."""
    for split in ruleset.splits:
        hook = "netc-OUTPUT" if of_programs(split) else "netc-PREROUTING"
        why = because(split.origin, "DNS queries go to its resolver, whatever server they were sent to.")
        for resolver in split.resolvers:
            for protocol in ("udp", "tcp") if one(family, resolver) else ():
                words = f"{carries(split)} -p {protocol} --dport 53 -j DNAT --to-destination {resolver}"
                yield Rule("nat", hook, words, why)
                why = ""


def leaving_from(ruleset: Ruleset, family: Family) -> Iterator[Rule]:
    """Not by MASQUERADE, which is forgotten with the device: what a closed connection has still to say would go by the
    uplink."""
    why = "The kernel chose the source address before the mark, so it is that of another interface."
    for split in ruleset.splits:
        for address in (ip for ip in split.addresses if one(family, ip)):
            words = f"{leaving(split.device)} -m connmark --mark {masked(split.mark)} -j SNAT --to-source {address}"
            yield Rule("nat", "netc-POSTROUTING", words, why)
