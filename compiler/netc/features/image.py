"""What is around a host, as the topology says it: interfaces and routes of the image, and machines behind the host.
netc prints none of it. A packet meets it on its path (`netc.walk`)."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace
from netaddr import IPAddress

from netc.language.names import HostName, InterfaceName
from netc.language.topology import Host
from netc.language.values import Family
from netc.network.forwards import forwards_to
from netc.network.interface import Network
from netc.network.uplinks import Uplink, uplinks
from netc.plan.host_plan import Share
from netc.plan.image import Brought, Image, Wire

UNKNOWN = InterfaceName("uplink")
"""The uplink of a host without `wan`. No rule can name it."""

FAMILIES: tuple[Family, Family] = (4, 6)


def plan(host: HostName, network: Network) -> Iterator[Share]:
    around = Image(tuple(_wires(host, network)), tuple(_brought(host, network)), tuple(_behind(host, network)))
    yield Share(around=around)


def _wires(host: HostName, network: Network) -> Iterator[Wire]:
    """The image's default routes use `wan`, or the first uplink on a host without it."""
    table = network.topology.hosts[host]
    own = [uplink for uplink in uplinks(host, network) if uplink.tunnel is None]
    devices = list(dict.fromkeys((*((table.wan,) if table.wan else ()), *(uplink.device for uplink in own))))
    by_device: dict[InterfaceName, list[Uplink]] = {}
    for uplink in own:
        by_device.setdefault(uplink.device, []).append(uplink)
    led: set[Family] = set()
    for device in devices or [UNKNOWN]:
        wire = _wire(device, by_device.get(device, []), host, table)
        defaults = tuple(family for family in wire.defaults if family not in led)
        led.update(defaults)
        yield replace(wire, defaults=defaults)


def _wire(device: InterfaceName, own: list[Uplink], host: HostName, table: Host) -> Wire:
    is_wan = device in (table.wan, UNKNOWN)
    given = [net for uplink in own for net in table.uplinks[uplink.name].prefixes]
    held = [net for net in given if net.ip != net.network or net.size == 1]
    networks = tuple(dict.fromkeys((*(table.addresses if is_wan else ()), *held)))
    gateways = tuple(dict.fromkeys(ip for uplink in own for ip in table.uplinks[uplink.name].gateway or ()))
    spoken = {net.version for net in networks} or {ip.version for ip in gateways} or {4, 6}
    origin = ("hosts", host, "wan") if is_wan and table.wan else own[0].origin if own else ("hosts", host)
    defaults = tuple(family for family in FAMILIES if family in spoken)
    perhaps = tuple(family for family in FAMILIES if family not in spoken)
    return Wire(origin, device, networks, gateways, defaults, perhaps, table.mtu if is_wan else 1500)


def _brought(host: HostName, network: Network) -> Iterator[Brought]:
    """A prefix that an uplink brings is routed to the host, except the subnets of its addresses: others are there."""
    table = network.topology.hosts[host]
    for uplink in uplinks(host, network):
        shared = {net.cidr for net in table.uplinks[uplink.name].prefixes if net.ip != net.network and net.size > 1}
        shared |= {net.cidr for net in table.addresses if net.size > 1}
        yield from (Brought(net, uplink.device) for net in uplink.prefixes if uplink.tunnel or net not in shared)


def _behind(host: HostName, network: Network) -> Iterator[IPAddress]:
    """Targets of forwards on no bridge of the host."""
    bridges = network.topology.hosts[host].bridges.values()
    named = (
        target.address
        for _, forward in forwards_to(host, network.topology)
        for target in forward.to
        if target.host == host and target.address
    )
    yield from dict.fromkeys(ip for ip in named if not any(ip in net for one in bridges for net in one.addresses))
