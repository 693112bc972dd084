"""What pydantic found, said as Diagnostics in an author's words."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Literal, get_args, get_origin

from msgspec.structs import replace
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from netc.diagnostic import Diagnostic, KeyPath, dotted
from netc.language import misplaced, refused, slips
from netc.language.apart import Apart, dotted_name
from netc.language.key_files import key_file
from netc.language.names import Wrong, quoted
from netc.language.nearest import Names, did_you_mean
from netc.language.secrets import is_place, is_secret_key, is_wireguard_key, without_keys
from netc.language.topology import Topology
from netc.language.values import EMPTY

MOST = 1000
"""Errors in the form of a topology that netc reports. Nobody reads more, and each takes time."""


def diagnostics_of(error: ValidationError, data: dict[str, Any]) -> Iterator[Diagnostic]:
    """One diagnostic for each thing that is wrong in `data`, which was meant to be a Topology."""
    apart = Apart(data, _keys, _required)
    details = _first_alone(error.errors(include_url=False), apart)
    for number, detail in enumerate(details[:MOST], 1):
        diagnostic = _diagnostic(detail, data, apart)
        if number == MOST < len(details):
            diagnostic = replace(diagnostic, what=f"{diagnostic.what} ({len(details) - MOST} more are not shown)")
        if diagnostic.code != "NC0113":  # whose text is a public key, or was meant to be
            diagnostic = replace(diagnostic, what=without_keys(diagnostic.what))
        yield diagnostic


def _first_alone(details: list[ErrorDetails], apart: Apart) -> list[ErrorDetails]:
    """If a key is missing because it is misspelt, netc reports the misspelling only. If a host has an invalid name,
    netc reports it at the host's table only."""
    odd: defaultdict[KeyPath, list[str]] = defaultdict(list)
    for detail in details[:MOST]:
        if detail["type"] == "extra_forbidden":
            odd[detail["loc"][:-1]].append(str(detail["loc"][-1]))
    unnamed = {str(detail["loc"][1]) for detail in details if detail["loc"][2:] == ("[key]",)}
    split = {detail["loc"][:3] for detail in details if detail["type"] == "extra_forbidden"}
    unnamed |= {".".join(map(str, whole[1:])) for loc in split if loc[0] == "hosts" and (whole := apart.begins(loc))}

    def meant(loc: KeyPath) -> bool:
        table, key = loc[:-1], str(loc[-1])
        return any(_meant((*table, word)) == key for word in odd.get(table, ()))

    def follows(detail: ErrorDetails) -> bool:
        loc = detail["loc"]
        if apart.within(loc):
            return not apart.begins(loc)
        if detail["type"] == "missing":
            return meant(loc)
        return loc[-1] != "[key]" and isinstance(detail["input"], str) and detail["input"] in unnamed

    return [detail for detail in details if not follows(detail)]


def _path(loc: KeyPath, data: Any) -> KeyPath:
    """Where the author wrote it: a value alone that stands for a list has no index."""
    path: list[str | int] = []
    for key in loc:
        of_the_name = key == "[key]" and not (isinstance(data, dict) and key in data)
        if of_the_name or (isinstance(key, int) and not isinstance(data, list)):
            continue
        path.append(key)
        if isinstance(data, dict) and isinstance(key, str):
            data = data.get(key)
        elif isinstance(data, list) and isinstance(key, int) and key < len(data):
            data = data[key]
    return tuple(path)


def _diagnostic(detail: ErrorDetails, data: dict[str, Any], apart: Apart) -> Diagnostic:
    kind, loc, value, context = detail["type"], detail["loc"], detail["input"], detail.get("ctx", {})
    path = _path(loc, data)
    if _is_secret(kind, path, value):
        return _secret(path, value)
    if isinstance(context.get("error"), Wrong):
        return _wrong(context["error"], path, loc, value, data)
    match kind:
        case "extra_forbidden" if whole := apart.begins(path):
            return dotted_name(path, whole)
        case "extra_forbidden":
            return Diagnostic(
                "NC0101",
                path,
                f"{quoted(str(path[-1]))} is not a key {_of(path)}",
                _known(path, value, data),
                on_key=True,
            )
        case "missing" if isinstance(loc[-1], int):
            return _not_two(path[:-1])
        case "too_long":
            return _not_two(path)
        case "missing":
            return Diagnostic("NC0102", path[:-1], f"`{path[-1]}` is missing{_in(path)}", _wish(path), on_key=True)
        case "literal_error" if isinstance(value, str):
            return _choice(path, value, context["expected"], data)
        case "greater_than_equal" | "less_than_equal":
            bound = f"at least {context['ge']}" if "ge" in context else f"at most {context['le']}"
            return Diagnostic(
                "NC0105", path, f"`{_name(path)}` cannot be {_number(value)}", f"write a number of {bound}"
            )
        case _:
            hint = _wanted(kind, path, value, context, data)
            return Diagnostic("NC0103", path, f"`{_name(path)}` is {_type(value)}", hint)


def _wrong(wrong: Wrong, path: KeyPath, loc: KeyPath, value: Any, data: dict[str, Any]) -> Diagnostic:
    """What a type refuses, with the hint that the place of the value makes possible."""
    what, hint = wrong.what, wrong.hint
    is_item = isinstance(loc[-1], int)
    if is_item and (parts := slips.several(value)):
        listed = ", ".join(f'"{part}"' for part in parts)
        what = f"`{_name(path)}` has {len(parts)} values in one string"
        hint = f"write `[{listed}]`" if isinstance(path[-1], str) else f"write each in quotes of its own: `{listed}`"
    elif isinstance(value, str):
        what, hint = refused.of_value(wrong, path, value, data)
    elif wrong.code == "NC0126":
        what = what.replace(f"`{EMPTY}`", f"`{_name(path)}`")
        hint = refused.of_empty(path, data) or hint
    if any(map(is_secret_key, path[:-1])) and isinstance(value, str) and not is_place(path[-1], value):
        what = what.replace(quoted(value), f"the value of `{_name(path)}`")  # it may be the secret itself
    return Diagnostic(wrong.code, path, what, hint, on_key=loc[-1] == "[key]")


def _name(path: KeyPath) -> str:
    """`mtu`, `addresses[0]`"""
    start = next((at for at in range(len(path) - 1, -1, -1) if isinstance(path[at], str)), 0)
    return dotted(path[start:])


def _of(path: KeyPath) -> str:
    return f"of {dotted(path[:-1])}" if len(path) > 1 else "of a topology"


def _in(path: KeyPath) -> str:
    return f" in {dotted(path[:-1])}" if len(path) > 1 else ""


def _is_secret(kind: str, path: KeyPath, value: Any) -> bool:
    """A value under a key that names a secret, or the secret itself where its place should be written."""
    if any(map(is_secret_key, path[:-1])):
        slip = did_you_mean(str(path[-1]), ["file", "credential"])
        return is_wireguard_key(value) or (kind == "extra_forbidden" and not slip)
    return is_secret_key(path[-1] if path else "") and kind in ("extra_forbidden", "model_type")


_PATH = re.compile(r"/(etc|root|home|var|run|usr|opt|srv|mnt|tmp)/[A-Za-z0-9_.+@=:/-]+")
_RELATIVE = re.compile(r"(~|\$\w+|\.{0,2})/.*|[^/]+/.*\.(key|pem|psk|txt)|[^/]+\.(key|pem|psk)|file:.*")


def _secret(path: KeyPath, value: Any) -> Diagnostic:
    alone = value[0] if isinstance(value, list) and len(value) == 1 else value
    is_path = isinstance(alone, str) and not is_wireguard_key(alone)
    what = f"`{_name(path)}` is {_type(value)}, and must be a table that says where the secret is"
    if is_path and (found := _PATH.fullmatch(alone.removeprefix("file:"))):
        return Diagnostic("NC0116", path, what, f'write `{{ file = "{found[0]}" }}`')
    if is_path and _RELATIVE.fullmatch(alone):
        return Diagnostic(
            "NC0116", path, what, 'write `{ file = "/…" }`: the whole path on the host, without `~` or variables'
        )
    if str(path[-1]).lower() in ("env", "environment", "variable", "command", "cmd"):
        what = f"`{path[-1]}` is no place of a secret: netc reads neither the environment nor a program's output"
        return Diagnostic("NC0101", path, what, "write `file` or `credential`", on_key=True)
    place = _default_place(path)
    inner, also = str(path[-1]), "and make a new key on the host: others may have read this one"
    hint = f'write `{{ file = "{place}" }}`, {also}'
    if any(map(is_secret_key, path[:-1])):
        hint = (
            f"write `{place}`, {also}" if inner == "file" else f'write `file = "{place}"` in place of `{inner}`, {also}'
        )
    return Diagnostic(
        "NC0116",
        path,
        f"`{_name(path)}` holds a secret, and a topology must not hold secrets",
        hint,
        on_key=True,
    )


def _default_place(path: KeyPath) -> str:
    """Where the host keeps the secret of that key, unless its author says otherwise."""
    named = [str(key) for key in path]
    named = named[: next(n for n, key in enumerate(named, 1) if is_secret_key(key) or n == len(named))]
    if named[-1] == "private_key" and len(named) == 3:
        return key_file("host.key")
    of = {"tunnels": 3, "ends": 1, "peers": 4}
    name = next((named[at] for key, at in of.items() if key in named and at < len(named) - 1), "NAME")
    name = name if re.fullmatch(r"[a-z0-9-]{1,32}", name) else "NAME"
    is_shared = misplaced.plain(named[-1]) in ("presharedkey", "psk") and name != "NAME"
    return key_file(f"{name}.{'psk' if is_shared else 'key'}")


def _not_two(path: KeyPath) -> Diagnostic:
    return Diagnostic("NC0103", path, f"`{_name(path)}` needs two hosts", 'write both, as in `["a", "b"]`')


def _choice(path: KeyPath, value: str, expected: str, data: Any) -> Diagnostic:
    if hint := slips.of_choice(path, value, re.findall("'([^']*)'", expected), data):
        return Diagnostic("NC0104", path, f"`{_name(path)}` cannot be {quoted(value)}", hint)
    hint = "it can be " + expected.replace("'", "`")
    if close := did_you_mean(value, re.findall("'([^']*)'", expected)):
        hint = f"{close} {hint}"
    return Diagnostic("NC0104", path, f"`{_name(path)}` cannot be {quoted(value)}", hint)


def _number(value: Any) -> str:
    return str(value) if not isinstance(value, int) or abs(value) < 10**20 else "such a large number"


def _type(value: Any) -> str:
    names = {bool: "a boolean", int: "a number", float: "a float", str: "a string", dict: "a table", list: "a list"}
    return names.get(type(value), "a date or time")


def _wanted(kind: str, path: KeyPath, value: Any, context: dict[str, Any], data: Any) -> str:
    word = kind.split("_")[0]
    if word == "bool":
        hint = slips.of_switch(value)
        return hint if isinstance(value, str) else hint.removesuffix(", without quotes")
    if word == "int" and isinstance(value, str) and value.strip().isdecimal():
        return f"write it without quotes: `{quoted(value.strip()).strip('`')}`"
    if word == "int" and (hint := slips.of_number(path, value, optional=not _is_required(path))):
        return hint
    if word == "literal":
        choices = re.findall("'([^']*)'", context["expected"])
        hint = slips.of_choice(path, str(value), choices, data)
        return hint or "it can be " + context["expected"].replace("'", "`")
    if word == "string" and (hint := slips.of_text(path, value)):
        return hint
    if word in ("model", "mapping", "dict") and (hint := slips.of_table(path, value, data)):
        return hint
    if word == "tuple" and (parts := slips.several(value)):
        return f"write `[{', '.join(f'{chr(34)}{part}{chr(34)}' for part in parts)}]`"
    wanted = {"int": "a whole number", "string": "a string, in quotes"}
    wanted |= {"model": "a table", "mapping": "a table", "dict": "a table"}
    return "write " + wanted.get(word, "a list")


def _is_required(path: KeyPath) -> bool:
    fields = table.model_fields if (table := _table(path[:-1])) else {}
    return any(path[-1] in (name, field.alias) and field.is_required() for name, field in fields.items())


TOP = {
    "version": "write `version = 1`",
    "network": "write `[network]`, and a `name` in it",
    "hosts": "write `[hosts.NAME]` for each machine",
}


def _wish(path: KeyPath) -> str:
    """What a missing key is for."""
    if len(path) == 1:
        return TOP.get(str(path[0]), "")
    table = _table(path[:-1])
    field = next((f for n, f in table.model_fields.items() if path[-1] in (n, f.alias)), None) if table else None
    choices = _choices(field.annotation) if field else ()
    if choices:
        return "write one of " + ", ".join(f"`{choice}`" for choice in choices)
    about = field.description if field else None
    return f"add `{path[-1]}`: {about[0].lower()}{about[1:].rstrip('.')}" if about else f"add `{path[-1]}`"


def _choices(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) is Literal else ()


def _known(path: KeyPath, value: Any, data: Any) -> str:
    keys = _keys(path[:-1])
    if not keys:
        return ""
    hint = misplaced.of_key(path, value, data, _keys) or did_you_mean(str(path[-1]), keys, NEAR_KEY)
    return hint or "it has " + ", ".join(f"`{key}`" for key in keys)


NEAR_KEY = 0.7
"""How like a key of the table a word has to be: short keys are like many words."""


def _keys(path: KeyPath) -> Sequence[str]:
    table = _table(path)
    return sorted(field.alias or name for name, field in table.model_fields.items()) if table else ()


def _required(path: KeyPath) -> Sequence[str]:
    table = _table(path)
    return [f.alias or name for name, f in table.model_fields.items() if f.is_required()] if table else ()


def _meant(path: KeyPath) -> str:
    """The key of the table for which the last of `path` was written."""
    keys, word = _keys(path[:-1]), str(path[-1])
    return misplaced.meant(word, keys) or Names(keys).nearest(word, NEAR_KEY)


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
