"""Marks of connections, and TCP segments, in nft's words."""

from __future__ import annotations

from netc.emit.nftables.words import (
    FAMILIES,
    SYN,
    UNMARKED,
    Printed,
    devices,
    has_mark,
    mark_value,
    members,
    quoted,
    segments,
    set_mark,
)
from netc.plan.ruleset import ClampMss, ReturnMark


def return_mark(mark: ReturnMark) -> Printed:
    device = quoted(mark.device)
    why = [
        "A new connection gets the mark of the interface by which it comes in. Its replies get the same mark, and a",
        "policy rule sends them back by that interface.",
        f"Mark {mark_value(mark.mark)}: connections that came in by {device}",
    ]
    families = [tuple(net for net in mark.on if net.version == family) for family in (4, 6)]
    to = [f"{FAMILIES[4 if on[0].version == 4 else 6]} daddr {members(on)} " for on in families if on] or [""]
    scrubbed = [f"iifname {device} {UNMARKED}"] if mark.scrub else []
    new = [f"iifname {device} {on}ct state new {set_mark(mark.mark, 'ct')}" for on in to]
    return why, [*scrubbed, *new, f"ct direction reply {has_mark(mark.mark, 'ct')} {set_mark(mark.mark)}"]


def held(mark: ReturnMark) -> Printed:
    device = quoted(mark.device)
    why = [f"Replies to what came in by {device} leave by it or are dropped."]
    return why, [f"ct direction reply {has_mark(mark.mark, 'ct')} oifname != {{ lo, {device} }} drop"]


def scrub(mark: ReturnMark) -> Printed:
    why = [
        "The kernel copies the mark to the outer packet of a tunnel. It is removed, or the outer packet would be",
        "routed into the tunnel again.",
    ]
    return why, [f"oifname {quoted(mark.device)} {UNMARKED}"]


def clamp(clamp: ClampMss) -> Printed:
    why = ["TCP segments are made to fit through these interfaces (MSS clamping)."]
    found = devices(clamp.devices)
    by_route, by_size = [f"{SYN} set rt mtu"], list(segments(clamp.mtu))
    leaving = by_route if clamp.is_set or clamp.mtu is None else by_size
    return why, [
        *(f"oifname {found} {one}" for one in leaving),
        *(f"iifname {found} {one}" for one in by_size or by_route),
    ]
