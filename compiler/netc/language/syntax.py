"""Syntax errors of TOML as Diagnostics in an author's words: the place, what was expected, what was found.

tomllib stops at the first error. netc removes the statement that has the error and reads the rest again. It stops when
the next error is not further down, because such an error only follows from the previous one.
"""

from __future__ import annotations

import re
import tomllib
from typing import Any

from netc.diagnostic import Diagnostic, Place
from netc.language.brackets import Open, open_at
from netc.language.encoding import converted, encoding_of
from netc.language.names import quoted
from netc.language.secrets import masked

MOST = 20
"""Errors of one text that netc reports."""

LARGEST = 1 << 20
"""Characters of a text that is read again behind a fault; reading takes a second for four times as much."""

TWICE = "this is already defined"
NO_KEY = "expected a key or a [header]"
NO_ITEM = "expected `,` or `]` in a list"
NO_VALUE = "expected a value"
NO_QUOTE = "expected the closing quote of a string"
NO_SCALAR = "this escape sequence is not a Unicode scalar value"
NO_BRACE = "expected `,` or `}` on the line where the inline table begins"

SAID: tuple[tuple[str, str, str], ...] = (
    (r"Unterminated string|character '\\n'|Expected \"'", NO_QUOTE, "close it with the quote that it began with"),
    ("Expected '=' after a key", "expected `=` after a key", "write `key = value`"),
    (
        "Expected newline or end",
        "expected the end of the line after a value",
        "put strings in quotes, and each key on a line of its own",
    ),
    ("Invalid value", NO_VALUE, 'put strings in quotes: `name = "edge"`'),
    ("Cannot (overwrite|mutate|redefine)", TWICE, "keep one of the two"),
    (r"Cannot declare .* twice", "this table is already defined", "put the keys of both under one header"),
    ("Duplicate inline table key", TWICE, "keep one of the two"),
    ("Unescaped '.{1,2}' in a string", "expected an escape such as `\\n`", "write `\\\\`, or use single quotes"),
    ("Unclosed array", NO_ITEM, "close it with `]`"),
    ("Unclosed inline table", NO_BRACE, "close it with `}`"),
    (r"Expected '\]+' at the end", "expected `]` at the end of a header", "write `[table]`"),
    ("Invalid (statement|initial character)", NO_KEY, "write keys with A-Z, a-z, 0-9, `-` and `_`, or in quotes"),
    (
        "Illegal character|invalid character",
        "TOML does not allow this character",
        "type the line again: the character may be invisible",
    ),
    (
        "Escaped character",
        NO_SCALAR,
        "write a character that Unicode has: U+D800 to U+DFFF are reserved, and U+10FFFF is the last",
    ),
    ("Invalid hex", "this escape sequence is not a character", "`\\u` takes four hexadecimal digits"),
    ("Invalid date", "this is not a date", "write a number, or a string in quotes"),
    (
        "[Rr]ecursion|[Nn]ested",
        "lists or tables are nested too deeply",
        "write it with fewer levels: no key of a topology is so deep",
    ),
    (
        "Exceeds the limit",
        "a number has thousands of digits",
        "write a shorter one: no number of a topology is so large",
    ),
)
"""What tomllib says, and what is shown in its place: the fault and its cure."""

WITHOUT_FOUND = ("already", "this escape", "not a date", "nested", "thousands")
"""Words of messages that say what was found themselves."""

DEEPEST = 64
"""Parts of a dotted key."""

_DEEP = re.compile(rf"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){{{DEEPEST}}}""")
_KEY_LINE = re.compile(r"\s*[\w\"'.-]+(\s*\.\s*[\w\"'.-]+)*\s*=")
_WG_QUICK = re.compile(r"^(\[(?:Interface|Peer)\])[ \t\r]*(?:#[^\n]*)?$", re.MULTILINE)
_HEADER_LINE = re.compile(r"\s*\[{1,2}\s*[\w\"'.-]+(\s*\.\s*[\w\"'.-]+)*\s*\]{1,2}\s*(#.*)?")


def loads(text: str, file: str) -> dict[str, Any] | tuple[Diagnostic, ...]:
    """What a text says, or all that is wrong with its form. `file` is its name in messages."""
    if deep := _DEEP.search(text):
        return (_too_deep(text, deep.end(), file),)
    if header := _WG_QUICK.search(text):
        line = text.count("\n", 0, header.start(1)) + 1
        place = Place(file, line, 1, len(header[1]) + 1, header[1])
        hint = "`netc import wg-quick FILE TOPO` writes it into a topology"
        return (Diagnostic("NC0001", (), "this is a wg-quick file, not a topology", hint, place=place),)
    diagnostics: list[Diagnostic] = []
    shown: list[str] = []  # secrets are known by the whole text, before anything is taken out
    reached = 0
    while len(diagnostics) < MOST:
        try:
            data = tomllib.loads(text)
        except (ValueError, RecursionError) as error:
            fault = _Fault(str(error), text)
            if diagnostics and fault.line <= reached:
                break
            shown = shown or [line.removesuffix("\r") for line in masked(text).split("\n")]
            diagnostics.append(fault.diagnostic(shown, file))
            if not fault.has_place or fault.in_long_string or len(text) > LARGEST:
                break
            text, reached = fault.without(len(diagnostics))
        else:
            return tuple(diagnostics) or data
    return tuple(diagnostics)


class _Fault:
    """One fault in a text that is good TOML before it."""

    def __init__(self, message: str, text: str) -> None:
        found = re.search(r"\(at line (\d+), column (\d+)\)", message)
        at_end = "(at end of document)" in message
        self.text = text.replace("\r\n", "\n")
        self.lines = self.text.split("\n")
        self.has_place = bool(found) or at_end
        if found:
            self.line, self.column = int(found[1]), int(found[2])
        else:
            digits = (n for n, each in enumerate(self.lines, 1) if re.search(r"[0-9]{4000}", each))
            self.line = next(digits, _last_line(self.lines)) if not at_end else _last_line(self.lines)
            self.column = len(self.lines[self.line - 1].rstrip()) + 1
        # A text that is nested too deeply opens too many brackets to report them.
        begin = sum(len(line) + 1 for line in self.lines[: self.line - 1])
        offset = len(self.text) if at_end else begin + self.column - 1
        self.open = open_at(self.text, offset) if self.has_place else Open((), None, offset)
        self.what, self.hint = _said(message)
        self._look_closer()

    def _look_closer(self) -> None:
        """Says what tomllib saw only later: a string or list that is not closed, a table in braces that goes on."""
        self.last_line = self.line
        if self.open.string is not None and not self.in_long_string and self.what != NO_SCALAR:
            self.line = self._line_of(self.open.string)
            self.column = len(self.lines[self.line - 1].rstrip()) + 1
            self.last_line, self.what, self.hint = self.line, *_said("Unterminated string")
        elif "already" in self.what and self.open.last < len(self.text):
            self.line = self._line_of(self.open.last)
        source = self.lines[self.line - 1]
        *outer, inner = self.open.brackets or (0,)
        if (
            outer
            and self.what != NO_KEY
            and _HEADER_LINE.fullmatch(source)
            and not source[: self._column_of(inner)].strip()
        ):
            self.what, self.hint = _said("Unclosed array")
            self.column, self.open = self._column_of(inner) + 1, Open(tuple(outer), None, self.open.last)
        elif (
            self.what == NO_KEY
            and self.open.brackets
            and self.text[inner] == "{"
            and self.column > len(source.rstrip())
        ):
            self.what, self.hint = NO_BRACE, "write it on one line, or as `[table]`"

    def _line_of(self, offset: int) -> int:
        return self.text.count("\n", 0, offset) + 1

    def _column_of(self, offset: int) -> int:
        """From 0."""
        return offset - (self.text.rfind("\n", 0, offset) + 1)

    @property
    def in_long_string(self) -> bool:
        """Nobody knows where it was to end."""
        at = self.open.string
        return at is not None and self.text[at : at + 3] in ('"""', "'''")

    def diagnostic(self, shown: list[str], file: str) -> Diagnostic:
        """`shown` are the lines of the text, without secrets."""
        source = shown[self.line - 1]
        column = min(self.column, len(source) + 1)
        start, end = _marked(self.what, source, column)
        also: list[Place] = []
        if "already defined" in self.what:
            first = _first(shown[: self.line - 1], source, source[start - 1 : end - 1])
            also += [Place(file, first, *_marked(self.what, shown[first - 1], 1), shown[first - 1])] if first else []
        elif self.what in (NO_ITEM, NO_QUOTE, NO_BRACE) and (opener := self._opener()) is not None:
            line, at = self._line_of(opener), self._column_of(opener)
            also += [Place(file, line, at + 1, at + 2, shown[line - 1])] if line != self.line else []
        what = self.what.replace("this escape sequence", quoted(source[start - 1 : end - 1]), self.what == NO_SCALAR)
        if self.what != NO_SCALAR and not any(word in what for word in WITHOUT_FOUND):
            what += f", found {self._found(source, column)}"
        return Diagnostic(
            "NC0001",
            (),
            f"this is not TOML: {what}",
            self.hint,
            tuple(also),
            place=Place(file, self.line, start, end, source),
        )

    def _opener(self) -> int | None:
        if self.what == NO_QUOTE:
            return self.open.string
        return self.open.brackets[-1] if self.open.brackets else None

    def _found(self, source: str, column: int) -> str:
        if "escape" in self.what:
            return quoted(source[max(column - 3, 0) : column - 1])
        rest = source[column - 1 :]
        token = re.match(r"\s*(\[+[\w.-]+\]+|[\w*+-][\w*+.:/-]*|\S)", rest)
        if token is None or rest.lstrip().startswith("#"):
            is_last = self.line >= _last_line(self.lines)
            return "the end of the file" if is_last else "the end of the line"
        return "what may be a secret" if not token[1].strip("*") else quoted(token[1])

    def without(self, number: int) -> tuple[str, int]:
        """The text without what the fault stands in, and the last line of that."""
        source = self.lines[self.line - 1]
        header = source.lstrip().startswith("[") and (not self.open.brackets or self.what != NO_ITEM)
        first = self._line_of(self.open.brackets[0] if self.open.brackets else min(self.open.last, len(self.text)))
        first, last = min(first, self.line), self.last_line
        if self.what == NO_ITEM and first < last and (_KEY_LINE.match(source) or _HEADER_LINE.fullmatch(source)):
            last -= 1
        if self.what == NO_BRACE:
            last = self._closed_by_now(last)
        # Keys below a header that is wrong are not those of the table before it.
        stand_in = f"[netc-fault-{number}]" if header else ""
        lines = [*self.lines[: first - 1], stand_in, *[""] * (last - first), *self.lines[last:]]
        return "\n".join(lines), last

    def _closed_by_now(self, line: int) -> int:
        """The line that closes a table in braces which goes on below `line`, if one does before the next header."""
        depth = 1
        for number, below in enumerate(self.lines[line:], line + 1):
            depth += below.count("{") - below.count("}")
            if _HEADER_LINE.fullmatch(below):
                break
            if depth <= 0:
                return number
        return line


def _too_deep(text: str, at: int, file: str) -> Diagnostic:
    """tomllib would take minutes for a key of thousands of parts."""
    line = text.count("\n", 0, at) + 1
    source = masked(text).split("\n")[line - 1].removesuffix("\r")
    place = Place(file, line, at - text.rfind("\n", 0, at), at - text.rfind("\n", 0, at) + 1, source)
    what = f"this is not TOML of a topology: a key has more than {DEEPEST} parts"
    return Diagnostic("NC0001", (), what, "write it with fewer levels: no key of a topology is so deep", place=place)


def not_utf8(data: bytes, at: int, file: str) -> Diagnostic:
    """`at` is the first byte that cannot be read."""
    begin = data.rfind(b"\n", 0, at) + 1
    before = data[begin:at].decode(errors="replace")
    source = data[begin:].split(b"\n", 1)[0].removesuffix(b"\r").decode(errors="replace")
    encoding = encoding_of(data)
    # Of UTF-16 no line is shown: nobody could read it, and no secret is known in it.
    source = "" if encoding.startswith("UTF-16") else source
    place = Place(file, data.count(b"\n", 0, at) + 1, len(before) + 1, len(before) + 2, source)
    if not encoding:
        what, hint = f"`{file}` is not a text file: byte {at + 1} is not UTF-8", "name a text file"
    elif encoding.startswith("UTF-16"):
        what, hint = f"`{file}` is UTF-16, and netc reads UTF-8", converted(file, encoding)
    else:
        what = f"`{file}` is not UTF-8: byte {at + 1} is {data[at]:#04x}"
        hint = f"save it as UTF-8 in your editor, or {converted(file, encoding)}"
    return Diagnostic("NC0002", (), what, hint, place=place)


def _last_line(lines: list[str]) -> int:
    """The last that holds something: a fault at the end of the text is seen there."""
    return next((n for n in range(len(lines), 0, -1) if lines[n - 1].strip()), 1)


def _said(message: str) -> tuple[str, str]:
    for pattern, what, hint in SAID:
        if re.search(pattern, message):
            return what, hint
    plain = re.sub(r" \(at .*\)$", "", message)
    return plain[:1].lower() + plain[1:], "see https://toml.io for the form"


def _first(before: list[str], source: str, key: str) -> int | None:
    """The line of the same header, of the same key under the same header, or of a value above all headers."""
    header = source.lstrip().startswith("[")
    for number in range(len(before), 0, -1):
        each = before[number - 1].strip()
        if (each.strip("[] ") if header else each.partition("=")[0].strip()) == key:
            return number
        if each.startswith("[") and not header:
            return None
    above = {".".join(key.split(".")[:length]) for length in range(1, key.count(".") + 2)}
    for number, each in enumerate(before, 1):
        if each.lstrip().startswith("["):
            return None
        if each.partition("=")[0].strip() in above:
            return number
    return None


def _marked(what: str, source: str, column: int) -> tuple[int, int]:
    """Start and end of the caret: the key or header for one that is there already, else where reading stopped."""
    if "already defined" in what and "{" in source:
        keys = [key.span(1) for key in re.finditer(r"([\w-]+)\s*=", source[: column - 1])]
        return (keys[-1][0] + 1, keys[-1][1] + 1) if keys else (column, column + 1)
    if "already defined" in what and (key := re.match(r"\s*(\[+\s*)?([^=\]]*[^=\]\s])", source)):
        return key.start(2) + 1, key.end(2) + 1
    if what == NO_SCALAR and (escape := re.search(r"\\(?:u.{4}|U.{8})$", source[: column - 1])):
        return escape.start() + 1, column
    if "thousands" in what and (digits := re.search(r"[0-9]+", source)):
        return digits.start() + 1, digits.end() + 1
    return column, column + 1
