"""What pydantic found, said as Problems in an author's words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from netc.language.names import Wrong
from netc.language.topology import Topology
from netc.problem import KeyPath, Problem, dotted

SECRET_KEY = re.compile(r"private|preshared|psk|passw|secret", re.IGNORECASE)


def problems_of(error: ValidationError, data: dict[str, Any]) -> Iterator[Problem]:
    """One problem for each thing that is wrong in `data`, which was meant to be a Topology."""
    for detail in error.errors(include_url=False):
        path = _path(detail["loc"], data)
        yield _problem(detail["type"], path, detail.get("ctx", {}), detail["input"], detail["loc"])


def _path(loc: KeyPath, data: Any) -> KeyPath:
    """Where the author wrote it: a value alone that stands for a list has no index."""
    path: list[str | int] = []
    for key in loc:
        if key == "[key]" or (isinstance(key, int) and not isinstance(data, list)):
            continue
        path.append(key)
        if isinstance(data, dict) and isinstance(key, str):
            data = data.get(key, data.get("import") if key == "import_" else None)
        elif isinstance(data, list) and isinstance(key, int) and key < len(data):
            data = data[key]
    return tuple(path)


def _problem(kind: str, path: KeyPath, context: dict[str, Any], value: Any, loc: KeyPath) -> Problem:
    key = path[-1] if path else ""
    cause = context.get("error")
    if isinstance(cause, Wrong):
        return Problem(cause.code, path, cause.what, cause.hint, on_key=loc[-1] == "[key]")
    if isinstance(key, str) and SECRET_KEY.search(key) and kind in ("extra_forbidden", "model_type"):
        return Problem(
            "NC0116",
            path,
            f"`{key}` is a secret, and secrets never stand in a topology",
            'keep it on the host and write `{ file = "/etc/netc/keys/NAME.key" }`; this one is no secret any more',
            on_key=True,
        )
    match kind:
        case "extra_forbidden":
            return Problem("NC0101", path, f"`{key}` is no key of this table", _known(path), on_key=True)
        case "missing" if isinstance(loc[-1], int):
            return Problem("NC0103", path, f"`{path[-2]}` needs {loc[-1] + 1} values", "name each end")
        case "missing":
            return Problem("NC0102", path[:-1], f"`{key}` is missing", f"add `{key}` here", on_key=True)
        case "literal_error":
            hint = f"it can be {context['expected']}".replace("'", "`")
            return Problem("NC0104", path, f"`{value}` is not one of the choices", hint)
        case "greater_than_equal" | "less_than_equal":
            bound = context.get("ge", context.get("le"))
            word = "at least" if "ge" in context else "at most"
            return Problem("NC0105", path, f"{value} is out of range", f"`{key}` is {word} {bound}")
        case _:
            name = key if isinstance(key, str) else dotted(path)
            return Problem("NC0103", path, f"`{name}` is {_type(value)}", f"it should be {_wanted(kind)}")


def _type(value: Any) -> str:
    names = {bool: "a boolean", int: "a number", float: "a float", str: "a string", dict: "a table", list: "a list"}
    return names.get(type(value), f"a {type(value).__name__}")


def _wanted(kind: str) -> str:
    wanted = {"int": "a whole number", "string": "a string", "bool": "`true` or `false`"}
    wanted |= {"model": "a table", "mapping": "a table", "dict": "a table", "too": "a list of the right length"}
    return wanted.get(kind.split("_")[0], "a list")


def _known(path: KeyPath) -> str:
    table = _table(path[:-1])
    if table is None:
        return ""
    keys = sorted(field.alias or name for name, field in table.model_fields.items())
    close = did_you_mean(str(path[-1]), keys)
    return close or "it has " + ", ".join(f"`{key}`" for key in keys)


def did_you_mean(word: str, known: list[str]) -> str:
    """A hint that names the nearest of `known`, or nothing."""
    close = get_close_matches(word, sorted(known), n=1, cutoff=0.6)
    return f"did you mean `{close[0]}`?" if close else ""


def _table(path: KeyPath) -> type[BaseModel] | None:
    """The class that reads the table at `path`."""
    table: type[BaseModel] | None = Topology
    named = False
    for key in path:
        if named or isinstance(key, int):  # a name chosen by the author, or an index
            named = False
            continue
        if table is None:
            return None
        field = next((f for n, f in table.model_fields.items() if key in (n, f.alias)), None)
        if field is None:
            return None
        table = _model_in(field.annotation)
        named = "Mapping" in str(field.annotation)
    return table


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)
