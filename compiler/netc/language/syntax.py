"""What tomllib could not read, said as a Problem in an author's words."""

from __future__ import annotations

import re

from netc.language.secrets import masked
from netc.problem import Place, Problem

SAID: tuple[tuple[str, str, str], ...] = (
    ("Unterminated string|Illegal character '.n'", "a string is not closed", "close it with the quote it began with"),
    ("Expected '=' after a key", "a key is not followed by `=`", "write `key = value`"),
    ("Expected newline or end", "something follows the value", "strings stand in quotes; each key has its own line"),
    ("Invalid value", "no value is written like this", 'strings stand in quotes: `name = "edge"`'),
    ("Cannot (overwrite|mutate|redefine)", "this is there already", "keep one of the two"),
    (r"Cannot declare .* twice", "this table is there already", "put the keys of both under one header"),
    ("Duplicate inline table key", "this is there already", "keep one of the two"),
    ("Unescaped '.{1,2}' in a string", "a `\\` stands alone in a string", "write `\\\\`, or use single quotes"),
    ("Unclosed array", "a list is not closed", "close it with `]`"),
    ("Unclosed inline table", "a table is not closed", "close it with `}`, on the same line"),
    (r"Expected '\]+' at the end", "a header is not closed", "write `[table]`"),
    (
        "Invalid (statement|initial character)",
        "no key begins so",
        "keys are of A-Z, a-z, 0-9, `-`, `_`, or quoted",
    ),
    ("Illegal character|invalid character", "a character that no text holds", "it may be invisible: type it anew"),
    ("Escaped character|Invalid hex", "an escape that means no character", "`\\u` takes four hexadecimal digits"),
    ("Invalid date", "this is no date", "a number or a string was meant?"),
    ("[Rr]ecursion|[Nn]ested", "lists or tables are nested too deeply", "no part of a topology goes so deep"),
    ("Exceeds the limit", "a number has thousands of digits", "no number of a topology is so large"),
)
"""What tomllib says, and what is shown in its place: the mistake and its cure."""


NO_KEY = "no key begins so"


def not_toml(error: Exception, text: str, file: str) -> Problem:
    """tomllib says the place in words, and points behind what is wrong."""
    message = str(error)
    found = re.search(r"\(at line (\d+), column (\d+)\)", message)
    lines = text.split("\n")
    if found:
        line, column = int(found[1]), int(found[2])
    else:
        line = next((n for n, each in enumerate(lines, 1) if re.search(r"[0-9]{4000}", each)), _last_line(lines))
        column = len(lines[line - 1].rstrip()) + 1
    what, hint = _said(message)
    if what == NO_KEY and "{" in lines[line - 1] and column > len(lines[line - 1].rstrip()):
        what, hint = "a table in braces goes on in the next line", "write it in one line, or as `[table]`"
    source = masked(text).split("\n")[line - 1].removesuffix("\r")
    start, end = _marked(what, source, min(column, len(source) + 1))
    if "there already" in what and (first := _first(lines[: line - 1], source, source[start - 1 : end - 1])):
        what += f", since line {first}"
    place = Place(file, line, start, end, source)
    return Problem("NC0001", (), f"this is not TOML: {what}", hint, place=place)


def not_utf8(data: bytes, at: int, file: str) -> Problem:
    """`at` is the first byte that cannot be read."""
    begin = data.rfind(b"\n", 0, at) + 1
    before = data[begin:at].decode(errors="replace")
    source = data[begin:].split(b"\n", 1)[0].removesuffix(b"\r").decode(errors="replace")
    place = Place(file, data.count(b"\n", 0, at) + 1, len(before) + 1, len(before) + 2, source)
    return Problem("NC0002", (), "this is not UTF-8, as TOML has to be", "save it as UTF-8", place=place)


def _last_line(lines: list[str]) -> int:
    """The last that holds something: a mistake at the end of the text is seen there."""
    return next((n for n in range(len(lines), 0, -1) if lines[n - 1].strip()), 1)


def _said(message: str) -> tuple[str, str]:
    for pattern, what, hint in SAID:
        if re.search(pattern, message):
            return what, hint
    plain = re.sub(r" \(at .*\)$", "", message)
    return plain[:1].lower() + plain[1:], "see https://toml.io for the form"


def _first(before: list[str], source: str, key: str) -> int | None:
    """The line of the same header, or of the same key under the same header."""
    header = source.lstrip().startswith("[")
    for number in range(len(before), 0, -1):
        each = before[number - 1].strip()
        if (each.strip("[] ") if header else each.partition("=")[0].strip()) == key:
            return number
        if each.startswith("[") and not header:
            return None
    return None


def _marked(what: str, source: str, column: int) -> tuple[int, int]:
    """Start and end of the caret: the key or header for one that is there already, else where reading stopped."""
    if "there already" in what and "{" in source:
        keys = [key.span(1) for key in re.finditer(r"([\w-]+)\s*=", source[: column - 1])]
        return (keys[-1][0] + 1, keys[-1][1] + 1) if keys else (column, column + 1)
    if "there already" in what and (key := re.match(r"\s*(\[+\s*)?([^=\]]*[^=\]\s])", source)):
        return key.start(2) + 1, key.end(2) + 1
    if "number has" in what and (digits := re.search(r"[0-9]+", source)):
        return digits.start() + 1, digits.end() + 1
    return column, column + 1
