"""Secrets that stand where none may stand: told by their key or their form, and hidden in whatever is shown.

A hidden text is as long as it was, so that columns stay what they are. Nothing is parsed: a line that is no TOML
hides its secrets too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_WORDS = r"(?:priv(?:ate)?[_-]?key|pre[_-]?shared[_-]?key|psk|passw(?:or)?d|passphrase|secret)s?"
_SECRET_KEY = re.compile(rf"[\w-]*?{_WORDS}", re.IGNORECASE)

_WIREGUARD_KEY = re.compile(
    r"(?<![A-Za-z0-9+/])(?=[a-z0-9+/]*[A-Z])(?=[A-Z0-9+/]*[a-z])[A-Za-z0-9+/]{40,44}={0,2}(?![A-Za-z0-9+/=])"
)
"""Also one that lost a character. Private, preshared and public keys look the same (wg(8)): what stands before `=`
says which one it is."""

_KEY_BEFORE = re.compile(r"([\w-]+)[\"']?\s*[=:][\s\"']*$")

_ASSIGNED = re.compile(rf"{_WORDS}(?![\w-])[\"']?(?P<inner>(?:\s*\.\s*[\w\"'-]+)*)\s*[=:][ \t]*", re.IGNORECASE)
_HEADER = re.compile(
    r"^[ \t]*\[[^\]\n]*(?:priv(?:ate)?|pre[_-]?shared)[_-]?key[\"']?\s*\]+", re.IGNORECASE | re.MULTILINE
)
_NEXT_HEADER = re.compile(r"^[ \t]*\[", re.MULTILINE)

_VALUE = re.compile(
    r"""
    (?P<list>\[[^\]]*) | (?P<table>\{[^}\n]*)
    | \"{3}(?P<long>.*?)(?:\"{3}|\Z) | '{3}(?P<raw>.*?)(?:'{3}|\Z)
    | \"(?P<text>(?:\\.|[^\"\\\n])*) | '(?P<literal>[^'\n]*)
    | (?P<bare>[^,}\]\#\n]*)
    """,
    re.VERBOSE | re.DOTALL,
)
_QUOTED = re.compile(r"\"(?P<text>(?:\\.|[^\"\\\n])*)\"?|'(?P<literal>[^'\n]*)'?")
_PLACES = ("file", "credential")
"""Keys that say where a secret is, and so hold none."""


def is_secret_key(key: object) -> bool:
    """Whether a key names a secret: `private_key`, `PresharedKey`, `admin-password`."""
    return isinstance(key, str) and _SECRET_KEY.fullmatch(key) is not None


def is_wireguard_key(value: object) -> bool:
    return isinstance(value, str) and _WIREGUARD_KEY.fullmatch(value.strip()) is not None


def without_keys(message: str) -> str:
    """A message that quotes what an author wrote, without what may be a private key."""
    return re.sub(f"`?{_WIREGUARD_KEY.pattern}`?", "what looks like a key", message)


def masked(text: str) -> str:
    """`text` with `*` in place of every character of a secret; line ends stay."""
    hidden = list(text)
    for start, end in (*_by_key(text), *_below_headers(text), *_by_form(text)):
        hidden[start:end] = [c if c in "\r\n" else "*" for c in text[start:end]]
    return "".join(hidden)


Span = tuple[int, int]


def _by_key(text: str) -> Iterator[Span]:
    for key in _ASSIGNED.finditer(text):
        value = _VALUE.match(text, key.end())
        if value is None or _last(key["inner"]) in _PLACES:
            continue
        if value.lastgroup in ("list", "table"):
            yield from _quoted(text, *value.span())
        elif value.lastgroup:
            yield value.span(value.lastgroup)


def _last(keys: str) -> str:
    return keys.rpartition(".")[2].strip(" \t\"'")


def _below_headers(text: str) -> Iterator[Span]:
    """The table `[hosts.edge.private_key]`, up to the next header."""
    for header in _HEADER.finditer(text):
        following = _NEXT_HEADER.search(text, header.end())
        yield from _quoted(text, header.end(), following.start() if following else len(text))


def _quoted(text: str, start: int, end: int) -> Iterator[Span]:
    """The strings in a stretch of text, except those that say where a secret is."""
    for found in _QUOTED.finditer(text, start, end):
        if _key_of(text, found.start()) not in _PLACES and found.lastgroup:
            yield found.span(found.lastgroup)


def _by_form(text: str) -> Iterator[Span]:
    for found in _WIREGUARD_KEY.finditer(text):
        if "pub" not in _key_of(text, found.start()).lower():
            yield found.span()


def _key_of(text: str, at: int) -> str:
    """The key before `=` that the value at `at` belongs to; empty when the line has none."""
    line = text.rfind("\n", 0, at) + 1
    before = _KEY_BEFORE.search(text[max(line, at - 200) : at])
    return before[1] if before else ""
