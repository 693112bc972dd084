"""Cures that would leave an empty list, which is an error too (NC0126): the whole key has to go, or its table."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace
from pydantic.fields import FieldInfo

from netc.diagnostic import Diagnostic, KeyPath, dotted
from netc.language.tables import Table
from netc.language.topology import Topology
from netc.language.values import Some

ENTRY = re.compile(r"leave it out(?P<why>: .*)?")
WHO = ("service", "source")
"""Lists that may be all that a split selects."""


def whole(diagnostics: Sequence[Diagnostic], topology: Topology) -> tuple[Diagnostic, ...]:
    """The same, where a list has no entry but those that their hints take out of it."""
    taken: defaultdict[KeyPath, set[int | str]] = defaultdict(set)
    for one in diagnostics:
        if _takes_an_entry(one):
            taken[one.where[:-1]].add(one.where[-1])
    cures = {path: cure for path, gone in taken.items() if (cure := _cure(path, len(gone), topology))}
    return tuple(_with(one, cures.get(one.where[:-1], "")) if _takes_an_entry(one) else one for one in diagnostics)


def _takes_an_entry(one: Diagnostic) -> bool:
    is_entry = bool(one.where) and isinstance(one.where[-1], int)
    return is_entry and one.place is None and ENTRY.fullmatch(one.hint) is not None


def _with(one: Diagnostic, cure: str) -> Diagnostic:
    found = ENTRY.fullmatch(one.hint)
    why = (found["why"] or "") if found and ":" not in cure and "," not in cure else ""
    return replace(one, hint=cure + why) if cure else one


def _cure(path: KeyPath, gone: int, topology: Topology) -> str:
    """Empty where other entries stay, or where the key is none of a table."""
    table, key = _at(topology, path[:-1]), str(path[-1])
    if not isinstance(table, Table):
        return ""
    name, field = next((name, field) for name, field in type(table).model_fields.items() if key in (name, field.alias))
    entries = getattr(table, name)
    if not isinstance(entries, tuple) or len(entries) > gone:
        return ""
    if path[0] == "hosts" and path[2] == "splits" and key in WHO:
        return f"leave [{dotted(path[:-1])}] out: it selects nothing else"
    is_needed = key == "prefixes" and getattr(table, "role", None) == "downstream"
    if key in ("from", "allow") or is_needed or field.is_required():  # without senders, a port is open to everyone
        return "write another in its place"
    said = _said(field)
    if said and not said.startswith("leave it out"):
        return said
    return f"leave `{key}` out"


def _said(field: FieldInfo) -> str:
    """What the key says of an empty list."""
    found = [each for each in field.metadata if isinstance(each, Some)]
    return found[-1].cure if found else ""


def _at(found: Any, path: KeyPath) -> Any:
    """None where the topology has another form than its author wrote."""
    for key in path:
        if isinstance(found, Table):
            fields = type(found).model_fields.items()
            name = next((name for name, field in fields if key in (name, field.alias)), None)
            found = getattr(found, name) if name else None
        elif isinstance(found, Mapping):
            found = found.get(key)
        elif isinstance(found, tuple) and isinstance(key, int) and key < len(found):
            found = found[key]
        else:
            return None
    return found
