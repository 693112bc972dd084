"""Sets of addresses, in the ruleset or in files of their own, and the matches that name them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from netaddr import IPNetwork

from netc.emit.nftables.words import FAMILIES
from netc.emit.render import Verbatim, token
from netc.language.values import Family
from netc.network.ranges import BITS, prefixes
from netc.plan.facts import AddressSet, Ruleset
from netc.plan.facts.ruleset import may_have_pieces
from netc.plan.pieces import Piece, pieces

Side = Literal["saddr", "daddr"]


def matches(found: AddressSet, family: Family, side: Side, ruleset: Ruleset) -> Iterator[str]:
    """One for each nft set that holds a part of it. Only packets of that part of the address space are looked up."""
    address = f"{FAMILIES[family]} {side}"
    if not found.of(family):
        return
    if not _in_pieces(found, family, ruleset):
        yield f"{address} @{_name(found, family)}"
        return
    for piece in pieces(found, family):
        near = f"{address} {IPNetwork((piece.network, piece.length), version=family)} " if piece.length else ""
        yield f"{near}{address} @{piece.name}"


def declared(ruleset: Ruleset) -> Iterator[dict[str, object]]:
    """Those in the ruleset itself. Never auto-merge, which takes ten times as long: what the compiler worked out does
    not overlap."""
    for found in ruleset.sets:
        for family in FAMILIES:
            if found.of(family) and not _in_pieces(found, family, ruleset):
                yield {
                    "name": _name(found, family),
                    "type": Verbatim(f"ipv{family}_addr"),
                    "elements": list(map(Verbatim, prefixes(found.of(family), family))),
                }


def files(ruleset: Ruleset) -> Iterator[tuple[str, str]]:
    """Path and text of the others: one file a piece, so that a list that changed by a prefix has one other file."""
    for found in ruleset.sets:
        for family in FAMILIES:
            if _in_pieces(found, family, ruleset):
                origin = f"# sets.{token(found.name)}. Compiled by netc: change the topology, not this file."
                for piece in pieces(found, family):
                    path = f"files/etc/netc/sets/{found.name}{family}/{_place(piece, family)}.nft"
                    yield path, f"{origin}\n{_text(piece, family)}"


def _text(piece: Piece, family: Family) -> str:
    """As nft lists it, but for spaces: `check` compares the two."""
    head = ("table inet netc {", f"\tset {piece.name} {{", f"\t\ttype ipv{family}_addr", "\t\tflags interval")
    return "\n".join((*head, "\t\telements = {", ",\n".join(piece.prefixes), "\t\t}", "\t}", "}", ""))


def _place(piece: Piece, family: Family) -> str:
    """The first bits of the addresses, in hexadecimal, and how many they are. File systems of others know no `:`."""
    digits = f"{piece.network:0{BITS[family] // 4}x}"
    return f"{digits[: max(1, -(-piece.length // 4))]}-{piece.length}"


def _in_pieces(found: AddressSet, family: Family, ruleset: Ruleset) -> bool:
    return not found.is_short(family) and may_have_pieces(ruleset)


def _name(found: AddressSet, family: Family) -> Verbatim:
    """No keyword of nft's begins so."""
    return Verbatim(f"set{family}_{token(found.name)}")
