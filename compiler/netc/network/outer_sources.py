"""From which addresses a tunnel's outer packets arrive, where that is certain."""

from __future__ import annotations

from netaddr import IPNetwork

from netc.network.interface import Interface, NumberedInterface, PlainInterface


def outer_sources(interface: Interface) -> IPNetwork | None:
    """The address that the peer's outer packets have. None if it could be any: a WireGuard device has no source address
    of its own. The kernel of its host chooses among all that the uplink has, also those that no topology knows, such as
    temporary ones (RFC 8981), and the peer can roam."""
    return IPNetwork(interface.remote) if isinstance(interface, PlainInterface | NumberedInterface) else None
