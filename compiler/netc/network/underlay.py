"""Which interface carries a tunnel's outer packets: the longest prefix on the host that holds the far address."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from netaddr import IPAddress, IPNetwork

from netc.language.names import HostName
from netc.network.interface import Interface, Network, Peer, WireguardInterface, outer_ends
from netc.network.lookup import Longest

ByAddress = Longest[tuple[IPNetwork, Interface] | None]
"""The prefix that leads to an address, and whose it is; None stands for the uplink."""


class Underlay:
    """Answers for one Network. The prefixes of a host are collected once."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.by_host: dict[HostName, ByAddress | None] = {}
        peers: set[Peer] = set()  # most interfaces of a mesh have the same ones
        others: list[Interface] = []
        for interfaces in network.interfaces.values():
            for one in interfaces:
                if isinstance(one, WireguardInterface):
                    peers.update(one.peers)
                else:
                    others.append(one)
        ends = [peer.endpoint.host for peer in peers if peer.endpoint]
        ends += [end for one in others for end in outer_ends(one)]
        self.dialled = sorted({(ip.version, int(ip)) for ip in ends if isinstance(ip, IPAddress)})

    def carrier(self, interface: Interface) -> Interface | None:
        """The interface of the same host that the outer packets enter, or None for the uplink.

        Outer packets leave where the tunnel was born, so what was moved into a namespace carries nothing.
        """
        return next((carrier for _, _, carrier in self._carriers(interface)), None)

    def carriers(self, interface: Interface) -> tuple[tuple[IPAddress, IPNetwork, Interface], ...]:
        """Its peers that other interfaces lead to, each with the prefix and the interface."""
        return tuple(self._carriers(interface))

    def _carriers(self, interface: Interface) -> Iterator[tuple[IPAddress, IPNetwork, Interface]]:
        by_host = self._of(interface.host)
        for ip in outer_ends(interface) if by_host else ():
            found = by_host.of(ip) if by_host and isinstance(ip, IPAddress) else None
            if found and isinstance(ip, IPAddress):
                yield ip, *found

    def _is_dialled(self, net: IPNetwork) -> bool:
        """By anybody."""
        first, last = (net.version, net.first), (net.version, net.last)
        return bisect_left(self.dialled, first) < bisect_right(self.dialled, last)

    def _of(self, host: HostName) -> ByAddress | None:
        """None where no tunnel leads to where anybody dials: few do, and a mesh of 1,000 hosts has a million ends."""
        if host not in self.by_host:
            wan: list[tuple[IPNetwork, tuple[IPNetwork, Interface] | None]] = [
                (net, None) for net in self.network.topology.hosts[host].addresses
            ]
            own = [
                (net, (net, interface))
                for interface in self.network.interfaces[host]
                if interface.namespace is None
                # A table of its own is for what comes from the interface's addresses, and outer packets do not.
                for net in (*interface.addresses, *(interface.routes if interface.table is None else ()))
                if not net.ip.is_link_local()
            ]
            self.by_host[host] = Longest([*wan, *own]) if any(self._is_dialled(net) for net, _ in own) else None
        return self.by_host[host]
