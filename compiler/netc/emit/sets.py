"""Lists of addresses for `ipset restore`.

One prefix a line, so that a list that changes by a prefix changes by a line.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from netc.emit.file import File, reload
from netc.emit.render import token
from netc.language.values import Family
from netc.network.ranges import Ranges, prefixes
from netc.plan.facts import AddressSet
from netc.plan.facts.address_set import FAMILIES, ipset_names, ipset_path
from netc.plan.host_plan import HostPlan

MAXELEM = 16777077
"""The maximum of elements in an ipset. All ipsets of netc have the same, because `create -exist` fails if an ipset has
another. It also marks an ipset as netc's."""


def emit(plan: HostPlan) -> Iterator[File]:
    for part in plan.parts:
        for found in part.every(AddressSet):
            text = "\n".join(_restore(found)) + "\n"
            yield File(f"files{ipset_path(found)}", text, takings=reload(part.name))


def _restore(found: AddressSet) -> Iterator[str]:
    """The new ipset is built beside the old one and swapped with it, so that rules never match half of it. A second
    load does the same, also after one that was killed."""
    names = dict(zip(FAMILIES, ipset_names(found), strict=True))
    yield f"# {_origin(found)}"
    yield "# Filled as NAME-new, then swapped with NAME. The odd maxelem shows that an ipset is netc's."
    for family, name in names.items():
        kind = f"hash:net family {'inet' if family == 4 else 'inet6'}"
        size = 1 << max(10, (len(found.of(family)) - 1).bit_length())
        yield f"create -exist {name} {kind} maxelem {MAXELEM}"
        yield f"create -exist {name}-new {kind} hashsize {size} maxelem {MAXELEM}"
        yield f"flush {name}-new"
        yield from map(f"add {name}-new ".__add__, _lines(_halved(found.of(family), family), family))
    for name in names.values():
        yield f"swap {name}-new {name}"
    for name in names.values():
        yield f"destroy {name}-new"


@lru_cache(maxsize=4)
def _lines(ranges: Ranges, family: Family) -> tuple[str, ...]:
    """A list is printed once for all hosts that have it."""
    return tuple(prefixes(ranges, family))


def _halved(ranges: Ranges, family: Family) -> Ranges:
    """hash:net holds no /0."""
    half = 1 << (31 if family == 4 else 127)
    return ((0, half - 1), (half, 2 * half - 1)) if ranges == ((0, 2 * half - 1),) else ranges


def _origin(found: AddressSet) -> str:
    return f"sets.{token(found.name)}. Compiled by netc: change the topology, not this file."
