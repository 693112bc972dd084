"""The one door to templates/. A language is a folder of templates, with a printer that every value passes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from netaddr import IPAddress, IPNetwork

from netc.diagnostic import KeyPath, dotted
from netc.language.names import CredentialName, Name
from netc.language.values import Endpoint
from netc.shipped import shipped


class Verbatim(str):
    """Text that passes every printer as it is: made only of what a printer or a checked name gave."""

    __slots__ = ()


CHECKED = (Verbatim, Name, IPAddress, IPNetwork, Endpoint)


def origin(path: KeyPath) -> Verbatim:
    """A key path of names that the language checked, for comments and descriptions."""
    text = dotted(path)
    if not re.fullmatch(r"[A-Za-z0-9_.\[\]-]+", text):
        raise TypeError(f"{text!r} is no path of checked names")
    return Verbatim(text)


@lru_cache(maxsize=4096)
def about(text: str) -> Verbatim:
    """What a part says of itself: a key path and plain words."""
    if not re.fullmatch(r"[A-Za-z0-9_., \[\]-]+", text):
        raise TypeError(f"{text!r} is not plain")
    return Verbatim(text)


def word(value: object) -> str:
    """bash: everything is quoted where it needs to be; a credential is found by its variable."""
    match value:
        case Verbatim():
            return value
        case CredentialName():
            return f'"$CREDENTIALS_DIRECTORY/{value}"'
        case str() | IPAddress() | IPNetwork():
            return shlex.quote(str(value))
        case int() if not isinstance(value, bool):
            return str(value)
        case _:
            raise TypeError(f"no bash spelling for {value!r}")


@cache
def _is_checked(kind: type) -> bool:
    return issubclass(kind, CHECKED) or (issubclass(kind, int) and kind is not bool)


def token(value: object) -> str:
    """Everything else: only what was checked when it was made is printed; a bare string is refused."""
    kind: type = type(value)
    if _is_checked(kind):
        return str(value)
    raise TypeError(f"no spelling for {value!r}, which was not checked")


def argv(words: Iterable[object]) -> Verbatim:
    return Verbatim(" ".join(map(word, words)))


def comment(text: str) -> Verbatim:
    """netc's own words, said in a comment."""
    return Verbatim(text.replace("\n", " "))


def listed(values: Iterable[object]) -> Verbatim:
    return Verbatim(", ".join(map(token, values)))


def spaced(values: Iterable[object]) -> Verbatim:
    return Verbatim(" ".join(map(token, values)))


def units(parts: Iterable[object]) -> Verbatim:
    return Verbatim(" ".join(f"netc-{token(part)}.service" for part in parts))


def templates() -> Path:
    return shipped("templates")


@cache
def language(folder: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(templates() / folder, encoding="utf-8"),
        finalize=word if folder == "bash" else token,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.globals.clear()  # nobody asks for them, and each rendering copies them
    environment.filters |= {"argv": argv, "comment": comment, "listed": listed, "spaced": spaced, "units": units}
    return environment


_EMPTY, _CLOSING = re.compile(r"\n{3,}"), re.compile(r"\n{2,}(?=\n|\s*\}\n)")


def render(folder: str, template: str, **values: object) -> str:
    """The text of one file; runs of empty lines are one, and none stands before what closes a block."""
    text = language(folder).get_template(template).render(**values)
    return _CLOSING.sub("\n", _EMPTY.sub("\n\n", text)).rstrip("\n") + "\n"


@cache
def plain(path: str) -> str:
    """A file of templates/ that is the same on every host."""
    return (templates() / path).read_text(encoding="utf-8")
