"""Problems as text for people, in the form of rustc: what is wrong, the line it stands in, what to do.

Problems and the topology's text in, one string out. Whatever came from a file is shown with its control
characters escaped, so that a topology cannot steer the terminal of whoever checks it, and without its secrets.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from netc.language.secrets import masked
from netc.problem import KeyPath, Place, Problem, Severity, dotted

if TYPE_CHECKING:
    from netc.language.spans import Spans

WIDEST = 160
"""Columns of a source line; a longer one is cut around its caret."""

LONGEST = 600
"""Characters of a message, a hint or a path; what an author wrote there may be of any length."""

_Block = tuple[str, Place, KeyPath]
"""An arrow, a place and the key path that leads there."""


def render(problems: Iterable[Problem], file: str, text: str) -> str:
    """Errors first, then by place; ends with a count. Empty when there are no problems.

    `file` is the topology as the author named it and `text` what it holds.
    """
    from netc.language.spans import Spans  # tree-sitter is loaded only when there is something to show

    spans, hidden = Spans(file, text), _hidden_lines(text)
    found = [(problem, [_hide(block, hidden) for block in _blocks(problem, spans)]) for problem in problems]
    found.sort(key=_order(file))
    said = [_problem(problem, blocks) for problem, blocks in found]
    return "\n".join([*said, _summary(problem for problem, _ in found)]) if said else ""


def _blocks(problem: Problem, spans: Spans) -> list[_Block]:
    if problem.severity is Severity.NOTE and not problem.where and problem.place is None:
        first: list[_Block] = []
    else:
        place = problem.place or spans.of(problem.where, on_key=problem.on_key)
        first = [("-->", place, problem.where)]
    return first + [(":::", spans.of(path), path) for path in problem.also]


def _hidden_lines(text: str) -> dict[tuple[int, str], str]:
    """Lines of the topology that hold secrets, without them, by number and what they hold."""
    hidden = masked(text.removeprefix("\ufeff")).split("\n")
    lines = zip(text.removeprefix("\ufeff").split("\n"), hidden, strict=True)
    pairs = ((old.removesuffix("\r"), new.removesuffix("\r")) for old, new in lines)
    return {(number, old): new for number, (old, new) in enumerate(pairs, 1) if old != new}


def _hide(block: _Block, hidden: dict[tuple[int, str], str]) -> _Block:
    """Without secrets: in the topology they are known by all of it, in a file beside it by the line alone."""
    arrow, place, path = block
    source = hidden.get((place.line, place.source)) or masked(place.source)
    return arrow, replace(place, source=source), path


def _order(file: str) -> Callable[[tuple[Problem, list[_Block]]], tuple[object, ...]]:
    """Errors before notes, the topology before files beside it, and last what has no place."""

    def key(found: tuple[Problem, list[_Block]]) -> tuple[object, ...]:
        problem, blocks = found
        rank = list(Severity).index(problem.severity)
        if not blocks:
            return rank, True, True, "", 0, 0, problem.code
        place = blocks[0][1]
        return rank, False, place.file != file, place.file, place.line, place.column, problem.code

    return key


def _problem(problem: Problem, blocks: list[_Block]) -> str:
    margin = max((len(str(place.line)) for _, place, _ in blocks), default=0)
    lines = [f"{problem.severity}[{problem.code}]: {_escaped(problem.what)}"]
    for arrow, place, path in blocks:
        at = f"{_escaped(place.file)}:{place.line}:{place.column}  {_escaped(dotted(path))}"
        lines += [f"{'':{margin}}{arrow} {at.rstrip()}", *_snippet(place, margin)]
    if problem.hint:
        lines.append(f"{'':{margin}} = hint: {_escaped(problem.hint)}")
    return "\n".join(lines) + "\n"


def _snippet(place: Place, margin: int) -> list[str]:
    """The line of source with its caret; nothing for a blank line, which shows nothing."""
    if not place.source.strip():
        return []
    # One cell more than characters: what is missing may be missing at the end.
    cells = [_shown(character) for character in place.source] + [" "]
    first = min(place.column, len(cells)) - 1
    last = max(first + 1, min(place.end, len(cells)) - 1)
    start, stop = _window([_width(cell) for cell in cells], first, last)
    cut_left, cut_right = "…" * (start > 0), "…" * (stop < len(cells))
    source = cut_left + "".join(cells[start:stop]) + cut_right
    before = _width(cut_left + "".join(cells[start:first]))
    caret = "^" * max(1, _width("".join(cells[first : min(last, stop)])))
    return [
        f"{'':{margin}} |",
        f"{place.line:{margin}} | {source.rstrip()}",
        f"{'':{margin}} | {' ' * before}{caret}",
    ]


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


def _shown(character: str) -> str:
    """Tabs as four columns; what moves the cursor, hides or turns the text around, as Python writes it."""
    if character == "\t":
        return "    "
    hidden = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
    return ascii(character)[1:-1] if hidden else character


def _escaped(text: str) -> str:
    """For what is shown outside of source lines, where a line break would forge a line of ours."""
    if len(text) > LONGEST:
        text = text[: LONGEST // 2] + "…" + text[-LONGEST // 2 :]
    return "".join(_shown(character) for character in text)


def _width(text: str) -> int:
    """Columns on a terminal: East Asian characters take two, accents that combine take none."""
    return sum(
        0 if unicodedata.category(c) in ("Mn", "Me") else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def _summary(problems: Iterable[Problem]) -> str:
    """`2 errors, 1 note`"""
    count = Counter(problem.severity for problem in problems)
    parts = [f"{count[s]} {s}{'s' * (count[s] != 1)}" for s in Severity if count[s]]
    return ", ".join(parts) + "\n"
