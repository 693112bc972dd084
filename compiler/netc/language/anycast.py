"""Anycast: one address on several hosts. Each announces it while its own service answers."""

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from netc.language.names import HostName, Wrong, quoted
from netc.language.placed import ReachedInterface
from netc.language.tables import Table
from netc.language.tunnels import Command
from netc.language.units import UnitName
from netc.language.values import AnyNumber, FromText, OneOrMany

UNITS = {"ms": 1, "s": 1000, "m": 60_000}
LONGEST = 600_000
SHORTEST = 100
DURATION = r"([0-9]{1,6})(ms|s|m)"


def duration(text: str) -> int:
    """`200ms`, `5s`, `2m`: milliseconds, up to ten minutes."""
    match = re.fullmatch(DURATION, text)
    if not match:
        raise Wrong("NC2501", f"{quoted(text)} is not a duration", _written_out(text))
    found = int(match[1]) * UNITS[match[2]]
    if found > LONGEST:
        raise Wrong("NC2501", f"`{text}` > {said(LONGEST)}, the longest duration", f"write at most `{said(LONGEST)}`")
    return found


def _written_out(text: str) -> str:
    """A hint for `5 s`, `5sec`, `5`."""
    near = re.fullmatch(r"\s*([0-9]{1,6})\s*([a-z]*)\s*", text.lower())
    units = {"": "s", "ms": "ms", "s": "s", "sec": "s", "second": "s", "m": "m", "min": "m", "minute": "m"}
    unit = units.get(near[2].removesuffix("s") if len(near[2]) > 2 else near[2]) if near else None
    return f"write `{near[1]}{unit}`" if near and unit else "write a number with `ms`, `s` or `m`"


def said(milliseconds: int) -> str:
    """As an author would write it: `1500ms`, `5s`, `10m`."""
    unit = next(unit for unit, size in sorted(UNITS.items(), key=lambda each: -each[1]) if milliseconds % size == 0)
    return f"{milliseconds // UNITS[unit]}{unit}"


def _some(text: str) -> int:
    if duration(text) < SHORTEST:
        shortest = said(SHORTEST)
        raise Wrong(
            "NC2501", f"`{text}` < {shortest}, the shortest interval or timeout", f"write at least `{shortest}`"
        )
    return duration(text)


Duration = Annotated[int, FromText(duration, DURATION)]
SomeTime = Annotated[int, FromText(_some, DURATION)]
Times = Annotated[int, Field(strict=True, ge=1, le=100)]


class Check(Table):
    """How the host checks whether the service answers."""

    command: Command = Field(
        description=(
            "The absolute path of a program and its arguments, as for `start`. It runs inside the namespace as "
            "the user nobody. The service answers if it exits with 0."
        ),
    )
    interval: SomeTime = Field(
        5000,
        description="The time from the start of one check to the start of the next: `200ms`, `5s`, `1m`. Default: 5s.",
    )
    timeout: SomeTime = Field(2000, description="The longest time that one check may take. Default: 2s.")
    rise: Times = Field(
        3, description="The number of successful checks in a row after which the host announces the service."
    )
    fall: Times = Field(2, description="The number of failed checks in a row after which the host withdraws it.")


class Anycast(Table):
    """A service on several hosts, on each in a network namespace of its own."""

    addresses: AnyNumber[ReachedInterface] = Field(
        description=(
            "Addresses of the service, which no host has. A host announces the prefix of each while its "
            "service answers."
        )
    )
    hosts: AnyNumber[HostName] = Field(description="Routers of the `[bgp]` on which it runs.")
    unicast: Mapping[HostName, OneOrMany[ReachedInterface]] = Field(
        default_factory=dict,
        description=(
            "By host name: addresses that the service has on that host alone, out of `bgp.prefixes`, one a family."
        ),
    )
    services: OneOrMany[UnitName] = Field((), description="Units that run inside its namespace.")
    check: Check = Field(description="How the host checks whether the service answers.")
    drain: Duration = Field(
        5000,
        description=(
            "How long the host announces it as the last resort before it withdraws it on purpose. `0s`: not at "
            "all. Default: 5s."
        ),
    )
