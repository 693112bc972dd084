"""`netc diff`"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from netc.cli.bundle import Key
from netc.cli.carriers import ByWhat, InventoryFile, SshCommand, Sudo, Through, carrier
from netc.cli.deploy import bundles_of
from netc.cli.options import Hosts, Topo
from netc.cli.printer import document
from netc.cli.topology import host_of, understood, wrong_use

if TYPE_CHECKING:
    from netc.deploy.dry_run import Planned


def diff(
    topo: Topo,
    live: Annotated[bool, typer.Option("--live", help="Ask the hosts, over ssh, what a deploy would do.")] = False,
    host: Hosts = None,
    ssh: SshCommand = "ssh",
    through: ByWhat = Through.SSH,
    inventory: InventoryFile = None,
    sudo: Sudo = False,
    key: Key = None,
) -> None:
    """Say what `netc deploy` would do, from each host's own dry run. Nothing is changed.

    Exit 0 if no host would change, 1 if one would, would refuse the tree, or is not reached.
    """
    from netc.deploy.dry_run import Would, dry_runs
    from netc.emit.host import carried

    if not live:
        raise wrong_use("netc diff compares a topology with hosts only", "add --live")
    network = understood(topo).network
    names = {host_of(name, network) for name in host or network.topology.hosts}
    connection = carrier(through, ssh, inventory, names, sudo=sudo)
    bundles, _ = bundles_of(network, names, key)
    planned = dry_runs(connection, bundles, carried(), sorted(names))
    document("\n".join(line for one in planned for line in _lines(one)))
    if any(one.would is not Would.NOTHING for one in planned):
        raise typer.Exit(1)


def _lines(one: Planned) -> Iterator[str]:
    yield f"{one.host}: {one.would}{f', {one.before} -> {one.after}' if one.before else ''}"
    yield from (f"  {line}" for line in one.lines)
