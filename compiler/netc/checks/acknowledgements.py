"""Warnings that the author acknowledges are no longer reported. An acknowledgement that matches nothing is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from netc.diagnostic import Diagnostic, KeyPath, Severity, dotted
from netc.language.acknowledgements import Acknowledgement
from netc.language.names import quoted
from netc.language.topology import Topology

SHOWN = 3
"""Places that a hint names."""


def acknowledge(
    diagnostics: Iterable[Diagnostic], topology: Topology, elsewhere: Iterable[Diagnostic] = ()
) -> tuple[Diagnostic, ...]:
    """All diagnostics, with the author's reason where there is one, and what is wrong with acknowledgements.
    `elsewhere`: diagnostics that other runs report, and that may be acknowledged too."""
    found = tuple(dict.fromkeys(diagnostics))
    reasons = {(str(ack.code), ack.at.strip()): ack.reason for ack in topology.acknowledge}
    known = tuple(
        diagnostic
        if diagnostic.severity is Severity.ERROR
        else replace(diagnostic, acknowledged=reasons.get((diagnostic.code, dotted(diagnostic.where)), ""))
        for diagnostic in found
    )
    there: defaultdict[tuple[str, str], list[Diagnostic]] = defaultdict(list)
    unacknowledged: defaultdict[str, list[str]] = defaultdict(list)
    for diagnostic in elsewhere:
        there[diagnostic.code, dotted(diagnostic.where)].append(diagnostic)
    for diagnostic in known if topology.acknowledge else ():
        place = dotted(diagnostic.where)
        there[diagnostic.code, place].append(diagnostic)
        if not diagnostic.acknowledged and len(unacknowledged[diagnostic.code]) < SHOWN:
            unacknowledged[diagnostic.code].append(place)
    failed = any(diagnostic.severity is Severity.ERROR for diagnostic in known)
    wrong = (
        one
        for number, ack in enumerate(topology.acknowledge)
        for one in _wrong(number, ack, there[ack.code, ack.at.strip()], unacknowledged[ack.code], failed=failed)
    )
    return (*known, *wrong)


def _wrong(
    number: int, ack: Acknowledgement, here: list[Diagnostic], others: list[str], *, failed: bool
) -> Iterator[Diagnostic]:
    """`here` are the diagnostics with that code at that place, `others` some places of those that are not acknowledged.
    Where there are errors (`failed`), they may hide other diagnostics."""
    where: KeyPath = ("acknowledge", number)
    if any(diagnostic.severity is Severity.ERROR for diagnostic in here):
        what = f"{ack.code} is an error, and only warnings and notes can be acknowledged"
        yield Diagnostic(
            "NC2802", (*where, "code"), what, "correct the error, and take this table out", (here[0].where,)
        )
    elif not here and not failed:
        what = f"{quoted(ack.at)} has no {ack.code}, so this table has no effect"
        places = ", ".join(f"`{place}`" for place in others)
        hint = f"take it out, or write {places}" if places else "take it out"
        yield Diagnostic("NC2801", (*where, "at"), what, hint, severity=Severity.WARNING)
