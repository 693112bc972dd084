"""Split tunnels in nft's words, as `split.j2` prints them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netaddr import IPAddress, IPNetwork

from netc.emit.render import Verbatim, origin, token
from netc.language.units import SliceName
from netc.language.values import Family
from netc.network.forwards import MARK_MASK
from netc.network.splits import DIRECT_MARK
from netc.plan.facts import AddressSet, Ruleset
from netc.plan.facts.address_set import FAMILIES
from netc.plan.lists import named_sets
from netc.plan.ruleset import Sources, SplitTunnel

TCP_OVERHEAD = {4: 40, 6: 60}
"""Bytes of the headers of IP (RFC 791, RFC 8200) and TCP (RFC 9293), without options."""


ANY_PROGRAM = Verbatim("meta skuid != 4294967295")
"""No user has the id -1. Packets without a socket, such as those that the kernel sends, do not match."""

SYN = "tcp flags syn / syn,rst tcp option maxseg size"


def values(ruleset: Ruleset) -> dict[str, object]:
    """All that `split.j2` prints."""
    printed = [_printed(split, ruleset) for split in ruleset.splits]
    return {
        "splits": printed,
        "masks": MASKS,
        "programs": [split for split in printed if split["chosen"]],
        "passing": [split for split in printed if split["passed_on"]],
        "programs_ask": [split for split in printed if split["chosen"] and split["resolvers"]],
        "passing_ask": [split for split in printed if split["passed_on"] and split["resolvers"]],
        "programs_refused": [split for split in printed if split["chosen"] and split["refused"]],
        "passing_refused": [split for split in printed if split["passed_on"] and split["refused"]],
    }


def guarded(splits: Sequence[SplitTunnel]) -> dict[str, object]:
    """All that `guard.j2` prints: who is chosen, without the lists of what is direct."""
    printed = [_printed(split, None) for split in splits]
    outer = [word for split in splits if (word := _outer(split))]
    back = [Verbatim(f"ct state related {word}") for split in splits for word in _back(split)]
    return {
        "passes": list(dict.fromkeys((*outer, *back))),
        "splits": printed,
        "masks": MASKS,
        "programs": [split for split in printed if split["chosen"]],
        "passing": [split for split in printed if split["passed_on"]],
    }


def _printed(split: SplitTunnel, ruleset: Ruleset | None) -> dict[str, object]:
    of_programs = _chosen(split) is not None
    return {
        "origin": origin(split.origin),
        "name": split.name,
        "device": Verbatim(f'"{token(split.device)}"'),
        "chosen": _chosen(split),
        "spared": _spared(split),
        "any_program": _chosen(split) == ANY_PROGRAM,
        "passed_on": _passed_on(split),
        "back": _back(split),
        "own": Verbatim('oifname "lo"' if of_programs else "fib daddr type local"),
        "direct": list(_direct(split.direct, ruleset)) if ruleset else [],
        "direct6": split.ipv6 == "direct",
        "resolvers": [{"family": _nfproto(ip.version), "ip": _ip(ip.version), "at": ip} for ip in split.resolvers],
        "refused": list(_refused(split)),
        "outer": _outer(split),
        "answers_loopback": of_programs and any(ip.version == 4 for ip in split.resolvers),
        "leaving": list(_segments(split.mtu)) or [Verbatim(f"{SYN} set rt mtu")],
        "arriving": list(_segments(split.mtu)),
        "leaving_from": [{"family": _ip(ip.version), "ip": ip} for ip in split.addresses],
        "value": Verbatim(f"{split.mark:#010x}"),
    }


def set_name(found: AddressSet, family: Family) -> Verbatim:
    """No keyword of nft's begins so."""
    return Verbatim(f"set{family}_{token(found.name)}")


MASKS = {
    "mask": Verbatim(f"{MARK_MASK:#010x}"),
    "rest": Verbatim(f"{MARK_MASK ^ 0xFFFFFFFF:#010x}"),
    "direct": Verbatim(f"{DIRECT_MARK:#010x}"),
}


def _ip(version: int) -> Verbatim:
    return Verbatim("ip" if version == 4 else "ip6")


def _nfproto(version: int) -> Verbatim:
    return Verbatim(f"ipv{version}")


def _chosen(split: SplitTunnel) -> Verbatim | None:
    """Programs; groups, users and control groups are looked up on the host, when the ruleset is loaded."""
    unlike = "!= " if split.others else ""
    if split.group:
        return Verbatim(f'meta skgid {unlike}"{token(split.group)}"')
    if split.user:
        return Verbatim(f'meta skuid {unlike}"{token(split.user)}"')
    if split.slice:
        return ANY_PROGRAM if split.others else _in_slice(split.slice)
    return None


def _spared(split: SplitTunnel) -> Verbatim | None:
    """No `!=` would do: it is untrue of programs whose control group is nearer to the root than the slice."""
    return _in_slice(split.slice) if split.slice and split.others else None


def _in_slice(slice_: SliceName) -> Verbatim:
    path = SliceName(slice_).control_group
    return Verbatim(f'socket cgroupv2 level {path.count("/") + 1} "{path}"')


def _passed_on(split: SplitTunnel) -> list[Verbatim]:
    if split.incoming:
        return [Verbatim(f'iifname "{token(split.incoming)}"')]
    return [Verbatim(f"{_ip(family)} saddr {found}") for family, found in _by_family(split.sources)]


def _segments(mtu: int | None) -> Iterator[Verbatim]:
    """TCP agrees on no larger ones (RFC 6691). Where the MTU is unknown, only the route of what leaves knows it."""
    for family, overhead in TCP_OVERHEAD.items():
        if mtu is not None:
            size = mtu - overhead
            yield Verbatim(f"meta nfproto {_nfproto(family)} {SYN} > {size} tcp option maxseg size set {size}")


def _direct(direct: Sources, ruleset: Ruleset) -> Iterator[Verbatim]:
    for family, found in _by_family(direct.prefixes):
        yield Verbatim(f"{_ip(family)} daddr {found}")
    for found_set in named_sets(direct, ruleset):
        for family in FAMILIES:
            if found_set.of(family):
                yield Verbatim(f"{_ip(family)} daddr @{set_name(found_set, family)}")


def _back(split: SplitTunnel) -> list[Verbatim]:
    """Matches packets to the sources that the split chooses."""
    if split.incoming:
        return [Verbatim(f'oifname "{token(split.incoming)}"')]
    own = [Verbatim(f"{_ip(family)} daddr {found}") for family, found in _by_family(split.sources)]
    return own or [Verbatim('oifname "lo"')]


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


def _outer(split: SplitTunnel) -> Verbatim | None:
    if split.outer is None:
        return None
    return Verbatim(f"{_ip(split.outer.remote.version)} daddr {split.outer.remote} meta l4proto {split.outer.protocol}")
