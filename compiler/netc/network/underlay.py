"""Which interface carries a tunnel's outer packets: the longest prefix on the host that holds the far address."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from netaddr import IPAddress, IPNetwork

from netc.language.names import HostName
from netc.network.interface import Interface, Network, Peer, WireguardInterface, outer_ends

Range = tuple[int, int, int, int, Interface | None]
"""Version, first and last address, prefix length; None stands for the uplink."""


class Underlay:
    """Answers for one Network; the ranges of a host are laid out once."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.ranges: dict[HostName, list[Range]] = {}
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
        ranges = self._of(interface.host)
        # Few tunnels lead to where anybody dials, and a mesh of 1,000 hosts has a million ends.
        if not any(through and self._is_dialled(family, first, last) for family, first, last, _, through in ranges):
            return None
        far = (ip for ip in outer_ends(interface) if isinstance(ip, IPAddress))
        found = (_longest(ranges, ip) for ip in far)
        return next((one for one in found if one is not None), None)

    def _is_dialled(self, family: int, first: int, last: int) -> bool:
        """By anybody."""
        return bisect_left(self.dialled, (family, first)) < bisect_right(self.dialled, (family, last))

    def _of(self, host: HostName) -> list[Range]:
        if host not in self.ranges:
            wan = [_range(net, None) for net in self.network.topology.hosts[host].addresses]
            own = [
                _range(net, interface)
                for interface in self.network.interfaces[host]
                if interface.namespace is None
                # A table of its own is for what comes from the interface's addresses, and outer packets do not.
                for net in (*interface.addresses, *(interface.routes if interface.table is None else ()))
                if not net.ip.is_link_local()
            ]
            self.ranges[host] = wan + own
        return self.ranges[host]


def _range(net: IPNetwork, interface: Interface | None) -> Range:
    return net.version, net.first, net.last, net.prefixlen, interface


def _longest(ranges: list[Range], ip: IPAddress) -> Interface | None:
    value, version = int(ip), ip.version
    best, length = None, -1
    for family, first, last, size, interface in ranges:
        if family == version and first <= value <= last and size > length:
            best, length = interface, size
    return best
