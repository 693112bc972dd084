"""Diagnostics with their places, in the order of the report. Every form of report is made from them.

Secrets end here: no source line that leaves this module shows one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from netc.diagnostic import Diagnostic, KeyPath, Place, Severity
from netc.language.secrets import masked

if TYPE_CHECKING:
    from netc.language.spans import Spans


MOST = 5000
"""Diagnostics in a report, errors before others. GitHub shows as many of a SARIF log."""


class Spot(Struct, frozen=True):
    """A place, and the key path that leads there; empty for what no key leads to."""

    place: Place
    path: KeyPath


class Finding(Struct, frozen=True):
    diagnostic: Diagnostic
    at: Spot | None
    """None for what is about nothing in particular."""
    also: tuple[Spot, ...]


def findings(
    diagnostics: Iterable[Diagnostic], file: str, text: str, *, with_acknowledged: bool = False
) -> tuple[Finding, ...]:
    """At most MOST, errors first, then by place; without what is acknowledged, unless it is asked for.

    `file` is the topology as the author named it and `text` what it holds.
    """
    diagnostics = [diagnostic for diagnostic in diagnostics if with_acknowledged or not diagnostic.acknowledged]
    if len(diagnostics) > MOST:
        diagnostics = sorted(diagnostics, key=lambda diagnostic: list(Severity).index(diagnostic.severity))[:MOST]
    if not diagnostics:
        return ()
    sight = _Sight(file, text)
    found = [_finding(diagnostic, sight) for diagnostic in diagnostics]
    return tuple(sorted(found, key=lambda finding: _order(finding, file)))


@dataclass
class _Sight:
    """Where things stand in a text, and what of it is hidden. What is no TOML brings its places along."""

    file: str
    text: str

    @cached_property
    def spans(self) -> Spans:
        from netc.language.spans import Spans  # tree-sitter is loaded only when there is something to show

        return Spans(self.file, self.text)

    @cached_property
    def hidden(self) -> dict[tuple[int, str], str]:
        """Cached: many diagnostics may point to one line."""
        return _hidden_lines(self.text)


def _finding(diagnostic: Diagnostic, sight: _Sight) -> Finding:
    first = None
    if diagnostic.place:
        first = Spot(_hide(diagnostic.place, sight), diagnostic.where)
    elif diagnostic.severity is not Severity.NOTE or diagnostic.where:
        first = Spot(_hide(sight.spans.of(diagnostic.where, on_key=diagnostic.on_key), sight), diagnostic.where)
    return Finding(diagnostic, first, tuple(_other(also, sight) for also in diagnostic.also))


def _other(also: KeyPath | Place, sight: _Sight) -> Spot:
    if isinstance(also, Place):
        return Spot(_hide(also, sight), ())
    return Spot(_hide(sight.spans.of(also), sight), also)


def _hidden_lines(text: str) -> dict[tuple[int, str], str]:
    """Lines of the topology that hold secrets, without them, by number and what they hold."""
    hidden = masked(text.removeprefix("\ufeff")).split("\n")
    lines = zip(text.removeprefix("\ufeff").split("\n"), hidden, strict=True)
    pairs = ((old.removesuffix("\r"), new.removesuffix("\r")) for old, new in lines)
    return {(number, old): new for number, (old, new) in enumerate(pairs, 1) if old != new}


def _hide(place: Place, sight: _Sight) -> Place:
    """Without secrets: in the topology they are known by all of it, in a file beside it by the line alone."""
    key = (place.line, place.source)
    if key not in sight.hidden:
        sight.hidden[key] = masked(place.source)
    return replace(place, source=sight.hidden[key])


def _order(finding: Finding, file: str) -> tuple[object, ...]:
    """Errors before warnings, the topology before files beside it, and last what has no place."""
    rank, code = list(Severity).index(finding.diagnostic.severity), finding.diagnostic.code
    if finding.at is None:
        return rank, True, True, "", 0, 0, code
    place = finding.at.place
    return rank, False, place.file != file, place.file, place.line, place.column, code
