"""Reads a topology: text in, a Topology and everything that is wrong with it out.

What is wrong in one table does not hide what is wrong in another: a table that cannot be read is left out, noted in
`broken`, and the rest goes on to the checks. If only an empty list or the name of a unit is wrong in it, the
rest of the table does too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from msgspec import Struct
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from netc.diagnostic import Diagnostic, KeyPath, dotted
from netc.language.diagnostics import diagnostics_of
from netc.language.imports import with_imports
from netc.language.set_files import with_lists
from netc.language.stand_ins import can_stand_in, emptied, with_stand_ins
from netc.language.syntax import loads
from netc.language.topology import Topology

ReadFile = Callable[[str], str]
"""Reads a file beside the topology, by its name there; raises Wrong."""


class Reading(Struct, frozen=True):
    topology: Topology | None
    """None when the text is no TOML."""
    diagnostics: tuple[Diagnostic, ...]
    broken: frozenset[KeyPath]
    """Tables that were left out, such as `("hosts", "edge")`."""
    empty: frozenset[KeyPath] = frozenset()
    """Lists that were empty, in tables that were not left out."""


def read(text: str, file: str, read_file: ReadFile) -> Reading:
    """`file` is the topology's name in messages."""
    data = loads(text, file)
    if isinstance(data, tuple):
        return Reading(None, data, frozenset())
    topology, diagnostics, broken, empty = _validate(data)
    topology, import_problems, bad_imports = with_imports(topology, read_file)
    topology, list_problems, bad_lists = with_lists(topology, read_file)
    found = (*diagnostics, *import_problems, *list_problems)
    return Reading(topology, found, broken | bad_imports | bad_lists, empty)


def _validate(data: dict[str, Any]) -> tuple[Topology, list[Diagnostic], frozenset[KeyPath], frozenset[KeyPath]]:
    """Takes out what cannot be read until the rest can. Returns what of it is in Reading."""
    diagnostics: list[Diagnostic] = []
    broken: set[KeyPath] = set()
    mended: set[KeyPath] = set()
    empty: set[KeyPath] = set()
    while True:
        try:
            return Topology.model_validate(data), diagnostics, frozenset(broken), frozenset(empty)
        except ValidationError as error:
            diagnostics += diagnostics_of(error, data)
            places: defaultdict[KeyPath, list[ErrorDetails]] = defaultdict(list)
            for detail in error.errors(include_url=False):
                places[_owner(detail["loc"])].append(detail)
            assert not places.keys() <= broken, "what was taken out came back"
            kept = {owner for owner, details in places.items() if owner not in mended and can_stand_in(details)}
            stood_in = [detail for owner in sorted(kept, key=dotted) for detail in places[owner]]
            data = with_stand_ins(data, stood_in)
            empty |= emptied(stood_in)
            data = _readable(data, places.keys() - kept)
            broken |= places.keys() - kept
            mended |= kept


INNER_TABLES = ("tunnels", "namespaces", "uplinks", "bridges")
"""Tables of a host that can be left out alone."""


def _owner(loc: KeyPath) -> KeyPath:
    """The smallest table that can be left out."""
    if loc[0] == "hosts" and len(loc) > 3 and loc[2] in INNER_TABLES:
        return loc[:4]
    if loc[0] == "hosts" and len(loc) > 2 and loc[2] in INNER_TABLES:
        return loc[:3]
    if loc[0] == "hosts" and len(loc) > 2 and loc[2] in ("firewall", "bgp"):
        return loc[:3]
    if loc[0] in ("hosts", "links", "meshes", "forwards", "sets"):
        return loc[:2]
    return loc[:1]


STAND_IN: dict[str, Any] = {"version": 1, "network": {"name": "x"}, "hosts": {}}
"""What takes the place of a top table that must be there."""


def _readable(data: dict[str, Any], owners: Iterable[KeyPath]) -> dict[str, Any]:
    return STAND_IN | _without(data, owners)


def _without(data: dict[str, Any], owners: Iterable[KeyPath]) -> dict[str, Any]:
    """All of them at once: there may be thousands."""
    gone = {str(owner[0]) for owner in owners if len(owner) == 1}
    inner: defaultdict[str, set[KeyPath]] = defaultdict(set)
    for owner in owners:
        if len(owner) > 1 and owner[0] in data and str(owner[0]) not in gone:  # else it went with a table around it
            inner[str(owner[0])].add(owner[1:])
    trimmed = {key: value for key, value in data.items() if key not in gone}
    for head, rests in inner.items():
        trimmed[head] = _without(data[head], rests) if isinstance(data[head], dict) else {}
    return trimmed
