"""Which interface carries a tunnel's outer packets: the longest prefix on the host that holds the far address."""

from __future__ import annotations

from netaddr import IPAddress, IPNetwork

from netc.language.names import HostName
from netc.network.interface import Interface, Network

Range = tuple[int, int, int, int, Interface | None]
"""Version, first and last address, prefix length; None stands for the uplink."""


class Underlay:
    """Answers for one Network; the ranges of a host are laid out once."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.ranges: dict[HostName, list[Range]] = {}

    def carrier(self, interface: Interface) -> Interface | None:
        """The interface of the same host that the outer packets enter, or None for the uplink.

        Outer packets leave where the tunnel was born, so what was moved into a namespace carries nothing.
        """
        ranges = self._of(interface.host)
        tunnelled = [(family, first, last) for family, first, last, _, through in ranges if through]
        if not tunnelled:
            return None
        # A mesh of 1,000 hosts asks a million times.
        for ip in _far(interface):
            value, version = int(ip), ip.version
            for family, first, last in tunnelled:
                if first <= value <= last and family == version:
                    if found := _longest(ranges, ip):
                        return found
                    break
        return None

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


def _far(interface: Interface) -> list[IPAddress]:
    dialled = [peer.endpoint.host for peer in interface.peers if peer.endpoint]
    far = [host for host in dialled if isinstance(host, IPAddress)]
    return far + ([interface.remote] if interface.remote else [])


def _range(net: IPNetwork, interface: Interface | None) -> Range:
    return net.version, net.first, net.last, net.prefixlen, interface


def _longest(ranges: list[Range], ip: IPAddress) -> Interface | None:
    value, version = int(ip), ip.version
    best, length = None, -1
    for family, first, last, size, interface in ranges:
        if family == version and first <= value <= last and size > length:
            best, length = interface, size
    return best
