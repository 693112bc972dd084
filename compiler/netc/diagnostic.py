"""A diagnostic of a topology, as a value. `report` decides how it is shown."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from functools import lru_cache

from msgspec import Struct

KeyPath = tuple[str | int, ...]
"""The keys that lead to a value in a topology: `("links", "edge-home", "ends", "edge", "address", 0)`."""


class Severity(StrEnum):
    """`error`: nothing is compiled. `warning`: it is, and hardly as its author meant. `note`: what one should know."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Place(Struct, frozen=True):
    """A place in a text: the file as the author named it, line and columns counted from 1, `end` exclusive."""

    file: str
    line: int
    column: int
    end: int
    source: str
    """The whole line, without its newline."""


class Diagnostic(Struct, frozen=True):
    """What is wrong, where, and what to do about it.

    `where` leads to the value (or, with `on_key`, to the key) that is wrong; `also` to the other places of a
    collision. `place` is set only when no key leads there: in a file beside the topology, or in a text that is no TOML.
    """

    code: str
    where: KeyPath
    what: str
    hint: str = ""
    also: tuple[KeyPath | Place, ...] = ()
    severity: Severity = Severity.ERROR
    on_key: bool = False
    place: Place | None = None
    acknowledged: str = ""
    """The author's reason why it is as meant. netc no longer reports it."""


class InvalidTopology(Exception):
    """Stops a compile: at least one of these diagnostics is an error."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__(f"{len(self.diagnostics)} problems")


@lru_cache(maxsize=4096)  # every line of output says where it is from
def dotted(path: KeyPath) -> str:
    """`links.edge-home.ends.edge.address[0]`, quoted where TOML would quote."""
    text = ""
    for key in path:
        if isinstance(key, int):
            text += f"[{key}]"
        else:
            bare = key and all((c.isalnum() and c.isascii()) or c in "-_" for c in key)
            text += ("." if text else "") + (key if bare else f'"{key}"')
    return text
