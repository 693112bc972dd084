"""Lists of addresses, as ipsets (ipset(8))."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from netc.language.names import SetName
from netc.language.values import Family
from netc.network.ranges import Ranges, blocks
from netc.plan.facts.fact import Fact, Library
from netc.plan.step import Command, Step

FAMILIES: tuple[Family, Family] = (4, 6)

SHORT = 50
"""Prefixes of a family that stand in an nft ruleset itself, which reviewers read. Long lists are files of their own."""


class AddressSet(Fact, frozen=True):
    """Addresses with a name, by family. As a fact of a part they are ipsets; a ruleset of nftables' holds its own."""

    name: SetName
    v4: Ranges = ()
    v6: Ranges = ()

    change = "retire"
    is_early = True

    def of(self, family: Family) -> Ranges:
        return self.v4 if family == 4 else self.v6

    def is_short(self, family: Family) -> bool:
        return len(list(islice(blocks(self.of(family), family), SHORT + 1))) <= SHORT

    def steps(self) -> Iterator[Step]:
        for command in self.reload():
            yield Step(
                up=command,
                down=("remove_sets", *ipset_names(self)),
                holds=(("members_are", ipset_path(self)),),
            )

    def needs(self) -> Iterator[Command]:
        yield ("need", "ipset", "ipset")

    def asks(self) -> Iterator[Command]:
        yield ("usable_sets", *ipset_names(self))

    def reload(self) -> Iterator[Command]:
        yield ("ipset", "restore", "-file", ipset_path(self))

    def libraries(self) -> Iterator[Library]:
        yield Library("sets.bash")
        yield Library("trial.bash", ())

    def kernel(self) -> tuple[str, ...]:
        return ("ipset",)


def ipset_names(found: AddressSet) -> tuple[str, ...]:
    return tuple(f"{found.name}{family}" for family in FAMILIES)


def ipset_path(found: AddressSet) -> str:
    return f"/etc/netc/sets/{found.name}.ipset"
