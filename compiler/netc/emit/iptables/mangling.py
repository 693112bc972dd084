"""Marks of connections, and TCP segments."""

from __future__ import annotations

from collections.abc import Iterator

from netc.emit.iptables.words import TCP_OVERHEAD, Line, entering, leaving, masked, places, said, segment
from netc.emit.render import token
from netc.language.values import Family
from netc.plan.ruleset import ClampMss, ReturnMark


def return_mark(mark: ReturnMark, family: Family) -> Iterator[Line]:
    why = (
        "A new connection gets the mark of the interface by which it comes in. Its replies get the same mark, and a "
        f"policy rule sends them back by that interface. Mark {mark.mark:#010x}: connections that came in by "
        f"{token(mark.device)}."
    )
    device = entering(mark.device)
    if mark.scrub:
        yield f"{device} -j MARK --set-xmark {masked(0)}", why
    for to in places(mark.on, "dst", family) if mark.on else ("",):
        new = said(device, to, "-m conntrack --ctstate NEW")
        yield f"{new} -j CONNMARK --set-xmark {masked(mark.mark)}", why
    reply = f"-m conntrack --ctdir REPLY -m connmark --mark {masked(mark.mark)}"
    yield f"{reply} -j MARK --set-xmark {masked(mark.mark)}", why


def held(mark: ReturnMark) -> Iterator[Line]:
    why = f"Replies to what came in by {token(mark.device)} leave by it or are dropped."
    reply = f"-m conntrack --ctdir REPLY -m connmark --mark {masked(mark.mark)}"
    yield f"{reply} -o lo -j RETURN", why
    yield f"{reply} ! {leaving(mark.device)} -j DROP", why


def scrub(mark: ReturnMark) -> Iterator[Line]:
    why = "The kernel copies the mark to outer packets. It is removed, or they would be routed into the tunnel again."
    yield f"{leaving(mark.device)} -j MARK --set-xmark {masked(0)}", why


def clamp(clamp: ClampMss, family: Family) -> Iterator[Line]:
    why = "TCP segments are made to fit through these interfaces (MSS clamping)."
    size = None if clamp.mtu is None else clamp.mtu - TCP_OVERHEAD[family]
    for device in clamp.devices:
        yield f"{leaving(device)} {segment(None if clamp.is_set else size)}", why
        yield f"{entering(device)} {segment(size)}", why
