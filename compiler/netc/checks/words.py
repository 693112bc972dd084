"""Texts that several checks share."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from heapq import nsmallest

from netaddr import IPAddress

from netc.language.names import HostName

MOST = 12
"""Names of a list that a text shows: there may be thousands, and as many diagnostics that show them."""


def some(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    return ", ".join(names[:MOST]) + (f" and {len(names) - MOST} more" if len(names) > MOST else "")


@lru_cache(maxsize=8)  # every such diagnostic of a host shows it
def has(host: HostName, own: frozenset[IPAddress]) -> str:
    """A hint: the addresses of a host."""
    if not own:
        return f"the topology has no address of {host}: add it to `addresses`"
    first = ", ".join(map(str, nsmallest(MOST, own)))
    return f"write one of {first}" + (f" and {len(own) - MOST} more" if len(own) > MOST else "")
