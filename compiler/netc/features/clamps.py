"""MSS clamping, wherever a host forwards into a device whose MTU is too small for what others send (RFC 4459).

    [hosts.lin]
    wan = "ppp0"
    mtu = 1492
    bridges.br0 = { addresses = "10.0.3.1/24", masquerade = true }

Both ends of a TCP connection say which segments they take. A container says 1460 bytes, as if all links on the path
were Ethernet. So the host lowers the number in both directions, for what leaves by the device and for what arrives.
"""

from __future__ import annotations

from collections.abc import Iterator

from netc.language.names import HostName, InterfaceName
from netc.network.interface import Network
from netc.network.splits import splits
from netc.network.uplinks import uplink_interfaces
from netc.plan.host_plan import Share
from netc.plan.ruleset import ClampMss

ETHERNET = 1500
"""Bytes. What is behind a bridge, a veth pair or an interface of others may send packets as large as this."""


def plan(host: HostName, network: Network) -> Iterator[Share]:
    table = network.topology.hosts[host]
    tunnels = {interface.name: interface.mtu for interface in network.interfaces[host] if not interface.namespace}
    largest = max(ETHERNET, table.mtu, *(mtu.value for mtu in tunnels.values() if mtu))
    of_splits = {split.tunnel.name for split in splits(host, network) if split.tunnel.mtu}
    found: dict[tuple[int | None, bool], list[InterfaceName]] = {}
    for name, mtu in tunnels.items():
        if name not in of_splits and (mtu is None or mtu.value < largest):
            found.setdefault((mtu.value if mtu else None, mtu is not None), []).append(name)
    for device in uplink_interfaces(host, network):
        size = table.mtu if device == table.wan else None
        if device not in tunnels and (size is None or size < largest):
            found.setdefault((size, False), []).append(device)
    clamps = [ClampMss(tuple(sorted(devices)), *sizes) for sizes, devices in found.items()]
    if clamps:
        yield Share(clamps=tuple(sorted(clamps, key=lambda clamp: clamp.devices)))
