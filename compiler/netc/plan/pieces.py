"""Long lists of addresses for nft, in pieces: for a list of 400,000 prefixes as a whole, nft needs 300 MiB.

A piece holds what a list has of one part of the address space, so a list that changed by a prefix has one other piece.
It is an nft set whose name says what it holds. So the pieces of a new list stand beside those of the old one, until one
transaction replaces the rules that name them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import lru_cache
from hashlib import sha256

from msgspec import Struct

from netc.language.values import Family
from netc.network.ranges import BITS, Ranges, blocks, prefixes
from netc.plan.facts.address_set import AddressSet

MOST: dict[Family, int] = {4: 4000, 6: 2500}
"""Prefixes of a piece. A transaction of an ordinary user's namespace holds 208 KiB (net.core.wmem_default), a prefix of
IPv4 takes 40 bytes of it and one of IPv6 64."""

DIGITS = 12
"""Of the digest in a name: two lists of one set never share a name."""


class Piece(Struct, frozen=True):
    """The prefixes, as text, of a list within `network`/`length`, where `network` is the number of an address."""

    name: str
    network: int
    length: int
    prefixes: tuple[str, ...]


def pieces(found: AddressSet, family: Family) -> tuple[Piece, ...]:
    """None of them is empty."""
    return tuple(_named(found, family))


def _named(found: AddressSet, family: Family) -> Iterator[Piece]:
    for digest, network, length, held in _cut(found.of(family), family):
        yield Piece(f"set{family}_{found.name}_{digest}", network, length, held)


@lru_cache(maxsize=4)
def _cut(ranges: Ranges, family: Family) -> tuple[tuple[str, int, int, tuple[str, ...]], ...]:
    """A list is cut once, for all rules and all hosts that have it."""
    networks = [network for network, _ in blocks(ranges, family)]
    texts = tuple(prefixes(ranges, family))
    found = []
    for network, length, first, end in _halves(networks, BITS[family], MOST[family]):
        held = texts[first:end]
        found.append((sha256("\n".join(held).encode()).hexdigest()[:DIGITS], network, length, held))
    return tuple(found)


def _halves(networks: Sequence[int], bits: int, most: int) -> Iterator[tuple[int, int, int, int]]:
    """Parts of the address space with at most so many prefixes each, and where these stand: first and end."""
    waiting = [(0, 0, 0, len(networks))]
    while waiting:
        network, length, first, end = waiting.pop()
        if end - first > most:
            middle = network + (1 << bits - length - 1)
            cut = bisect_left(networks, middle, first, end)
            waiting += [(middle, length + 1, cut, end), (network, length + 1, first, cut)]
        elif end > first:
            yield network, length, first, end
