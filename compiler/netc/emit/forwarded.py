"""/etc/netc/forwarded: the ports of a host that lead elsewhere, a range a line. A reload compares it with the one that
was there before, and has the flows of changed ports forgotten (conntrack(8))."""

from __future__ import annotations

from collections.abc import Iterator

from netaddr import IPAddress

from netc.emit.file import File, reload
from netc.emit.render import token
from netc.language.values import Ports
from netc.plan.facts import Ruleset
from netc.plan.host_plan import HostPlan
from netc.plan.ruleset import DestinationNat, Masquerade, PortForward

HEAD = "# Address, protocol, first port, last port, target. Compiled by netc: change the topology, not this file.\n"


def emit(plan: HostPlan) -> Iterator[File]:
    for part in plan.parts:
        for ruleset in part.every(Ruleset):
            if ruleset.sends_ports_elsewhere:
                lines = "".join(f"{line}\n" for line in sorted(set(_lines(ruleset))))
                yield File("files/etc/netc/forwarded", HEAD + lines, takings=reload(part.name))


def _lines(ruleset: Ruleset) -> Iterator[str]:
    facts: tuple[PortForward | Masquerade | DestinationNat, ...]
    facts = (*ruleset.forwards, *ruleset.masquerades, *ruleset.nats)
    for fact in facts:
        match fact:
            case PortForward():
                port = f" port {fact.to_port}" if fact.to_port else ""
                yield _line(fact.on, fact.ports, f"from {token(fact.device)} to {fact.to}{port}")
            case Masquerade():
                yield _line(fact.on, fact.ports, f"masqueraded by {token(fact.device) if fact.device else 'any'}")
            case DestinationNat():
                ports = Ports(fact.port.number, fact.port.number, fact.port.protocol)
                sources = "".join(f" from {net}" for net in sorted(fact.sources))
                sources += "".join(f" not by {token(device)}" for device in fact.past)
                for on in fact.on:
                    yield _line(on, ports, f"to {fact.to} port {fact.to_port}{sources}")


def _line(on: IPAddress, ports: Ports, what: str) -> str:
    return f"{on} {ports.protocol} {ports.first} {ports.last} {what}"
