"""Marks, segments, and that what was chosen for a tunnel leaves by it alone."""

from __future__ import annotations

from collections.abc import Iterator

from netc.emit.iptables import splits
from netc.emit.iptables.words import Rule, because, entering, leaving, masked, one, places, said, segment
from netc.emit.render import token
from netc.language.values import Family
from netc.plan import filtering
from netc.plan.facts import Ruleset
from netc.plan.ruleset import ReturnMark


def rules(ruleset: Ruleset, family: Family) -> Iterator[Rule]:
    yield from splits.arriving(ruleset, family)
    why = (
        "A new connection gets the mark of the interface by which it comes in. Its replies get the same mark, and a "
        "policy rule sends them back by that interface. "
    )
    for mark in ruleset.marks:
        why += f"Mark {mark.mark:#010x}: connections that came in by {token(mark.device)}."
        for words in _arriving(mark, family):
            yield Rule("mangle", "netc-PREROUTING", words, why)
            why = ""
    yield from splits.chosen(ruleset, family)
    yield from _clamps(ruleset)
    yield from splits.leaving_marked(ruleset, family)
    yield from _leaves_by(ruleset, family)
    why = "The kernel copies the mark to outer packets. It is removed, or they would be routed into the tunnel again."
    for mark in ruleset.marks:
        if mark.scrub:
            yield Rule("mangle", "netc-POSTROUTING", f"{leaving(mark.device)} -j MARK --set-xmark {masked(0)}", why)
            why = ""


def _arriving(mark: ReturnMark, family: Family) -> Iterator[str]:
    device = entering(mark.device)
    if mark.scrub:
        yield f"{device} -j MARK --set-xmark {masked(0)}"
    for to in places(mark.on, "dst", family) if mark.on else ("",):
        new = said(device, to, "-m conntrack --ctstate NEW")
        yield f"{new} -j CONNMARK --set-xmark {masked(mark.mark)}"
    reply = f"-m conntrack --ctdir REPLY -m connmark --mark {masked(mark.mark)}"
    yield f"{reply} -j MARK --set-xmark {masked(mark.mark)}"


def _clamps(ruleset: Ruleset) -> Iterator[Rule]:
    why = "TCP segments are made to fit through the tunnel (MSS clamping)."
    for clamp in ruleset.clamps:
        for words in (leaving(clamp.device), entering(clamp.device)):
            yield Rule("mangle", "netc-FORWARD", f"{words} {segment(None)}", why)
            why = ""


def _leaves_by(ruleset: Ruleset, family: Family) -> Iterator[Rule]:
    found = [(fact, by) for fact, by in filtering.leaving(ruleset) if one(family, fact.to)]
    if found:
        why = "While an interface of netc-leaves-by is down, the route to its other end is the default route."
        yield Rule("mangle", "netc-POSTROUTING", "-m conntrack --ctstate DNAT -j netc-leaves-by", why)
    for fact, by in found:
        to, why = f"-d {token(fact.to)}", because(fact.origin)
        if len(by) > 1:  # `! -o` takes one interface
            yield from (Rule("mangle", "netc-leaves-by", f"{to} {leaving(device)} -j RETURN", why) for device in by)
            yield Rule("mangle", "netc-leaves-by", f"{to} -j DROP", why)
        else:
            yield Rule("mangle", "netc-leaves-by", f"{to} ! {leaving(by[0])} -j DROP", why)
