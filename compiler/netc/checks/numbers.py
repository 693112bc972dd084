"""Tables and rule priorities: none belongs to another program, and each belongs to one interface."""

from __future__ import annotations

from collections.abc import Iterator

from netc.diagnostic import Diagnostic, KeyPath
from netc.language.topology import Topology
from netc.network.interface import Interface, Network
from netc.network.nested import NESTED, NESTED_MARK, nested
from netc.network.routed import ROUTED
from netc.network.splits import OUTER_MARK, Split, splits
from netc.network.sums import both, of_replies
from netc.network.uplinks import PREFERENCE, PREFERRED, Uplink, uplinks

TABLES = {253: "the kernel (`default`)", 254: "the kernel (`main`)", 255: "the kernel (`local`)"}
"""By number: rt_tables of iproute2."""

OTHERS = {52: "Tailscale", 51820: "wg-quick", ROUTED: "netc's routers", NESTED: "netc's tunnels in tunnels"}
"""Tables that widely used programs, and BIRD under netc, use and flush."""

TAILSCALE = range(5210, 5271)
"""The rule priorities of Tailscale, which flushes them."""

FREE = "write a number from 20000 to 29999: netc uses none of them"
"""Neither a table nor a priority that netc derives is there: docs/reference/numbers.md."""


def check(network: Network) -> Iterator[Diagnostic]:
    ids = frozenset(table.id for table in network.topology.hosts.values())
    for host, interfaces in network.interfaces.items():
        inner = next((one.where for one in interfaces if one.name in nested(host, network).marked), None)
        yield from _derived(interfaces, uplinks(host, network), splits(host, network), inner, ids)
        tables: dict[int, Interface] = {}
        priorities: dict[int, Interface] = {}
        replies: dict[int, Interface] = {}
        for interface in interfaces:
            yield from _replies_twice(interface, replies)
        for interface in interfaces:
            if interface.table is None or interface.priority is None:
                yield from _without_table(interface)
                continue
            yield from _unused(interface)
            yield from _reserved(interface, interface.table, interface.priority)
            if interface.table == PREFERRED and any(uplink.preferred for uplink in uplinks(host, network)):
                what = f"table {PREFERRED} belongs to the preferred uplinks"
                yield Diagnostic("NC1003", (*interface.where, "table"), what, FREE)
            if any(uplink.preferred for uplink in uplinks(host, network)):
                yield from _of_preferred(interface, interface.priority, interfaces)
            yield from _of_replies(interface, interface.table, interface.priority, replies, network.topology)
            yield from _taken("NC1001", "table", interface.table, interface, tables)
            yield from _taken("NC1002", "priority", interface.priority, interface, priorities)


def _without_table(interface: Interface) -> Iterator[Diagnostic]:
    if interface.priority is not None:
        what = "`priority` needs a `table`, and the interface has none"
        yield Diagnostic(
            "NC1004", (*interface.where, "priority"), what, "leave `priority` out, or write a `table`", on_key=True
        )


def _unused(interface: Interface) -> Iterator[Diagnostic]:
    """A table without routes, or that no policy rule selects."""
    where = (*interface.where, "table")
    if not interface.routes:
        what = f"table {interface.table} would be empty: the interface has no `routes`"
        yield Diagnostic("NC1004", where, what, "leave `table` out, or write `routes`")
    elif all(net.ip.is_link_local() for net in interface.addresses):
        held = "only link-local addresses" if interface.addresses else "no address"
        what = f"no policy rule would select table {interface.table}: the interface has {held}"
        yield Diagnostic("NC1004", where, what, "leave `table` out, or write an `address`")


def _reserved(interface: Interface, table: int, priority: int) -> Iterator[Diagnostic]:
    owner = TABLES.get(table) or OTHERS.get(table)
    if owner:
        what = f"table {table} belongs to {owner}"
        yield Diagnostic("NC1003", (*interface.where, "table"), what, FREE)
    if priority in TAILSCALE:
        what = f"priority {priority} is in {TAILSCALE.start} to {TAILSCALE.stop - 1}, and Tailscale deletes such rules"
        yield Diagnostic("NC1003", (*interface.where, "priority"), what, FREE)
    if priority > 32765:
        what = f"priority {priority} (the number of the table) > 32766 (main): the kernel would look up `main` first"
        yield Diagnostic("NC1003", (*interface.where, "table"), what, "write a `priority` from 1 to 32765")


def _of_preferred(interface: Interface, priority: int, interfaces: tuple[Interface, ...]) -> Iterator[Diagnostic]:
    """With one of the same priority, or between the two, rules would count in the order in which they were added."""
    used = (PREFERENCE, PREFERENCE + 1)
    if interface.namespace is None and priority in used:
        taken = {number for one in interfaces for number in (one.table, one.priority)}
        free = next(number for number in range(20000, 30000) if number not in taken)
        key = "priority" if priority != interface.table else "table"
        what = f"priorities {used[0]} and {used[1]} belong to the preferred uplinks"
        hint = f"write `{free}`, or another number from 20000 to 29999: netc uses none of them"
        yield Diagnostic("NC1003", (*interface.where, key), what, hint)


def _taken(code: str, key: str, number: int, interface: Interface, seen: dict[int, Interface]) -> Iterator[Diagnostic]:
    other = seen.setdefault(number, interface)
    if other is not interface:
        what = f"{both(interface, other)} have the same {key}, {number}"
        yield Diagnostic(
            code, (*interface.where, key), what, f"give one of them another `{key}`", ((*other.where, key),)
        )


def _replies_twice(interface: Interface, seen: dict[int, Interface]) -> Iterator[Diagnostic]:
    """The table is derived from the edge's id, so one edge has one link."""
    if interface.back is None:
        return
    other = seen.setdefault(interface.back.table, interface)
    if other is not interface:
        names = f"{other.name} and {interface.name}"
        what = (
            f"{names} both bring visitors of {interface.far} to {interface.host}, and need the same table for replies"
        )
        hint = f"write the same link in `via` of all forwards at {interface.far}"
        yield Diagnostic("NC1001", interface.origin, what, hint, (other.origin,), on_key=True)


def _of_replies(
    interface: Interface, table: int, priority: int, replies: dict[int, Interface], topology: Topology
) -> Iterator[Diagnostic]:
    for code, key, number in (("NC1001", "table", table), ("NC1002", "priority", priority)):
        if other := replies.get(number):
            what = f"{interface.host} needs {key} {number} for replies to visitors of {other.far}"
            what += f", where {of_replies(other.far, topology)}" if other.far else ""
            yield Diagnostic(code, (*interface.where, key), what, f"write another `{key}`", (other.origin,))
            return


def _derived(
    interfaces: tuple[Interface, ...],
    by_uplink: tuple[Uplink, ...],
    by_split: tuple[Split, ...],
    inner: KeyPath | None,
    ids: frozenset[int],
) -> Iterator[Diagnostic]:
    """Tables and marks derived from names: two can be the same, but seldom are."""
    tables: dict[int, tuple[str, KeyPath]] = {}
    marks: dict[int, tuple[str, KeyPath]] = {}
    for interface in interfaces:
        if interface.table is not None:
            tables[interface.table] = (interface.name, interface.where)
        if interface.back:
            tables[interface.back.table] = (f"the replies through {interface.name}", interface.where)
            marks[interface.back.mark] = (f"the replies through {interface.name}", interface.where)
    if by_split:
        yield from _outer_mark_of_replies(interfaces, OUTER_MARK, "splits", by_split[0].origin, ids)
        marks[OUTER_MARK] = ("the outer packets of tunnels", by_split[0].origin)
    if inner:
        yield from _outer_mark_of_replies(interfaces, NESTED_MARK, "a tunnel in a tunnel", inner, ids)
        marks[NESTED_MARK] = ("the outer packets of tunnels in tunnels", inner)
    wanted = [(f"the uplink `{uplink.name}`", uplink.origin, uplink.table, uplink.mark) for uplink in by_uplink]
    wanted += [(f"the split `{split.name}`", split.origin, split.table, split.mark) for split in by_split]
    for what, origin, table, mark in wanted:
        yield from _not_free(origin, table)
        for key, number, seen in (("table", table, tables), ("mark", mark, marks)):
            name, other = seen.setdefault(number, (what, origin))
            if other != origin:
                shown = number >> 24 if key == "mark" else number
                said = f"{what} and {name} have the same {key}, {shown}"
                others = {each[3] if key == "mark" else each[2] for each in wanted}
                free = _free(key, origin, {*seen, *others})
                seen[free << 24 if key == "mark" else free] = (what, origin)
                hint = f"write `{key} = {free}`"
                yield Diagnostic("NC1005", origin, said, hint, (other,), on_key=True)


def _free(key: str, origin: KeyPath, taken: set[int]) -> int:
    """A number that nothing of the host has, of those that netc derives."""
    if key == "mark":
        return next(number for number in range(1, 255) if number << 24 not in taken)
    first = 13000 if origin[2] == "splits" else 12000
    return next(number for number in range(first, first + 1000) if number not in taken)


def _outer_mark_of_replies(
    interfaces: tuple[Interface, ...], mark: int, having: str, cause: KeyPath, ids: frozenset[int]
) -> Iterator[Diagnostic]:
    """The rule of replies through such a link would match the outer packets of WireGuard tunnels with this mark."""
    for interface in interfaces:
        if interface.back and interface.back.mark == mark and interface.far:
            what = (
                f"replies to {interface.far} and the outer packets of tunnels have the same mark on {interface.host}, "
                f"{mark >> 24}, and the host has {having}"
            )
            marks = {mark >> 24, *(one.back.mark >> 24 for one in interfaces if one.back)}
            free = next(number for number in range(1, 4095) if number not in ids and number % 255 + 1 not in marks)
            hint = f"write `id = {free}`: the mark is the id modulo 255, plus 1"
            yield Diagnostic("NC1005", ("hosts", interface.far, "id"), what, hint, (cause,))


def _not_free(origin: KeyPath, table: int) -> Iterator[Diagnostic]:
    owner = TABLES.get(table) or OTHERS.get(table)
    if table == PREFERRED:
        owner = "the preferred uplinks"
    if owner:
        free = "write a number from 13000 to 13999" if origin[2] == "splits" else "write a number from 12000 to 12999"
        yield Diagnostic("NC1003", (*origin, "table"), f"table {table} belongs to {owner}", free)
