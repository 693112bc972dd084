"""Values that stand in for those that are wrong, where the rest of their table can be checked all the same.

An empty list gets the value of its hint, or is left out if the hint says so. The name of a unit that is none becomes
another, at the same place of the list. A topology with an error is never compiled, so no stand-in gets into a file.
"""

from __future__ import annotations

import copy
import re
import tomllib
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from pydantic_core import ErrorDetails

from netc.diagnostic import Diagnostic, KeyPath
from netc.language.names import Wrong
from netc.language.units import UnitName

FAR_REACHING = ("address", "addresses")
"""Keys on which checks of other tables depend."""


def can_stand_in(details: Sequence[ErrorDetails]) -> bool:
    """Whether all that is wrong in a table can be stood in for."""
    return all(_is_empty(detail) or _is_unit(detail) for detail in details)


def with_stand_ins(data: dict[str, Any], details: Sequence[ErrorDetails]) -> dict[str, Any]:
    """A copy: `data` is what the author wrote."""
    made = copy.deepcopy(data) if details else data
    for number, detail in enumerate(details):
        *steps, key = detail["loc"]
        table: Any = _at(made, steps)
        there: Any = key
        if _is_unit(detail) and isinstance(table, list):
            table[there] = _unit(number)
        elif _is_unit(detail):  # a value alone, for a list of one
            _at(made, steps[:-1])[steps[-1]] = _unit(number)
        elif (value := _value(detail)) is not None:
            table[there] = value
        else:
            del table[there]
    return made


def emptied(details: Iterable[ErrorDetails]) -> set[KeyPath]:
    """The lists among these that were empty."""
    return {detail["loc"] for detail in details if _is_empty(detail)}


def follows(diagnostic: Diagnostic, empty: Collection[KeyPath]) -> bool:
    """Whether a diagnostic may be there only because one of these lists was empty: it is about the table of the list as
    a whole, or names the key."""
    where, what = diagnostic.where, diagnostic.what
    return any(
        where[: len(path) - 1] == path[:-1] and (len(where) == len(path) - 1 or f"`{path[-1]}`" in what)
        for path in empty
    )


def _at(data: Any, steps: Iterable[str | int]) -> Any:
    for step in steps:
        data = data[step] if not isinstance(step, int) or isinstance(data, list) else data
    return data


def _unit(number: int) -> str:
    return UnitName(f"stand-in-{number}.service")


def _value(detail: ErrorDetails) -> Any:
    """What the hint says to write; None to leave the key out."""
    found = re.match("write `([^`]+)`", _wrong(detail).hint)
    if found is None:
        return None
    key = detail["loc"][-1]
    return tomllib.loads(found[1] if found[1].startswith(f"{key} =") else f"{key} = {found[1]}")[str(key)]


def _is_empty(detail: ErrorDetails) -> bool:
    """An empty list in a table of a host, such as a tunnel or a neighbour."""
    loc = detail["loc"]
    inner = loc[0] == "hosts" and len(loc) > 4 and loc[-1] not in FAR_REACHING
    return inner and _wrong(detail).code == "NC0126" and _wrong(detail).hint.startswith(("leave ", "write `"))


def _is_unit(detail: ErrorDetails) -> bool:
    is_item = isinstance(detail["loc"][-1], int)
    return is_item and _wrong(detail).code == "NC0109" and isinstance(detail["input"], str)


def _wrong(detail: ErrorDetails) -> Wrong:
    error = detail.get("ctx", {}).get("error")
    return error if isinstance(error, Wrong) else Wrong("", "")
