"""`netc plan`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from netc.cli.options import Topo
from netc.cli.printer import document
from netc.cli.topology import host_of, report, text_of, understood, wrong_use


def plan(
    topo: Topo,
    host: Annotated[str, typer.Argument(metavar="HOST", help="The host. With --migrate: the new topology.")],
    migrate: Annotated[
        bool, typer.Option("--migrate", help="Print the order in which routers change to the new topology.")
    ] = False,
    moved: Annotated[
        list[str] | None, typer.Option(metavar="H", help="With --migrate: this router has changed. Repeatable.")
    ] = None,
) -> None:
    """Print the facts that HOST's files are made of, or the steps of a migration."""
    from netc.pipeline import plan as plan_host
    from netc.plan.text import as_text

    if migrate:
        _migrate(topo, Path(host), moved or [])
        return
    if moved:
        raise wrong_use("`--moved` needs `--migrate`")
    checked = understood(topo)
    document(as_text(plan_host(host_of(host, checked.network), checked.network)))


def _migrate(old: Path, new: Path, names: list[str]) -> None:
    from netc.checks.migration import comparable, halfway
    from netc.network.migration import move
    from netc.plan.migration import as_text

    before, after = understood(old).network, understood(new).network
    one = move(before, after)
    moved = frozenset(host_of(name, after) for name in names) & frozenset(one.routers)
    if diagnostics := tuple(comparable(before, after)) or tuple(halfway(one, moved)):
        report(diagnostics, new, text_of(new))
        raise typer.Exit(1)
    document(as_text(one, moved))
