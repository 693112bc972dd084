"""What a topology says, key by key, and the topology that says one thing otherwise.

A leaf is a key that an author wrote and that holds no table; a list of values is one. Paths are as an author writes
them (`("links", "home", "ends", "edge", "port")`).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, get_args, get_origin

from msgspec.structs import replace
from netaddr import IPAddress, IPNetwork
from pydantic import BaseModel

from netc.diagnostic import KeyPath
from netc.language.names import Name, PublicKey, Wrong
from netc.language.sets import AddressSet
from netc.language.topology import Topology
from netc.language.values import Endpoint, Port, Ports


def leaves(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    if isinstance(value, BaseModel):
        for name, field in type(value).model_fields.items():
            if name in value.model_fields_set:
                yield from leaves(getattr(value, name), (*path, field.alias or name))
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, tuple) and any(isinstance(item, BaseModel) for item in value):
        for index, item in enumerate(value):
            yield from leaves(item, (*path, index))
    elif value is not None:
        yield path


def tables(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Those that a topology could do without, outer ones first; no host, since everything hangs on those."""
    if isinstance(value, BaseModel):
        for name, field in type(value).model_fields.items():
            inner, here = getattr(value, name), (*path, field.alias or name)
            if isinstance(inner, BaseModel) and not field.is_required():
                yield here
            if isinstance(inner, BaseModel | Mapping):
                yield from tables(inner, here)
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            if isinstance(inner, BaseModel):
                if path != ("hosts",):
                    yield (*path, key)
                yield from tables(inner, (*path, key))


def at(value: Any, path: KeyPath) -> Any:
    """Raises LookupError where there is nothing."""
    for key in path:
        match value, key:
            case BaseModel(), _:
                value = getattr(value, _field(value, key))
            case (Mapping(), _) | (tuple(), int()):
                value = value[key]
            case _:
                raise LookupError(key)
    return value


def whole(topology: Topology, path: KeyPath) -> KeyPath:
    """A path as an author or a message writes it, with the index of a table that stands alone for a list. Raises
    LookupError where there is nothing."""
    found: KeyPath = ()
    for key in path:
        if isinstance(at(topology, found), tuple) and not isinstance(key, int):
            found += (0,)
        found += (key,)
        at(topology, found)
    return found


def is_left_out(path: KeyPath, topology: Topology) -> bool:
    """Whether a table could have this key and does not say it."""
    table = at(topology, path[:-1])
    return isinstance(table, BaseModel) and _field(table, path[-1]) not in table.model_fields_set


def without(topology: Topology, path: KeyPath) -> Topology:
    """`path` is one of `tables`."""

    def taken_out(around: Any) -> Any:
        if isinstance(around, Mapping):
            return {key: inner for key, inner in around.items() if key != path[-1]}
        return around.model_copy(update={_field(around, path[-1]): None})

    made: Topology = _changed(topology, path[:-1], taken_out)
    return made


def otherwise(topology: Topology, path: KeyPath) -> Iterator[Topology]:
    """Topologies that say something else at a leaf, or nothing; some may make no sense."""
    owner = at(topology, path[:-1])
    if isinstance(owner, AddressSet) and path[-1] == "files":  # a name says nothing; what it was read from is kept
        yield _changed(topology, path[:-1], lambda table: table.with_lists(()))
        return
    for value in _others(at(topology, path), _choices(owner, path[-1]), _taken(topology, path)):
        yield _with(topology, path, value)
    if isinstance(owner, BaseModel):
        field = type(owner).model_fields[_field(owner, path[-1])]
        default = field.get_default(call_default_factory=True)
        if not field.is_required() and default != at(topology, path):
            yield _with(topology, path, default)


def _with(topology: Topology, path: KeyPath, value: Any) -> Topology:
    made: Topology = _changed(topology, path, lambda _: value)
    return made


def _changed(value: Any, path: KeyPath, change: Callable[[Any], Any]) -> Any:
    if not path:
        return change(value)
    key, rest = path[0], path[1:]
    if isinstance(value, BaseModel):
        name = _field(value, key)
        return value.model_copy(update={name: _changed(getattr(value, name), rest, change)})
    if isinstance(value, Mapping):
        return {**value, key: _changed(value[key], rest, change)}
    return tuple(_changed(item, rest, change) if number == key else item for number, item in enumerate(value))


def _field(table: BaseModel, key: str | int) -> str:
    for name, field in type(table).model_fields.items():
        if key in (name, field.alias):
            return name
    raise LookupError(key)


def _choices(owner: Any, key: str | int) -> tuple[Any, ...]:
    def inside(annotation: Any) -> Iterator[Any]:
        if get_origin(annotation) is Literal:
            yield from get_args(annotation)
        else:
            for inner in get_args(annotation):
                yield from inside(inner)

    return (
        tuple(inside(type(owner).model_fields[_field(owner, key)].annotation)) if isinstance(owner, BaseModel) else ()
    )


def _taken(topology: Topology, path: KeyPath) -> frozenset[Any]:
    """Numbers that others have, where one has to be unique."""
    return frozenset(host.id for host in topology.hosts.values()) if path[-1] == "id" else frozenset()


def _others(value: Any, choices: tuple[Any, ...], taken: frozenset[Any]) -> Iterator[Any]:
    if choices and not isinstance(value, Endpoint):
        yield from (choice for choice in choices if choice != value)
    elif isinstance(value, tuple):
        if changed := tuple(next(_others(item, (), taken), item) for item in value):
            yield changed
    elif isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield next(number for number in range(value + 1, value + 5000) if number not in taken)
    elif isinstance(value, IPNetwork):
        yield _network(value)
    elif isinstance(value, IPAddress):
        yield IPAddress(int(value) ^ 4, value.version)
    elif isinstance(value, Endpoint):
        yield replace(value, host=next(_others(value.host, (), taken), value.host), port=value.port and value.port ^ 1)
    elif isinstance(value, Port):
        yield replace(value, number=value.number ^ 1)
    elif isinstance(value, Ports):
        yield replace(value, first=value.first ^ 1, last=max(value.last, value.first ^ 1))
    elif isinstance(value, Name):
        yield from _names(value)
    elif hasattr(value, "port"):
        yield replace(value, port=(value.port or 0) ^ 1 or 2)


def _network(value: IPNetwork) -> IPNetwork:
    """Another address of the same length: in the same subnet if the subnet has another one, else in another subnet."""
    bits = 32 if value.version == 4 else 128
    room = bits - value.prefixlen
    if room == bits:
        return IPNetwork(f"{value.ip}/1")
    flip = 1 << room if value.ip == value.network else 1 << min(room, 2)
    return IPNetwork(f"{IPAddress(int(value.ip) ^ flip, value.version)}/{value.prefixlen}")


def _names(value: Name) -> Iterator[Name]:
    if isinstance(value, PublicKey):
        raw = base64.b64decode(value)
        yield PublicKey(base64.b64encode(bytes((raw[0] ^ 1, *raw[1:]))).decode())
        return
    number = re.sub(r"[0-9]", lambda digit: str(int(digit[0]) ^ 1), value, count=1)  # of a place, by its address
    for text in (f"{value}x", f"x{value[1:]}", f"{value[:-1]}x", f"x-{value}", number, value.replace(" ", "-")):
        try:
            if text != value:
                yield type(value)(text)
        except Wrong:
            continue
