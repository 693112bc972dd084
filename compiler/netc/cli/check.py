"""`netc check`"""

from __future__ import annotations

from netc.cli.topology import Form, Topo, say, understood
from netc.report import Format


def check(topo: Topo, form: Form = Format.TEXT) -> None:
    """Say what is wrong in TOPO, and write nothing."""
    hosts = len(understood(topo, form).network.topology.hosts)
    say(f"{topo}: {hosts} host{'' if hosts == 1 else 's'}, nothing wrong", form)
