"""Secrets in places where none may be: found by their key or their form, and masked in all output.

A masked text keeps its length, so that columns stay the same. Nothing is parsed, so secrets are also masked in lines
that are not TOML.
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

_HIDDEN = rf"(?:{_WORDS}|(?<![A-Za-z0-9])(?:md5|pass|auth(?:entication)?|(?:api[_-]?)?token|api[_-]?key)s?)"
"""Also the words of other programs: their values are hidden, and the key is reported as unknown."""

_ASSIGNED = re.compile(
    rf"(?P<key>{_HIDDEN})(?![\w-])[\"']?(?P<inner>(?:\s*\.\s*[\w\"'-]++){{0,16}})\s*[=:][ \t]*", re.IGNORECASE
)
_SECRET_PART = re.compile(rf"[\w -]*?{_HIDDEN}", re.IGNORECASE)
_HEADER = re.compile(r"^[ \t]*\[++(?P<path>[^\]\n]*)\]+", re.MULTILINE)
_PART = re.compile(r"\"([^\"\n]*)\"|'([^'\n]*)'|([\w-]+)")
_LINE = re.compile(r"^[ \t]*(?P<key>[\w\"'.-]++)[ \t]*[=:][ \t]*", re.MULTILINE)
_COMMENT = re.compile(r"#[^\n]*+")
_IN_COMMENT = re.compile(rf"(?:{_WORDS.replace('[_-]', '[ _-]')}|md5)(?![\w-])[ \t:=]*", re.IGNORECASE)

NAMED = frozenset(
    [
        *("hosts", "links", "meshes", "forwards", "sets", "anycast", "ends"),
        *("tunnels", "namespaces", "uplinks", "bridges", "splits", "peers"),
    ]
)
"""Tables whose keys are names: `[hosts.secret]` is a host."""

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
_PLACES = {
    "file": re.compile(r"(?:/|\.{1,2}/|~/).*|.*\.(?:key|psk|pem|txt|conf)", re.DOTALL),
    "credential": re.compile(r"[\w.-]+"),
}
"""Keys that say where a secret is, and what a place looks like: anything else may be the secret itself."""


def is_secret_key(key: object) -> bool:
    """Whether a key names a secret: `private_key`, `PresharedKey`, `admin-password`."""
    return isinstance(key, str) and _SECRET_KEY.fullmatch(key) is not None


def is_wireguard_key(value: object) -> bool:
    return isinstance(value, str) and _WIREGUARD_KEY.fullmatch(value.strip()) is not None


def is_place(key: object, value: object) -> bool:
    """Whether a value below a secret's key says where the secret is."""
    return isinstance(value, str) and key in _PLACES and _PLACES[str(key)].fullmatch(value) is not None


def without_keys(message: str) -> str:
    """A message that quotes what an author wrote, without what may be a private key."""
    return re.sub(f"`?{_WIREGUARD_KEY.pattern}`?", "what looks like a key", message)


def masked(text: str) -> str:
    """`text` with `*` in place of every character of a secret; line ends stay."""
    hidden = list(text)
    for start, end in (*_by_key(text), *_below_headers(text), *_by_form(text), *_in_comments(text)):
        hidden[start:end] = [c if c in "\r\n" else "*" for c in text[start:end]]
    return "".join(hidden)


Span = tuple[int, int]


def _by_key(text: str) -> Iterator[Span]:
    for key in _ASSIGNED.finditer(text):
        is_rule = key["key"].lower() == "pass"  # also a list of the firewall
        if is_rule and (_is_firewall(text, key.start()) or text[key.end() : key.end() + 1] in ("[", "{")):
            continue
        yield from _value(text, key.end(), _last(key["inner"]))


def _value(text: str, at: int, key: str) -> Iterator[Span]:
    """What of the value at `at` may be a secret."""
    value = _VALUE.match(text, at)
    if value is None or not value.lastgroup:
        return
    if value.lastgroup in ("list", "table"):
        yield from _quoted(text, *value.span())
    elif not is_place(key, value[value.lastgroup].strip()):
        yield value.span(value.lastgroup)


def _is_firewall(text: str, at: int) -> bool:
    """Whether a key belongs to a firewall, by what stands before it or by the header above."""
    before = text[text.rfind("\n", 0, at) + 1 : at]
    header = text.rfind("\n[", max(at - 5000, 0), at) + 1  # enough for the keys of a firewall
    return "firewall" in before or "firewall" in text[header : header + 200].partition("\n")[0]


def _last(keys: str) -> str:
    return keys.rpartition(".")[2].strip(" \t\"'")


def _below_headers(text: str) -> Iterator[Span]:
    """The table `[hosts.edge.private_key]`, up to the next header."""
    for header in _HEADER.finditer(text):
        if not _is_secret_header(header["path"]):
            continue
        following = _NEXT_HEADER.search(text, header.end())
        end = following.start() if following else len(text)
        yield from _quoted(text, header.end(), end)
        for line in _LINE.finditer(text, header.end(), end):
            yield from _value(text, line.end(), _last(line["key"]))


def _is_secret_header(path: str) -> bool:
    parts = [next(filter(None, part), "") for part in _PART.findall(path)]
    return any(
        _SECRET_PART.fullmatch(part) and part.lower() != "pass" and before not in NAMED
        for before, part in zip(["", *parts], parts, strict=False)
    )


def _in_comments(text: str) -> Iterator[Span]:
    """What follows the word: `# password 1234`."""
    for comment in _COMMENT.finditer(text):
        if word := _IN_COMMENT.search(comment[0]):
            yield comment.start() + word.end(), comment.end()


def _quoted(text: str, start: int, end: int) -> Iterator[Span]:
    """The strings in a stretch of text, except those that say where a secret is."""
    for found in _QUOTED.finditer(text, start, end):
        if found.lastgroup and not is_place(_key_of(text, found.start()), found[found.lastgroup]):
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
