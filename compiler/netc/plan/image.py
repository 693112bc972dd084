"""What is around a host and netc does not make: uplinks of the image, and machines behind the host. netc prints none of
it. A packet meets it on its path (`netc.walk`)."""

from __future__ import annotations

from msgspec import Struct
from netaddr import IPAddress, IPNetwork

from netc.diagnostic import KeyPath
from netc.language.names import InterfaceName
from netc.language.values import Family


class Wire(Struct, frozen=True):
    """An interface of the image. `networks` are its addresses, with the length of their subnets: empty if the topology
    says none. The image's default routes of the families in `defaults` use it, by `gateways` if the topology knows
    them. `mtu` is in bytes."""

    origin: KeyPath
    device: InterfaceName
    networks: tuple[IPNetwork, ...] = ()
    gateways: tuple[IPAddress, ...] = ()
    defaults: tuple[Family, ...] = ()
    perhaps: tuple[Family, ...] = ()
    """Families of which the topology says nothing. A router advertisement may bring an address and a default route."""
    mtu: int = 1500


class Brought(Struct, frozen=True):
    """The internet sends packets to `prefix` to this host, by `device`."""

    prefix: IPNetwork
    device: InterfaceName


class Image(Struct, frozen=True):
    """`behind`: machines that the host reaches by an interface that netc does not know."""

    wires: tuple[Wire, ...] = ()
    brought: tuple[Brought, ...] = ()
    behind: tuple[IPAddress, ...] = ()
