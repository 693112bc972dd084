"""`netc check`"""

from __future__ import annotations

from netc.cli.options import Form, Strict, Topo
from netc.cli.printer import say
from netc.cli.topology import understood
from netc.report import Format


def check(topo: Topo, form: Form = Format.TEXT, strict: Strict = False) -> None:
    """Report what is wrong in TOPO. Write nothing."""
    from netc.diagnostic import Severity

    checked = understood(topo, form, strict=strict)
    hosts, known = len(checked.network.topology.hosts), sum(bool(note.acknowledged) for note in checked.notes)
    warned = any(note.severity is Severity.WARNING and not note.acknowledged for note in checked.notes)
    outcome = "no errors" if warned else "nothing wrong"
    acknowledged = f" ({known} acknowledged)" if known else ""
    say(f"{topo}: {hosts} host{'' if hosts == 1 else 's'}, {outcome}{acknowledged}", form)
