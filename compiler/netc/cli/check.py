"""`netc check`"""

from __future__ import annotations

import typer

from netc.cli.topology import Topo, understood


def check(topo: Topo) -> None:
    """Say what is wrong in TOPO, and write nothing."""
    hosts = len(understood(topo).network.topology.hosts)
    typer.echo(f"{topo}: {hosts} host{'' if hosts == 1 else 's'}, nothing wrong")
