"""What is open at a place of a TOML text: lists, tables in braces, a string. The text before it is good TOML."""

from __future__ import annotations

import re

from msgspec import Struct

_TOKEN = re.compile(
    r"""
    \"{3}(?:[^\"\\]+|\\.|\"(?!\"\"))*+\"{3,5} | \'{3}(?:[^\']+|\'(?!\'\'))*+\'{3,5}
    | \"(?!\"\")(?:[^\"\\\n]+|\\.)*+\" | \'(?!\'\')[^\'\n]*+\'
    | \#[^\n]*
    | (?P<open>[\[{]) | (?P<close>[\]}]) | (?P<string>\"{3}|\'{3}|\"|\')
    """,
    re.DOTALL | re.VERBOSE,
)
"""Strings, comments, brackets; a quote that is no string's begins one that is not closed."""


class Open(Struct, frozen=True):
    """Offsets into the text."""

    brackets: tuple[int, ...]
    """Of `[` and `{` that are not closed, the outermost first."""
    string: int | None
    """Of the quote of a string that is not closed."""
    last: int
    """Where the value that was read last begins, if it stands in brackets and ends in the line of the place."""


def open_at(text: str, end: int) -> Open:
    """What is open before `end`; strings and comments hold no brackets."""
    brackets: list[int] = []
    last, last_end, string = end, -1, None
    at = 0
    while token := _TOKEN.search(text, at, end):
        at = token.end()
        if token["open"]:
            brackets.append(token.start())
        elif token["close"] and brackets:
            first = brackets.pop()
            if not brackets:
                last, last_end = first, token.start()
        elif token["string"]:
            string = token.start()
            break
    is_here = last_end >= text.rfind("\n", 0, max(end - 1, 0))
    return Open(tuple(brackets), string, last if is_here else end)
