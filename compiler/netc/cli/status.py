"""`netc status`"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from netc.cli.carriers import ByWhat, InventoryFile, SshCommand, Sudo, Through, carrier
from netc.cli.options import Hosts, Topo
from netc.cli.printer import document, wipe
from netc.cli.topology import host_of, understood

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from netc.deploy.states import Answer


def status(
    topo: Topo,
    host: Hosts = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON: what each host says.")] = False,
    watch: Annotated[int, typer.Option(metavar="S", min=0, help="Ask again every S seconds, until Ctrl-C.")] = 0,
    ssh: SshCommand = "ssh",
    through: ByWhat = Through.SSH,
    inventory: InventoryFile = None,
    sudo: Sudo = False,
) -> None:
    """Ask all hosts of TOPO at once how they are, over ssh. Nothing is changed.

    Exit 0 if every host is well and has what TOPO compiles to, 1 if not.
    """
    from netc.deploy import states
    from netc.emit.generation import generation
    from netc.pipeline import compile_hosts

    network = understood(topo, promises=False).network
    names = {host_of(name, network) for name in host or network.topology.hosts}
    connection = carrier(through, ssh, inventory, names, sudo=sudo)
    wanted = {str(name): generation(files) for name, files in compile_hosts(network) if name in names}
    for answers in states.watch(connection, names, watch):
        if watch and sys.stdout.isatty():
            wipe()
        document(states.document(answers, wanted).decode() if as_json else _text(answers, wanted))
    if any(not one.is_well or one.state is None or one.state.generation != wanted[one.host] for one in answers):
        raise typer.Exit(1)


def _text(answers: Sequence[Answer], wanted: Mapping[str, str]) -> str:
    from netc.deploy.states import HEAD, row, troubles

    rows = [HEAD, *(row(one, wanted[one.host]) for one in answers)]
    widths = [max(len(cells[n]) for cells in rows if len(cells) == len(HEAD)) for n in range(len(HEAD))]
    widths[0] = max(len(cells[0]) for cells in rows)
    table = ["  ".join(map(str.ljust, cells, widths)).rstrip() for cells in rows]
    told = [f"{one.host}: {line}" for one in answers for line in troubles(one, wanted[one.host])]
    return "\n".join((*table, *(("", *told) if told else ())))
