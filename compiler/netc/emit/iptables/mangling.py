"""Marks, segments, and that what was chosen for a tunnel leaves by it alone."""

from __future__ import annotations

from collections.abc import Iterator

from netc.emit.iptables import splits
from netc.emit.iptables.words import Rule, entering, leaving, masked, places, said, segment
from netc.language.values import Family
from netc.plan.facts import Ruleset
from netc.plan.ruleset import ReturnMark


def rules(ruleset: Ruleset, family: Family) -> Iterator[Rule]:
    yield from splits.arriving(ruleset, family)
    why = "Whoever came in by a link is answered by it: the connection is marked, and its replies carry the mark."
    for mark in ruleset.marks:
        for words in _arriving(mark, family):
            yield Rule("mangle", "netc-PREROUTING", words, why)
            why = ""
    yield from splits.chosen(ruleset, family)
    yield from _clamps(ruleset)
    yield from splits.leaving_marked(ruleset, family)
    why = "A tunnel's own packets keep the mark of what they carry, and must not follow it into the tunnel."
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
    why = "TCP agrees on segments that fit through the tunnel."
    for clamp in ruleset.clamps:
        for words in (leaving(clamp.device), entering(clamp.device)):
            yield Rule("mangle", "netc-FORWARD", f"{words} {segment(None)}", why)
            why = ""
