"""Reads the lists that sets name, beside the topology."""

from __future__ import annotations

from collections.abc import Callable

from netc.diagnostic import Diagnostic, KeyPath, Place
from netc.language.lists import AddressList, BadLine, read_list
from netc.language.names import SetName, Wrong, quoted
from netc.language.secrets import masked, without_keys
from netc.language.sets import AddressSet
from netc.language.topology import Topology

Read = AddressList | Wrong


def with_lists(
    topology: Topology, read_file: Callable[[str], str]
) -> tuple[Topology, list[Diagnostic], frozenset[KeyPath]]:
    """The topology with every list read; sets with a list that cannot be read are left out."""
    diagnostics: list[Diagnostic] = []
    broken: set[KeyPath] = set()
    seen: dict[str, Read] = {}
    sets: dict[SetName, AddressSet] = {}
    for name, table in topology.sets.items():
        for index, file in enumerate(table.files):
            if file not in seen:  # errors of a file are reported once
                seen[file] = _read(file, read_file)
                diagnostics += _diagnostics(seen[file], file, ("sets", name, "files", index))
        lists = tuple(one for one in map(seen.__getitem__, table.files) if isinstance(one, AddressList) and not one.bad)
        if len(lists) < len(table.files):
            broken.add(("sets", name))
        else:
            sets[name] = table.with_lists(lists)
    return topology.model_copy(update={"sets": sets}), diagnostics, frozenset(broken)


def _read(file: str, read_file: Callable[[str], str]) -> Read:
    try:
        return read_list(read_file(file))
    except Wrong as wrong:
        return wrong


def _diagnostics(found: Read, file: str, where: KeyPath) -> list[Diagnostic]:
    if isinstance(found, Wrong):
        return [Diagnostic(found.code, where, found.what, found.hint)]
    reported = [_bad_line(bad, file, where) for bad in found.bad]
    if found.more:
        lines = "1 more line" if found.more == 1 else f"{found.more} more lines"
        what = f"netc cannot read {lines} of {quoted(file)}"
        reported.append(Diagnostic("NC1601", where, what, "name a list of addresses"))
    return reported


def _bad_line(bad: BadLine, file: str, where: KeyPath) -> Diagnostic:
    """Whatever was taken for a list, no key of it is shown."""
    place = Place(file, bad.line, bad.column, bad.end, masked(bad.source))
    return Diagnostic(bad.error.code, where, without_keys(bad.error.what), bad.error.hint, place=place)
