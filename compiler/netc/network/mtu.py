"""What a tunnel leaves of its underlay's MTU, in bytes."""

from __future__ import annotations

from netc.language.kinds import KINDS, Kind
from netc.language.values import Family
from netc.network.interface import Mtu

OUTER = {4: 20, 6: 40}
"""The outer header (RFC 791, RFC 8200)."""

GRE_KEY = 4
"""RFC 2890."""


def overhead(kind: Kind, outer: Family | None, *, keyed: bool) -> int:
    """Bytes that `kind` adds; an unknown outer family counts as the larger one."""
    return OUTER[outer or 6] + KINDS[kind].overhead + (GRE_KEY if keyed else 0)


def mtu(given: int | None, under: int, under_name: str, added: int) -> Mtu:
    return Mtu(given or under - added, under, added, under_name, given is not None)
