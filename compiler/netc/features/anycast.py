"""One address on several hosts: the nearest that announces it gets the packets.

    [anycast.dns]
    addresses = ["172.22.76.190/32", "fdbc:f9dc:67ad::53/128"]
    hosts = ["hkg", "lax"]
    services = "unbound.service"
    check = { command = ["/usr/bin/dig", "+time=1", "@172.22.76.190", "example.dn42"] }

The addresses are in a namespace that has a part of its own, and never the host's own: a host with a dead service would
swallow packets that only pass through. BIRD installs the route to the namespace while it announces the service. The
veth pair into the namespace has only fe80 addresses.
"""

from __future__ import annotations

from collections.abc import Iterator

from netaddr import IPAddress, IPNetwork

from netc.diagnostic import KeyPath, dotted
from netc.language.anycast import Anycast
from netc.language.names import AnycastName, HostName
from netc.network.anycast import (
    anycast_device,
    anycast_namespace,
    anycast_part,
    anycast_protocol,
    drain_protocol,
    service_families,
    services_at,
    unicast,
)
from netc.network.derive import EVERYTHING
from netc.network.interface import Network
from netc.network.namespaces import INNER
from netc.network.routing import router_interfaces
from netc.plan.facts import Address, Carrier, Checker, LinkSetting, Namespace, Route, Ruleset, Veth
from netc.plan.facts.forwarding import forwarding
from netc.plan.host_plan import Confined, Part, Share
from netc.plan.ruleset import Transit

HOST_END, INNER_END = IPNetwork("fe80::1/64"), IPNetwork("fe80::2/64")


def plan(host: HostName, network: Network) -> Iterator[Share]:
    for name, service in services_at(host, network.topology):
        yield _share(name, service, host, network)


def _share(name: AnycastName, service: Anycast, host: HostName, network: Network) -> Share:
    origin: KeyPath = ("anycast", name)
    table = network.topology.hosts[host]
    device, space, part = anycast_device(name), anycast_namespace(name), anycast_part(name)
    interfaces = (device, *router_interfaces(host, network))
    return Share(
        parts=(_part(name, service, host, origin),),
        ruleset=Ruleset(origin, transits=(Transit(origin, interfaces),)) if table.firewall or table.docker else None,
        forwarding=forwarding(service_families(service), table.wan),
        confined=tuple(Confined(unit, space, part, None) for unit in service.services),
    )


def _part(name: AnycastName, service: Anycast, host: HostName, origin: KeyPath) -> Part:
    device, space = anycast_device(name), anycast_namespace(name)
    alone_here = unicast(service, host)
    held = (*service.addresses, *alone_here)
    return Part(
        anycast_part(name),
        origin,
        dotted(origin),
        facts=(
            Namespace(space, (), service.services),
            Veth(device, INNER, space),
            # Only these two ends are on the link, and all their settings are here.
            *(
                LinkSetting(end, "ipv6", key, 0, where)
                for end, where in ((device, None), (INNER, space))
                for key in ("accept_dad", "accept_ra")
            ),
            Address(HOST_END, device, nodad=True),
            Address(INNER_END, INNER, space, nodad=True),
            *(Address(alone(net.ip), INNER, space, nodad=net.version == 6) for net in held),
            Carrier(device, None),
            Carrier(INNER, None, space),
            *(Route(net, device) for net in alone_here),
            *_default_routes(service, host, name),
            _checker(name, service),
        ),
    )


def alone(ip: IPAddress) -> IPNetwork:
    return IPNetwork(f"{ip}/{32 if ip.version == 4 else 128}")


def _default_routes(service: Anycast, host: HostName, name: AnycastName) -> Iterator[Route]:
    """Default routes by the host, whose fe80 address is the next hop of both families (as in RFC 8950)."""
    for family in service_families(service):
        everything = next(net for net in EVERYTHING if net.version == family)
        # A reply to an anycast address may reach another host.
        own = (*unicast(service, host), *service.addresses)
        source = next(net.ip for net in own if net.version == family)
        yield Route(everything, INNER, HOST_END.ip, source, None, anycast_namespace(name))


def _checker(name: AnycastName, service: Anycast) -> Checker:
    check = service.check
    families = service_families(service)
    return Checker(
        service=name,
        namespace=anycast_namespace(name),
        command=check.command,
        interval=check.interval,
        timeout=check.timeout,
        rise=check.rise,
        fall=check.fall,
        drain=service.drain,
        protocols=tuple(anycast_protocol(name, family) for family in families),
        draining=tuple(drain_protocol(name, family) for family in families if service.drain),
        units=service.services,
    )
