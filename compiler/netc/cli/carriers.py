"""Options that say how hosts are reached: by the system's own ssh, or through pyinfra."""

from __future__ import annotations

import shlex
from collections.abc import Collection
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from netc.cli.topology import wrong_use

if TYPE_CHECKING:
    from netc.deploy.carrier import Carrier


class Through(StrEnum):
    SSH = "ssh"
    PYINFRA = "pyinfra"


SshCommand = Annotated[str, typer.Option("--ssh", metavar="COMMAND", help="The ssh command, with options of your own.")]
Sudo = Annotated[bool, typer.Option("--sudo", help="Become root on hosts by sudo, which must not ask for a password.")]
ByWhat = Annotated[Through, typer.Option("--through", help="Reach hosts by the system's own ssh, or by pyinfra.")]
InventoryFile = Annotated[
    Path | None,
    typer.Option(
        "--inventory", metavar="FILE", help="The inventory of pyinfra. Without it, pyinfra dials hosts by name."
    ),
]


def carrier(through: Through, command: str, inventory: Path | None, names: Collection[str], *, sudo: bool) -> Carrier:
    if through is Through.PYINFRA:
        if command != "ssh":
            raise wrong_use("pyinfra does not use --ssh", "put the options into ~/.ssh/config or the inventory")
        return _by_pyinfra(inventory, names, sudo=sudo)
    if inventory is not None:
        raise wrong_use("--inventory needs pyinfra", "add --through pyinfra")
    from netc.deploy.ssh import Ssh

    try:
        return Ssh(tuple(shlex.split(command)) or ("ssh",), sudo)
    except ValueError as error:
        raise wrong_use(f"--ssh {command!r}: {error}") from None


def _by_pyinfra(inventory: Path | None, names: Collection[str], *, sudo: bool) -> Carrier:
    import atexit
    import logging

    from netc.deploy.by_pyinfra import NotAnInventory, pyinfra

    if inventory is not None and not inventory.is_file():
        raise wrong_use(f"{inventory} is not an inventory file")
    # What it has to say of connections that are lost, deploy says too.
    logging.getLogger("paramiko").setLevel(logging.CRITICAL + 1)
    try:
        made = pyinfra(names, inventory, sudo=sudo)
    except ImportError as error:
        raise wrong_use(f"cannot load pyinfra: {error}", "pip install 'netc[deploy]'") from None
    except NotAnInventory as error:
        raise wrong_use(str(error)) from None
    atexit.register(made.close)
    return made
