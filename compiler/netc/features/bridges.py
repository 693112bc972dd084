"""Containers behind a bridge.

    [hosts.lin.bridges.br0]
    addresses = ["10.0.3.1/24", "fd00:3::1/64"]
    masquerade = true
    publish = [{ port = "80/tcp", to = "10.0.3.20:80" }]

Containers attach to it by themselves. Source NAT hides their connections only where they leave by an uplink. Between
two bridges, or a bridge and a tunnel, hosts see their own addresses.
"""

from __future__ import annotations

from collections.abc import Iterator

from netaddr import IPAddress

from netc.diagnostic import KeyPath, dotted
from netc.language.bridges import Bridge as Settings
from netc.language.names import BridgeName, HostName, InterfaceName
from netc.network.bridges import (
    bridge_device,
    bridge_part,
    dnats,
    hardware_address,
    source_of,
    sources,
)
from netc.network.interface import Network
from netc.network.strangers import past
from netc.network.uplinks import uplink_interfaces
from netc.plan.facts import Address, Bridge, Carrier, LinkSetting, Ruleset
from netc.plan.facts.forwarding import forwarding
from netc.plan.host_plan import Part, Share
from netc.plan.ruleset import DestinationNat, Hairpin, LeavesBy, Passage, SourceNat


def plan(host: HostName, network: Network) -> Iterator[Share]:
    for name, settings in sorted(network.topology.hosts[host].bridges.items()):
        yield _share(name, settings, host, network)


def _share(name: BridgeName, settings: Settings, host: HostName, network: Network) -> Share:
    origin: KeyPath = ("hosts", host, "bridges", name)
    table = network.topology.hosts[host]
    ruleset = Ruleset(
        origin,
        nats=(nats := tuple(_published(settings, host, network, origin))),
        leaves_by=tuple(LeavesBy(origin, nat.to, bridge_device(name, settings)) for nat in nats),
        hairpins=tuple(_hairpins(name, settings, host, network, origin)),
        sources=tuple(_hidden(settings, host, network, origin)),
        passages=tuple(_passed(name, settings, host, network, origin))
        if table.firewall or table.docker or table.offload
        else (),
    )
    return Share(
        parts=(_part(name, settings, host, origin),),
        ruleset=ruleset if ruleset != Ruleset(origin) else None,
        forwarding=forwarding({net.version for net in settings.addresses}, table.wan),
    )


def _part(name: BridgeName, settings: Settings, host: HostName, origin: KeyPath) -> Part:
    device = bridge_device(name, settings)
    return Part(
        bridge_part(name),
        origin,
        dotted(origin),
        facts=(
            Bridge(device, hardware_address(host, name)),
            # A bridge without ports has no carrier. With the first container, duplicate address detection would begin,
            # and until it ends the host sends no neighbour solicitations.
            LinkSetting(device, "ipv6", "accept_dad", 0),
            # The host would accept router advertisements of a container (RFC 4861), even if it has IPv4 alone.
            LinkSetting(device, "ipv6", "accept_ra", 0),
            *(Address(net, device, nodad=net.version == 6) for net in settings.addresses),
            Carrier(device, None),
        ),
    )


def _hidden(settings: Settings, host: HostName, network: Network, origin: KeyPath) -> Iterator[SourceNat]:
    for net in sources(settings):
        under: dict[IPAddress | None, list[InterfaceName]] = {}
        for leaving in uplink_interfaces(host, network, net.version):
            under.setdefault(source_of(settings, net.version, leaving, host, network), []).append(leaving)
        yield from (SourceNat(origin, net, tuple(leaving), to) for to, leaving in under.items())


def _passed(
    name: BridgeName, settings: Settings, host: HostName, network: Network, origin: KeyPath
) -> Iterator[Passage]:
    """With br_netfilter, which Docker loads, the forward chain also sees packets between ports of one bridge."""
    device = bridge_device(name, settings)
    yield Passage(origin, device, device)
    yield from (Passage(origin, device, leaving) for leaving in uplink_interfaces(host, network))


def _published(settings: Settings, host: HostName, network: Network, origin: KeyPath) -> Iterator[DestinationNat]:
    for publish in settings.publish:
        for dnat in dnats(publish, host, network):
            shut = past(dnat.allow, dnat.on, host, network)
            yield DestinationNat(origin, publish.port, dnat.on, dnat.allow, dnat.to, dnat.port, shut)


def _hairpins(
    name: BridgeName, settings: Settings, host: HostName, network: Network, origin: KeyPath
) -> Iterator[Hairpin]:
    """One for each subnet with a server."""
    serving = {dnat.to for publish in settings.publish for dnat in dnats(publish, host, network)}
    for net in settings.addresses:
        if any(ip in net for ip in serving):
            yield Hairpin(origin, bridge_device(name, settings), net.cidr)
