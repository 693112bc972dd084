"""`offload` and `docker` on hosts that forward no packets."""

from __future__ import annotations

from collections.abc import Iterator

from netc.diagnostic import Diagnostic, KeyPath, Severity
from netc.language.names import HostName
from netc.language.topology import Topology
from netc.network.interface import Network


def check(network: Network) -> Iterator[Diagnostic]:
    topology = network.topology
    for name, host in sorted(topology.hosts.items()):
        where: KeyPath = ("hosts", name)
        if host.offload and not host.wan:
            what = f"`offload` needs the name of the uplink, and {name} has no `wan`"
            yield Diagnostic("NC1502", (*where, "offload"), what, 'write `wan = "eth0"`', on_key=True)
        elif host.offload and not _forwards(name, topology, with_marks=False):
            what = f"`offload` has no effect on {name}: netc forwards no packets there"
            hint = "leave `offload` out: netc does not offload replies that carry a mark"
            yield Diagnostic("NC1501", (*where, "offload"), what, hint, on_key=True)
        filtered = host.firewall is not None and host.firewall.forward == "drop"
        if host.docker and not filtered and not _forwards(name, topology, with_marks=True):
            what = f"`docker` has no effect on {name}: netc forwards no packets there that Docker's rules could drop"
            hint = "leave `docker` out: Docker accepts the ports that it publishes"
            if any(target.host == name for f in topology.forwards.values() if f.keep_source for target in f.to):
                hint += ", and netc sends their replies to visitors of a forward by its link"
            yield Diagnostic("NC1503", (*where, "docker"), what, hint, severity=Severity.NOTE, on_key=True)


def _forwards(host: HostName, topology: Topology, *, with_marks: bool) -> bool:
    """`with_marks`: also forwards with `keep_source` that the serving host passes on, whose replies carry a mark."""
    forwards = topology.forwards.values()
    published = any(namespace.publish for namespace in topology.hosts[host].namespaces.values())
    published = published or bool(topology.hosts[host].bridges)
    arriving = any(forward.at == host for forward in forwards)
    passed = [f for f in forwards if any(target.host == host and not target.local for target in f.to)]
    return published or arriving or any(with_marks or not forward.keep_source for forward in passed)
