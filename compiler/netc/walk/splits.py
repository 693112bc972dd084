"""What splits choose, mark, refuse and hold: their rules in base chains, and the guard over them."""

from __future__ import annotations

from netc.network.forwards import MARK_MASK
from netc.network.nested import NESTED_MARK
from netc.network.splits import DIRECT_MARK, OUTER_MARK
from netc.plan.chains import Answers, Hook, Stage
from netc.plan.ruleset import SplitTunnel
from netc.walk.free import between
from netc.walk.met import (
    ACCEPT,
    Met,
    Verdict,
    in_any,
    in_sources,
    is_ip,
    is_local,
    is_query,
    mark,
    mark_connection,
    unmark,
)
from netc.walk.packet import TCP, UDP, Packet
from netc.walk.stack import LO, is_loopback


def split_rule(met: Met, stage: Stage, split: SplitTunnel, hook: Hook) -> Verdict | None:
    packet = met.packet
    match stage:
        case Stage.ARRIVING:
            answers = split.of_programs and any(ip.version == 4 for ip in split.resolvers)
            if (
                answers
                and met.arriving == split.device
                and packet.family == 4
                and (is_loopback(4, packet.source) or is_loopback(4, packet.to))
            ):
                return Verdict("dropped", split.origin, "127.0.0.0/8 by the tunnel")
        case Stage.CLAIMED:
            free = met.connection.mark & MARK_MASK in (0, split.mark)
            if met.arriving == split.device and met.is_new and free:
                mark_connection(met, split.mark)
                return ACCEPT
        case Stage.RESUMED:
            elsewhere = hook != "prerouting" or met.arriving != split.device
            if elsewhere and met.connection.has_mark(split.mark):
                mark(met, split.mark)
                return ACCEPT
        case Stage.FORGED:
            if packet.mark & MARK_MASK and _is_forger(met, split):
                return Verdict("dropped", split.origin, "a program that the split chooses set a mark itself")
        case Stage.OUTER:
            if split.outer and packet.protocol == split.outer.protocol and is_ip(packet.to, packet, split.outer.remote):
                return ACCEPT
        case Stage.ERRORS:
            if met.state == "related" and _goes_back(met, split):
                return ACCEPT
        case Stage.CHOSEN:
            return _choose(met, split)
        case Stage.REFUSED:
            return _refuse(packet, split) if packet.has_mark(split.mark) else None
        case Stage.HELD:
            begun = met.arriving != split.device and not met.is_reply and met.connection.has_mark(split.mark)
            if (packet.has_mark(split.mark) or begun) and met.leaving not in (LO, split.device):
                return Verdict("dropped", split.origin, f"chosen, and {met.leaving} is not {split.device}")
        case Stage.LEAVING:
            if split.outer:
                unmark(met, split.device)
        case _:
            pass
    return None


def is_outer(packet: Packet) -> bool:
    """What WireGuard devices of netc send themselves."""
    return packet.protocol == UDP and packet.mark & MARK_MASK in (NESTED_MARK, OUTER_MARK)


def is_ownerless(met: Met) -> bool:
    """TCP that no program of the host sends, by any interface but `lo`."""
    return met.owner is None and met.packet.protocol == TCP and met.leaving != LO


def answers(met: Met, rule: Answers) -> Verdict | None:
    """Replies that no split chooses. An answer of TCP opens no connection."""
    if not met.is_reply:
        return None
    if not rule.judged and met.packet.protocol == TCP:
        return ACCEPT
    return _direct(met) if rule.judged or met.leaving in rule.near else None


def _direct(met: Met) -> Verdict:
    if not met.connection.mark & MARK_MASK:
        mark_connection(met, DIRECT_MARK)
    return ACCEPT


def _goes_back(met: Met, split: SplitTunnel) -> bool:
    if split.incoming:
        return met.leaving == split.incoming
    if split.sources:
        return in_any(met.packet.to, met.packet.family, split.sources)
    return met.leaving == LO


def is_chosen(met: Met, split: SplitTunnel) -> bool:
    """Whether it is from somebody that the split chooses."""
    owner = met.owner
    if split.group:
        return owner is not None and (owner.group == split.group) != split.others
    if split.user:
        return owner is not None and (owner.user == split.user) != split.others
    if split.slice:
        return owner is not None and (owner.slice == split.slice) != split.others
    if split.incoming:
        return met.arriving == split.incoming
    return in_any(met.packet.source, met.packet.family, split.sources)


def _is_forger(met: Met, split: SplitTunnel) -> bool:
    """A program that marks packets: WireGuard in user space, which runs as root."""
    none = split.takes_root or (split.slice and split.others)
    return met.owner is not None and not none and is_chosen(met, split)


def _choose(met: Met, split: SplitTunnel) -> Verdict | None:
    """The chain of the split (split.j2)."""
    packet = met.packet
    if split.slice and split.others and met.owner is not None and met.owner.slice == split.slice:
        return ACCEPT
    if not is_chosen(met, split):
        return None
    if (
        met.is_reply
        and packet.protocol == UDP
        and any(between(packet.sport, one.first, one.last) for one in split.serves)
    ):
        return _direct(met)
    if not (split.resolvers and is_query(packet, 53, 853)):
        own = met.leaving == LO if split.of_programs else is_local(met)
        if own:
            return ACCEPT
        direct = in_sources(met, packet.to, split.direct) or (split.ipv6 == "direct" and packet.family == 6)
        if direct:
            return _direct(met)
    if split.of_programs and met.is_reply and not met.connection.has_mark(split.mark):
        return Verdict("dropped", split.origin, f"an answer by {split.device} to a client of the host")
    mark_connection(met, split.mark)
    mark(met, split.mark)
    return ACCEPT


def _refuse(packet: Packet, split: SplitTunnel) -> Verdict | None:
    if packet.family == 6 and split.ipv6 == "block":
        return Verdict("rejected", split.origin, "the split blocks IPv6")
    answered = {ip.version for ip in split.resolvers}
    if split.resolvers and packet.family not in answered and is_query(packet):
        return Verdict("rejected", split.origin, f"no resolver of the split has an IPv{packet.family} address")
    return None


def guarded(met: Met, hook: Hook) -> Verdict:
    """The second guard over splits (guard.j2), which is there also while the packet filter is not."""
    guard, packet = met.stack.guard, met.packet
    if guard is None or (hook == "forward" and packet.mark & MARK_MASK):
        return ACCEPT
    if hook == "output":
        if is_outer(packet) or any(packet.has_mark(split.mark) for split in guard.splits):
            return ACCEPT
        outer = (one.outer for one in guard.splits if one.outer)
        if any(packet.protocol == one.protocol and is_ip(packet.to, packet, one.remote) for one in outer):
            return ACCEPT
        if met.state == "related" and any(_goes_back(met, split) for split in guard.splits):
            return ACCEPT
    for split in guard.splits:
        if met.connection.has_mark(split.mark) and (hook == "output" or met.arriving != split.device):
            return Verdict("dropped", split.origin, "its connection is chosen and it has no mark")
    if hook == "output" and is_ownerless(met) and any(split.by_owner for split in guard.splits):
        return Verdict("dropped", guard.origin, "TCP of no program")
    if met.connection.mark & MARK_MASK or (met.is_reply and (hook == "forward" or packet.protocol == TCP)):
        return ACCEPT
    for split in guard.splits:
        if split.of_programs != (hook == "output") or not is_chosen(met, split):
            continue
        spared = split.slice and split.others and met.owner is not None and met.owner.slice == split.slice
        asks = split.resolvers and is_query(packet, 53, 853)
        if not spared and (hook == "forward" or met.leaving != LO or asks):
            return Verdict("dropped", split.origin, "chosen, and the packet filter has not judged it")
    return ACCEPT
