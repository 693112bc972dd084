"""Diagnostics as text for people, in the form of rustc: what is wrong, the line it stands in, what to do.

It takes diagnostics and the topology's text and returns one string. Text from a file is shown with its control
characters escaped, so that a topology cannot control the reader's terminal, and without its secrets.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable

from netc.diagnostic import Diagnostic, Place, Severity, dotted
from netc.report.findings import Finding, Spot, findings
from netc.report.words import cells as cells_of
from netc.report.words import counted, escaped

WIDEST = 160
"""Columns of a source line; a longer one is cut around its caret."""

MOST = 1000
"""Diagnostics that are shown. Nobody reads more."""

FAR = 1000
"""Characters from a mark that are looked at: some take no column, so more than WIDEST."""

Paint = Callable[[str, str], str]
"""A text and what it is, to the text as a terminal colours it."""

COLOURS = {
    Severity.ERROR: "1;31",
    Severity.WARNING: "1;33",
    Severity.NOTE: "1;36",
    "what": "1",
    "frame": "34",
    "hint": "1;32",
}
"""Of a terminal (ECMA-48 SGR): what is bold, what red, yellow, cyan, blue, green."""


def render(diagnostics: Iterable[Diagnostic], file: str, text: str, *, colour: bool = False) -> str:
    """Errors first, then by place; ends with a count. Empty when there are no diagnostics.

    `file` is the topology as the author named it and `text` what it holds.
    """
    reported = [diagnostic for diagnostic in diagnostics if not diagnostic.acknowledged]
    if not reported:
        return ""
    paint = _coloured if colour else _plain
    said = [_diagnostic(finding, paint) for finding in findings(reported, file, text)[:MOST]]
    rest = f" (the first {MOST} are shown)" if len(reported) > MOST else ""
    return "\n".join([*said, f"{counted(reported)}{rest}\n"])


def _plain(text: str, _: str) -> str:
    return text


def _coloured(text: str, kind: str) -> str:
    return f"\x1b[{COLOURS[kind]}m{text}\x1b[0m" if text else ""


def _diagnostic(finding: Finding, paint: Paint) -> str:
    diagnostic, spots = finding.diagnostic, [spot for spot in (finding.at, *finding.also) if spot]
    margin = max((len(str(spot.place.line)) for spot in spots), default=0)
    severity = paint(f"{diagnostic.severity}[{diagnostic.code}]", diagnostic.severity)
    lines = [f"{severity}{paint(': ' + escaped(diagnostic.what), 'what')}"]
    for spot in spots:
        is_first = spot is finding.at
        arrow = paint("-->" if is_first else ":::", "frame")
        lines.append(f"{'':{margin}}{arrow} {_at(spot)}")
        lines += _snippet(spot.place, margin, diagnostic.severity if is_first else "frame", paint)
    if diagnostic.hint:
        lines.append(f"{'':{margin}} {paint('= hint:', 'hint')} {escaped(diagnostic.hint)}")
    return "\n".join(lines) + "\n"


def _at(spot: Spot) -> str:
    place = spot.place
    return f"{escaped(place.file)}:{place.line}:{place.column}  {escaped(dotted(spot.path))}".rstrip()


def _snippet(place: Place, margin: int, mark: str, paint: Paint) -> list[str]:
    """The line of source with its caret; nothing for a blank line, which shows nothing."""
    if not place.source.strip():
        return []
    # One cell more than characters: what is missing may be missing at the end.
    length = len(place.source) + 1
    first = min(place.column, length) - 1
    last = max(first + 1, min(place.end, length) - 1)
    # A line may have millions of characters, and only those near the mark are shown.
    near, far = max(first - FAR, 0), min(min(last, first + FAR) + FAR, length)
    cells = cells_of((place.source[near:far] + " ")[: far - near])
    first, last = first - near, min(last, far) - near
    start, stop = _window([_width(cell) for cell in cells], first, last)
    cut_left, cut_right = "…" * (near + start > 0), "…" * (near + stop < length)
    source = cut_left + "".join(cells[start:stop]) + cut_right
    before = _width(cut_left + "".join(cells[start:first]))
    caret = "^" * max(1, _width("".join(cells[first : min(last, stop)])))
    blank, number = paint(f"{'':{margin}} |", "frame"), paint(f"{place.line:{margin}} |", "frame")
    return [blank, f"{number} {source.rstrip()}", f"{blank} {' ' * before}{paint(caret, mark)}"]


def _window(widths: list[int], first: int, last: int) -> tuple[int, int]:
    """The cells to show of a line: all if they fit, else the marked ones and as much on each side."""
    if sum(widths) - 1 <= WIDEST:
        return 0, len(widths)
    room = WIDEST - 2 - widths[first]
    start, stop = first, first + 1
    while stop < last and widths[stop] <= room:
        room -= widths[stop]
        stop += 1
    grown = stop >= last
    while grown:
        grown = False
        if start > 0 and widths[start - 1] <= room:
            start, room, grown = start - 1, room - widths[start - 1], True
        if stop < len(widths) and widths[stop] <= room:
            stop, room, grown = stop + 1, room - widths[stop], True
    return start, stop


def _width(text: str) -> int:
    """Columns on a terminal: East Asian characters take two, accents that combine take none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.category(c) in ("Mn", "Me") else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )
