"""What pydantic found, said as Diagnostics in an author's words."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from msgspec.structs import replace
from netaddr import IPNetwork
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from netc.diagnostic import Diagnostic, KeyPath, dotted
from netc.language import slips
from netc.language.key_files import key_file
from netc.language.names import Wrong, quoted
from netc.language.near import did_you_mean
from netc.language.secrets import is_place, is_secret_key, is_wireguard_key, without_keys
from netc.language.topology import Topology

MOST = 1000
"""Mistakes in the form of a topology that are told of: nobody reads more, and each takes its time."""


def diagnostics_of(error: ValidationError, data: dict[str, Any]) -> Iterator[Diagnostic]:
    """One diagnostic for each thing that is wrong in `data`, which was meant to be a Topology."""
    details = _first_alone(error.errors(include_url=False), data)
    for number, detail in enumerate(details[:MOST], 1):
        diagnostic = _diagnostic(detail, data)
        if number == MOST < len(details):
            diagnostic = replace(diagnostic, what=f"{diagnostic.what} ({len(details) - MOST} more are not shown)")
        if diagnostic.code != "NC0113":  # whose text is a public key, or was meant to be
            diagnostic = replace(diagnostic, what=without_keys(diagnostic.what))
        yield diagnostic


def _first_alone(details: list[ErrorDetails], data: dict[str, Any]) -> list[ErrorDetails]:
    """A key that is missing because it is misspelt is told of as misspelt alone; a host whose name is none, at its
    table alone."""
    odd: defaultdict[KeyPath, list[str]] = defaultdict(list)
    for detail in details[:MOST]:
        if detail["type"] == "extra_forbidden":
            odd[detail["loc"][:-1]].append(str(detail["loc"][-1]))
    of_hosts = [detail["loc"] for detail in details if _is_host(detail["loc"])]
    apart = {host: _split_name(host, data) for host in {loc[1] for loc in of_hosts}}
    unnamed = {str(loc[1]) for loc in of_hosts if loc[2:] == ("[key]",)}
    unnamed |= {f"{host}.{rest}" for host, rest in apart.items() if rest}

    def meant(loc: KeyPath) -> bool:
        table, key = loc[:-1], str(loc[-1])
        return any(did_you_mean(word, [key]) == _known((*table, word)) for word in odd.get(table, ()))

    def follows(detail: ErrorDetails) -> bool:
        loc = detail["loc"]
        if _is_host(loc) and (rest := apart.get(loc[1])):
            return loc[2:] != (rest,)
        if detail["type"] == "missing":
            return meant(loc)
        return loc[-1] != "[key]" and isinstance(detail["input"], str) and detail["input"] in unnamed

    return [detail for detail in details if not follows(detail)]


def _is_host(loc: KeyPath) -> bool:
    return loc[0] == "hosts" and len(loc) > 2


def _split_name(host: str | int, data: dict[str, Any]) -> str:
    """`lan` of `[hosts.home.lan]`, which was meant for a host's name."""
    table = data["hosts"][host] if isinstance(data.get("hosts"), dict) else None
    if not isinstance(table, dict) or "id" in table:
        return ""
    return next((str(key) for key, inner in table.items() if isinstance(inner, dict) and "id" in inner), "")


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


def _diagnostic(detail: ErrorDetails, data: dict[str, Any]) -> Diagnostic:
    kind, loc, value, context = detail["type"], detail["loc"], detail["input"], detail.get("ctx", {})
    path = _path(loc, data)
    if _is_secret(kind, path, value):
        return _secret(path, value)
    if isinstance(context.get("error"), Wrong):
        return _wrong(context["error"], path, loc, value, data)
    match kind:
        case "extra_forbidden" if len(path) == 3 and path[0] == "hosts" and _split_name(path[1], data) == path[2]:
            return _dotted(path)
        case "extra_forbidden":
            return Diagnostic(
                "NC0101", path, f"{quoted(str(path[-1]))} is not a key {_of(path)}", _known(path), on_key=True
            )
        case "missing" if isinstance(loc[-1], int):
            return _not_two(path[:-1])
        case "too_long":
            return _not_two(path)
        case "missing":
            return Diagnostic("NC0102", path[:-1], f"`{path[-1]}` is missing{_in(path)}", _wish(path), on_key=True)
        case "literal_error" if isinstance(value, str):
            return _choice(path, value, context["expected"])
        case "greater_than_equal" | "less_than_equal":
            bound = f"at least {context['ge']}" if "ge" in context else f"at most {context['le']}"
            return Diagnostic(
                "NC0105", path, f"`{_name(path)}` cannot be {_number(value)}", f"write a number of {bound}"
            )
        case _:
            hint = _wanted(kind, path, value, context)
            return Diagnostic("NC0103", path, f"`{_name(path)}` is {_type(value)}", hint)


def _dotted(path: KeyPath) -> Diagnostic:
    """A host whose name has a dot: TOML takes what stands behind it for a table of the host."""
    what = f"a host's name cannot have a dot: `[{dotted(path)}]` is the table `{path[2]}` of a host `{path[1]}`"
    return Diagnostic("NC0106", path, what, f"write `[hosts.{_as_label(f'{path[1]}-{path[2]}')}]`", on_key=True)


def _as_label(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:32]


def _wrong(wrong: Wrong, path: KeyPath, loc: KeyPath, value: Any, data: dict[str, Any]) -> Diagnostic:
    """What a type refuses, with the hint that the place of the value makes possible."""
    what, hint = wrong.what, wrong.hint
    is_item = isinstance(loc[-1], int)
    if is_item and (parts := slips.several(value)):
        listed = ", ".join(f'"{part}"' for part in parts)
        what = f"`{_name(path)}` has {len(parts)} values in one string"
        hint = f"write `[{listed}]`" if isinstance(path[-1], str) else f"write each in quotes of its own: `{listed}`"
    elif isinstance(value, str) and value.strip().lower() in ("dhcp", "auto", "dynamic") and path[-1] != "endpoint":
        what, hint = _no_dhcp(path, value)
    elif path == ("igp", "over") and value in ((), []) and _routers(data) < 2:
        hint = "leave `[igp]` out: a single router needs none"
    elif path[:1] == ("meshes",) and "subnet" in path and "has no prefix length" in what and isinstance(value, str):
        subnet = IPNetwork(f"{value}/{64 if ':' in value else 24}").cidr
        hint = f"write `{subnet}`, or another length"
    elif wrong.what.endswith("has no prefix length") and isinstance(value, str):
        hint = slips.without_length(path, value, data) or hint if wrong.hint.startswith("write") else hint
    elif path[0] == "forwards" and isinstance(value, str) and (host := slips.holder(value, data)):
        what, hint = (
            f"{quoted(value)} is an address, and `{path[2]}` takes a host",
            f"write `{host}`, which has this address",
        )
    elif wrong.code == "NC0106" and isinstance(value, str) and wrong.hint.startswith("use 1 to"):
        label = _as_label(value) if re.fullmatch(r"[A-Za-z0-9 ._/-]+", value) else ""
        if re.fullmatch(r"[a-z][a-z0-9-]*", label) and label not in (value, "all", "internet") and len(value) <= 32:
            hint = f"write `{label}`: {wrong.hint.removeprefix('use ')}"
    if any(map(is_secret_key, path[:-1])) and isinstance(value, str) and not is_place(path[-1], value):
        what = what.replace(quoted(value), f"the value of `{_name(path)}`")  # it may be the secret itself
    return Diagnostic(wrong.code, path, what, hint, on_key=loc[-1] == "[key]")


def _routers(data: dict[str, Any]) -> int:
    hosts = data.get("hosts")
    return sum("bgp" in host for host in hosts.values() if isinstance(host, dict)) if isinstance(hosts, dict) else 0


def _no_dhcp(path: KeyPath, value: str) -> tuple[str, str]:
    key = next((str(each) for each in reversed(path) if isinstance(each, str)), "")
    what = f"{quoted(value)} is not an address: netc does not use DHCP, and writes fixed addresses into rules"
    if key == "gateway":
        return what, "write the router's address. An uplink whose router changes cannot be in `uplinks`"
    if key in ("addresses", "prefixes") and path[0] == "hosts" and "bridges" not in path:
        return what, f"leave `{key}` out: the image configures the interface, and peers dial the host's `endpoint`"
    return what, "write the address"


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


def _secret(path: KeyPath, value: Any) -> Diagnostic:
    if isinstance(value, str) and _PATH.fullmatch(value) and not is_wireguard_key(value):
        what = f"`{_name(path)}` is a string, and must be a table that says where the secret is"
        return Diagnostic("NC0116", path, what, f'write `{{ file = "{value}" }}`')
    return Diagnostic(
        "NC0116",
        path,
        f"`{_name(path)}` holds a secret, and a topology must not hold secrets",
        f'write `{{ file = "{key_file("NAME.key")}" }}`, and make a new key on the host: others may have read this one',
        on_key=True,
    )


def _not_two(path: KeyPath) -> Diagnostic:
    return Diagnostic("NC0103", path, f"`{_name(path)}` needs two hosts", 'write both, as in `["a", "b"]`')


def _choice(path: KeyPath, value: str, expected: str) -> Diagnostic:
    if word := slips.of_choice(_name(path), value):
        return Diagnostic("NC0104", path, f"`{_name(path)}` cannot be {quoted(value)}", f'write `"{word}"`')
    hint = "it can be " + expected.replace("'", "`")
    if close := did_you_mean(value, re.findall("'([^']*)'", expected)):
        hint = f"{close} {hint}"
    return Diagnostic("NC0104", path, f"`{_name(path)}` cannot be {quoted(value)}", hint)


def _number(value: Any) -> str:
    return str(value) if not isinstance(value, int) or abs(value) < 10**20 else "such a large number"


def _type(value: Any) -> str:
    names = {bool: "a boolean", int: "a number", float: "a float", str: "a string", dict: "a table", list: "a list"}
    return names.get(type(value), "a date or time")


def _wanted(kind: str, path: KeyPath, value: Any, context: dict[str, Any]) -> str:
    word, name = kind.split("_")[0], _name(path)
    if word == "bool":
        hint = slips.of_switch(value)
        return hint if isinstance(value, str) else hint.removesuffix(", without quotes")
    if word == "int" and isinstance(value, str) and value.strip().isdecimal():
        return f"write it without quotes: `{quoted(value.strip()).strip('`')}`"
    if word == "int" and (hint := slips.of_number(name, value, optional=not _is_required(path))):
        return hint
    if word == "literal":
        meant = slips.of_choice(name, str(value))
        return f'write `"{meant}"`' if meant else "it can be " + context["expected"].replace("'", "`")
    if name in ("limit", "export_limit") and isinstance(value, int) and not isinstance(value, bool):
        return f"write `{{ ipv4 = {value}, ipv6 = {value} }}`"
    if word in ("model", "mapping", "dict") and (hint := slips.of_table(path, value)):
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


def _known(path: KeyPath) -> str:
    table = _table(path[:-1])
    if table is None:
        return ""
    keys = sorted(field.alias or name for name, field in table.model_fields.items())
    close = slips.of_key(str(path[-1]), keys) or did_you_mean(str(path[-1]), keys)
    return close or "it has " + ", ".join(f"`{key}`" for key in keys)


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
