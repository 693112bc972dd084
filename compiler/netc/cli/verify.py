"""`netc verify`"""

from __future__ import annotations

import json
import time
from pathlib import Path
from shutil import which
from typing import Annotated

import typer

from netc.cli.carriers import ByWhat, InventoryFile, SshCommand, Sudo, Through, carrier
from netc.cli.options import Hosts, Topo
from netc.cli.printer import document
from netc.cli.topology import host_of, understood, wrong_use


def verify(
    topo: Topo,
    host: Hosts = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="Write JUnit's XML there.")] = None,
    ssh: SshCommand = "ssh",
    through: ByWhat = Through.SSH,
    inventory: InventoryFile = None,
    sudo: Sudo = False,
) -> None:
    """Ask the hosts of TOPO, over ssh, whether every promise holds with what they have loaded. Nothing is changed.

    Exit 0 if all that was asked holds, 1 if one does not or none could be asked.
    """
    from netc.deploy.ssh import Ssh
    from netc.lab.junit import junit as as_junit
    from netc.live import verify as live
    from netc.pipeline import plan

    network = understood(topo).network
    if not network.topology.expect:
        raise wrong_use(f"{topo} promises nothing", "write `[[expect]]`: docs/how-to/prove-promises.md")
    names = {host_of(name, network) for name in host or network.topology.hosts}
    connection = carrier(through, ssh, inventory, names, sudo=sudo)
    if isinstance(connection, Ssh) and which(connection.command[0]) is None:
        raise wrong_use(f"there is no program {connection.command[0]!r} here", "name it: --ssh COMMAND")
    plans = [plan(one, network) for one in sorted(network.topology.hosts)]
    began = time.monotonic()
    results, _ = live.verified(connection, network, plans, sorted(names))
    if as_json:
        document(json.dumps(live.document(results), indent=2))
    else:
        document("\n".join((*live.lines(results), live.total(results))))
    if junit:
        made = as_junit("netc verify", results, time.monotonic() - began, live.faults, live.unasked)
        _write(junit, made)
    held = any(result.state == "holds" for result in results)
    if not held or any(result.state == "does not hold" for result in results):
        raise typer.Exit(1)


def _write(file: Path, data: bytes) -> None:
    try:
        file.write_bytes(data)
    except OSError as error:
        raise wrong_use(f"cannot write {file}: {error.strerror}") from None
