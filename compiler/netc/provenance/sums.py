"""The sum of a tunnel's MTU in a sentence, for `netc explain`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from netc.diagnostic import KeyPath
from netc.language.names import HostName
from netc.language.topology import Topology
from netc.network.interface import Mtu
from netc.network.lookup import by_device
from netc.network.resolve import resolve
from netc.network.sums import of_mtu

_SET = re.compile(r"\bdev (?P<device>\S+) .*\bmtu (?P<mtu>\d+)\b")


def of_line(line: str, host: HostName, topology: Topology) -> Iterator[str]:
    """Of the command that sets an MTU."""
    if found := _SET.search(line):
        interface = by_device(host, resolve(topology)[0]).get(found["device"])
        if interface and interface.mtu and interface.mtu.value == int(found["mtu"]):
            yield f"mtu {_said(interface.mtu, of_mtu(interface, interface.mtu))}."


def of_key(path: KeyPath, topology: Topology) -> Iterator[str]:
    """Of the key `mtu` of a link, mesh or tunnel, written or not: a sum for each interface."""
    for host, interfaces in sorted(resolve(topology)[0].interfaces.items()):
        for one in interfaces:
            if path == (*one.origin, "mtu") and one.mtu:
                yield f"{one.name} on {host}: {_said(one.mtu, of_mtu(one, one.mtu))}"


def _said(mtu: Mtu, made_of: str) -> str:
    if mtu.given:
        return f"{mtu.value} is given. The largest that fits is {mtu.room} = {made_of}"
    return f"{mtu.value} = {made_of}"
