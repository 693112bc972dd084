"""Split tunnels in nft's words: their own chains, as `split.j2` prints them, and their rules in base chains."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netaddr import IPAddress, IPNetwork

from netc.emit.nftables import sets
from netc.emit.nftables.words import (
    MARK,
    REST,
    SYN,
    UNMARKED,
    Printed,
    devices,
    has_mark,
    mark_value,
    quoted,
    segments,
    set_mark,
)
from netc.emit.render import Verbatim, origin, token
from netc.language.units import SliceName
from netc.network.nested import NESTED_MARK
from netc.network.splits import DIRECT_MARK, OUTER_MARK
from netc.plan.chains import Answers, Hook, Passed, SplitRule, Stage, Visited
from netc.plan.facts import Ruleset
from netc.plan.facts.address_set import FAMILIES
from netc.plan.lists import named_sets
from netc.plan.ruleset import Sources, SplitTunnel

OWN = f"WireGuard's own packets ({mark_value(NESTED_MARK)}, {mark_value(OUTER_MARK)})"
OUTER = f"meta mark and {MARK} {{ {mark_value(NESTED_MARK)}, {mark_value(OUTER_MARK)} }} meta l4proto udp"
"""What WireGuard devices send. The kernel keeps the socket of the inner packet, so no rule can ask whose it is."""

ANSWER = "ct direction reply tcp flags & (syn | ack) != syn"

OWNERLESS = (
    'oifname != "lo" ct state { new, invalid } tcp flags & syn == 0',
    'oifname != "lo" tcp flags & (syn | ack) == syn tcp option 30 exists',
)
"""A connection goes on without a flow; another path of a connection begins (MPTCP, RFC 8684). A program itself may do
both; if none has the socket, the kernel repeats what a closed one had to say, or follows the other end."""

ANY_PROGRAM = Verbatim("meta skuid != 4294967295")
"""No user has the id -1. Packets without a socket, such as those that the kernel sends, do not match."""


def values(ruleset: Ruleset) -> dict[str, object]:
    """All that `split.j2` prints."""
    return {
        "splits": [_chains(split, ruleset) for split in ruleset.splits],
        "masks": MASKS,
        "ownerless": any(split.by_owner for split in ruleset.splits),
        "any_program": ANY_PROGRAM,
    }


def guarded(splits: Sequence[SplitTunnel]) -> dict[str, object]:
    """All that `guard.j2` prints: who is chosen, without the lists of what is direct."""
    outer = [Verbatim(f"{_ip(to.version)} daddr {to} meta l4proto {n}") for one in splits for n, to in _outer(one)]
    back = [Verbatim(f"ct state related {word}") for split in splits for word in _back(split)]
    printed = [_guarded(split) for split in splits]
    return {
        "passes": list(dict.fromkeys((*outer, *back))),
        "splits": printed,
        "masks": MASKS,
        "outer": Verbatim(OUTER),
        "own": Verbatim(OWN),
        "answer": Verbatim(ANSWER),
        "ownerless": [Verbatim(one) for one in OWNERLESS if any(split.by_owner for split in splits)],
        "any_program": ANY_PROGRAM,
        "forged": [Verbatim(line) for split in splits if split.of_programs for line in _forged(split)],
        "programs": [one for one in printed if one["of_programs"]],
        "passing": [one for one in printed if not one["of_programs"]],
    }


def _guarded(split: SplitTunnel) -> dict[str, object]:
    return {
        "origin": origin(split.origin),
        "device": quoted(split.device),
        "of_programs": split.of_programs,
        "chosen": list(map(Verbatim, _who(split))),
        "spared": list(map(Verbatim, _spared(split))),
        "resolvers": bool(split.resolvers),
        "value": mark_value(split.mark),
    }


def _chains(split: SplitTunnel, ruleset: Ruleset) -> dict[str, object]:
    return {
        "origin": origin(split.origin),
        "name": split.name,
        "device": quoted(split.device),
        "own": Verbatim('oifname "lo"' if split.of_programs else "fib daddr type local"),
        "direct": list(_direct(split.direct, ruleset)),
        "direct6": split.ipv6 == "direct",
        "resolvers": [{"family": _nfproto(ip.version), "ip": _ip(ip.version), "at": ip} for ip in split.resolvers],
        "refused": list(_refused(split)),
        "value": mark_value(split.mark),
        "of_programs": split.of_programs,
        "serves": _set([ports.span for ports in split.serves]) if split.serves else None,
    }


# ---- in base chains ------------------------------------------------------------------------------------------


def visited(rule: Visited) -> Printed:
    why = ["Visitors of a forward are not chosen: its server answers them."]
    ports = {
        f"iifname {quoted(one.device)} {_ip(one.on.version)} daddr {one.on} {one.ports.protocol} dport {one.ports.span}"
        for one in rule.forwards
    }
    return why, [f"{words} accept" for words in sorted(ports)]


def line(rule: SplitRule | Passed | Answers, hook: Hook) -> Printed:
    match rule:
        case Passed.MARKED:
            why = [
                f"{OWN} are not chosen. Packets of a chosen",
                "connection get its mark again, also those that the kernel sends itself. ICMP errors to the program or",
                "client that opened the connection do not.",
            ]
            return why, [f"{OUTER} accept"]
        case Passed.REPLIES:
            return [], ["ct direction reply accept"]
        case Passed.OWNERLESS:
            why = ["TCP that is of no program is dropped: nothing says whether a split chooses it."]
            return why, [f"{words} jump split_ownerless" for words in OWNERLESS]
        case Answers(judged=True):
            return ["Replies to other incoming connections are not chosen."], ["ct direction reply jump split_direct"]
        case Answers(near=near):
            why = [
                "Replies to other incoming connections are not chosen. But a packet with a forged source makes a reply",
                "of what a program sends there, so only TCP counts, and what leaves to hosts and bridges of netc.",
            ]
            leaving = [f"ct direction reply oifname {devices(near)} jump split_direct"] if near else []
            return why, [f"{ANSWER} accept", *leaving]
        case SplitRule(stage, split):
            return _why(stage, split), list(_lines(stage, split, hook))


WHY = {
    Stage.FORGED: [
        "Programs of a split may not set these bits of a mark themselves (SO_MARK), and leave by the uplink."
    ],
    Stage.CLAIMED: ["New connections by the tunnel of a split get its mark, so replies leave by it."],
    Stage.HELD: [
        "Marked packets leave by the tunnel or are dropped, and so do chosen connections: other software may have set",
        "another mark meanwhile.",
    ],
    Stage.LEAVING: ["TCP segments are made to fit through the tunnel."],
    Stage.SOURCE: [
        "The kernel chose the source address before the mark, so it is that of another interface. `masquerade` would",
        "not do: the kernel forgets it with the device, and last packets of closed connections would leave by the",
        "uplink.",
    ],
}


def _why(stage: Stage, split: SplitTunnel) -> list[str]:
    if stage == Stage.ARRIVING and answers_loopback(split):
        return ["DNAT sends queries for 127.0.0.53 into the tunnel, so `route_localnet` is on here."]
    if stage == Stage.CHOSEN and split.slice and split.others:
        return ["4294967295 is no user: this matches the packets of all programs, and not those of the kernel."]
    return WHY.get(stage, [])


def _lines(stage: Stage, split: SplitTunnel, hook: Hook) -> Iterator[str]:
    device, name = quoted(split.device), token(split.name)
    into = f"{set_mark(split.mark)} accept"
    match stage:
        case Stage.ARRIVING:
            yield from _arriving(split)
        case Stage.CLAIMED:
            free = f"ct mark and {MARK} {{ 0x00000000, {mark_value(split.mark)} }}"
            yield f"iifname {device} ct state new {free} {set_mark(split.mark, 'ct')} accept"
        case Stage.RESUMED:
            entering = f"iifname != {device} " if hook == "prerouting" else ""
            yield f"{entering}{has_mark(split.mark, 'ct')} {into}"
        case Stage.FORGED:
            yield from _forged(split)
        case Stage.OUTER:
            yield from (f"{_ip(to.version)} daddr {to} meta l4proto {number} accept" for number, to in _outer(split))
        case Stage.ERRORS:
            yield from (f"ct state related {back} accept" for back in _back(split))
        case Stage.CHOSEN:
            yield from _chosen(split)
        case Stage.ASKED:
            yield f"{has_mark(split.mark)} jump dns-{name}"
        case Stage.REFUSED:
            yield f"{has_mark(split.mark)} jump refuse-{name}"
        case Stage.HELD:
            yield f"{has_mark(split.mark)} oifname != {{ lo, {device} }} drop"
            begun = f"iifname != {device} ct direction original {has_mark(split.mark, 'ct')}"
            yield f"{begun} oifname != {{ lo, {device} }} drop"
        case Stage.LEAVING:
            if split.outer:
                yield f"oifname {device} {UNMARKED}"
            fitting = list(segments(split.mtu)) or [f"{SYN} set rt mtu"]
            yield from (f"oifname {device} {segment}" for segment in fitting)
        case Stage.SOURCE:
            for ip in split.addresses:
                yield f"oifname {device} {has_mark(split.mark, 'ct')} snat {_ip(ip.version)} to {ip}"


def _outer(split: SplitTunnel) -> Iterator[tuple[int, IPAddress]]:
    if split.outer:
        yield split.outer.protocol, split.outer.remote


def answers_loopback(split: SplitTunnel) -> bool:
    return split.of_programs and any(ip.version == 4 for ip in split.resolvers)


def _arriving(split: SplitTunnel) -> Iterator[str]:
    device = quoted(split.device)
    if answers_loopback(split):
        yield f"iifname {device} ip saddr 127.0.0.0/8 drop"
        yield f"iifname {device} ip daddr 127.0.0.0/8 drop"
    yield from (f"iifname {device} {segment}" for segment in segments(split.mtu))


def _chosen(split: SplitTunnel) -> Iterator[str]:
    yield from (f"{spared} accept" for spared in _spared(split))
    yield from (f"{who} jump split-{token(split.name)}" for who in _who(split))


def _forged(split: SplitTunnel) -> Iterator[str]:
    """Not where the slice has the programs that are not chosen: no rule matches all others."""
    if not (split.slice and split.others):
        others = "meta skuid != 0 " if split.takes_root else ""
        yield from (f"{who} {others}socket mark and {MARK} != 0 drop" for who in _who(split))


def _spared(split: SplitTunnel) -> list[str]:
    """No `!=` would do: it is untrue of programs whose control group is nearer to the root than the slice."""
    return [_in_slice(split.slice)] if split.slice and split.others else []


def _who(split: SplitTunnel) -> list[str]:
    """Groups, users and control groups are looked up on the host, when the ruleset is loaded."""
    unlike = "!= " if split.others else ""
    if split.group:
        return [f'meta skgid {unlike}"{token(split.group)}"']
    if split.user:
        return [f'meta skuid {unlike}"{token(split.user)}"']
    if split.slice:
        return [ANY_PROGRAM if split.others else _in_slice(split.slice)]
    if split.incoming:
        return [f"iifname {quoted(split.incoming)}"]
    return [f"{_ip(family)} saddr {nets}" for family, nets in _by_family(split.sources)]


MASKS = {"mask": Verbatim(MARK), "rest": Verbatim(REST), "direct": mark_value(DIRECT_MARK)}


def _ip(version: int) -> Verbatim:
    return Verbatim("ip" if version == 4 else "ip6")


def _nfproto(version: int) -> Verbatim:
    return Verbatim(f"ipv{version}")


def _in_slice(slice_: SliceName) -> Verbatim:
    path = SliceName(slice_).control_group
    return Verbatim(f'socket cgroupv2 level {path.count("/") + 1} "{path}"')


def _direct(direct: Sources, ruleset: Ruleset) -> Iterator[Verbatim]:
    for family, found in _by_family(direct.prefixes):
        yield Verbatim(f"{_ip(family)} daddr {found}")
    for found_set in named_sets(direct, ruleset):
        for family in FAMILIES:
            yield from map(Verbatim, sets.matches(found_set, family, "daddr", ruleset))


def _back(split: SplitTunnel) -> list[str]:
    """Matches packets to the sources that the split chooses."""
    if split.incoming:
        return [f"oifname {quoted(split.incoming)}"]
    own = [f"{_ip(family)} daddr {found}" for family, found in _by_family(split.sources)]
    return own or ['oifname "lo"']


def _by_family(values: Sequence[IPAddress | IPNetwork]) -> list[tuple[int, Verbatim]]:
    families = [(family, [token(v) for v in values if v.version == family]) for family in (4, 6)]
    return [(family, _set(found)) for family, found in families if found]


def _set(found: list[str]) -> Verbatim:
    return Verbatim(found[0] if len(found) == 1 else "{ " + ", ".join(found) + " }")


def _refused(split: SplitTunnel) -> Iterator[Verbatim]:
    """Rejects IPv6 that the tunnel cannot carry, and DNS queries in a family without a resolver."""
    answered = {ip.version for ip in split.resolvers}
    unanswered = [family for family in (4, 6) if split.resolvers and family not in answered]
    for family in (4, 6):
        if family == 6 and split.ipv6 == "block":
            yield Verbatim("meta nfproto ipv6 meta l4proto tcp reject with tcp reset")
            yield Verbatim("meta nfproto ipv6 reject with icmpx admin-prohibited")
        elif family in unanswered:
            yield Verbatim(f"meta nfproto {_nfproto(family)} tcp dport 53 reject with tcp reset")
            yield Verbatim(f"meta nfproto {_nfproto(family)} udp dport 53 reject with icmpx admin-prohibited")
