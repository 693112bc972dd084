"""A HostPlan for people: one fact a line, with the fields that say something; what a fact holds stands under it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from netc.diagnostic import KeyPath, dotted
from netc.language.targets import shown
from netc.language.values import Endpoint, Family, Port, Ports
from netc.network.ranges import Ranges, prefixes
from netc.plan.host_plan import HostPlan, Part

VALUES = (Endpoint, Port, Ports)
"""Records that print as one word."""


def as_text(plan: HostPlan) -> str:
    lines = [f"host {plan.host} of {plan.network}"]
    for part in plan.parts:
        lines += ["", f"part {part.name}: {part.about}", *_part(part)]
    if plan.target:
        tools = (f"  {tool} {shown(version)}" for tool, version in asdict(plan.tools).items())
        lines += ["", f"target {plan.target}", *tools]
    if plan.expected:
        lines += ["", "expected of the host", *(f"  {one} from {dotted(one.key)}" for one in plan.expected)]
    if plan.walks:
        lines += ["", "passes filters of others", *(line for walk in plan.walks for line in _fact(walk, 1))]
    around = [*plan.around.wires, *plan.around.brought]
    if around or plan.around.behind:
        lines += ["", "around", *(line for one in around for line in _fact(one, 1))]
        lines += [f"  behind {ip}" for ip in plan.around.behind]
    if plan.confined:
        lines += ["", "units", *(line for confined in plan.confined for line in _fact(confined, 1))]
    return "\n".join(lines) + "\n"


def facts_from(plan: HostPlan, origin: KeyPath) -> Iterator[str]:
    """The facts that come from a table or from a table within it, one a line."""
    for part in plan.parts:
        if _is_from(part, origin):
            yield f"part {part.name}"
            yield from _part(part)
        else:
            yield from _inside(part, origin)
    for confined in plan.confined:
        yield from _inside(confined, origin)


def _inside(fact: Any, origin: KeyPath) -> Iterator[str]:
    for field in fact.__struct_fields__:
        value = getattr(fact, field)
        for inner in value if isinstance(value, tuple) else (value,):
            if isinstance(inner, Struct) and _is_from(inner, origin):
                yield from _fact(inner, 0)
            elif isinstance(inner, Struct):
                yield from _inside(inner, origin)


def _is_from(fact: Any, origin: KeyPath) -> bool:
    return getattr(fact, "origin", ())[: len(origin)] == origin


def _part(part: Part) -> Iterator[str]:
    yield from (f"  # {reason}" for reason in part.reasons)
    for name in ("after", "bound", "wants", "follows", "renewed_by"):
        if names := getattr(part, name):
            yield f"  {name} {' '.join(names)}"
    for field in part.__struct_fields__:
        value = getattr(part, field)
        if isinstance(value, tuple) and value and isinstance(value[0], Struct):
            for fact in value:
                yield from _fact(fact, 1)


def _fact(fact: Any, depth: int) -> Iterator[str]:
    said = [field for field in fact.__struct_fields__ if getattr(fact, field) not in (None, (), False)]
    own = [field for field in said if not _holds_facts(getattr(fact, field))]
    words = "".join(f" {field}={_value(field, getattr(fact, field))}" for field in own)
    yield f"{'  ' * depth}{type(fact).__name__}{words}"
    for field in said:
        value = getattr(fact, field)
        if _holds_facts(value):
            for inner in value if isinstance(value, tuple) else (value,):
                yield from _fact(inner, depth + 1)


def _holds_facts(value: object) -> bool:
    first = value[0] if isinstance(value, tuple) and value else value
    return isinstance(first, Struct) and not isinstance(first, VALUES)


FEW = 10


def _ranges(ranges: Ranges, family: Family) -> str:
    """The first prefixes of what may be a long list."""
    shown = list(islice(prefixes(ranges, family), FEW + 1))
    return ",".join(shown if len(shown) <= FEW else [*shown[:FEW], "…"])


def _value(field: str, value: Any) -> str:
    if field in ("v4", "v6"):
        return _ranges(value, 4 if field == "v4" else 6)
    if field == "origin" and isinstance(value, tuple):
        return dotted(value)
    if field == "mark" and isinstance(value, int):
        return f"{value:#010x}"
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
