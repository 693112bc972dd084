"""Topology: all that an author may write, as one frozen value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from netc.language.acknowledgements import Acknowledgement
from netc.language.anycast import Anycast
from netc.language.bgp import Bgp, HostBgp
from netc.language.bridges import Bridge
from netc.language.firewall import Firewall
from netc.language.forwards import Forward
from netc.language.igp import Igp
from netc.language.links import Link, Mesh
from netc.language.names import (
    AnycastName,
    BridgeName,
    ForwardName,
    HostName,
    InterfaceName,
    Label,
    LinkName,
    MeshName,
    NamespaceName,
    PublicKey,
    SetName,
    SplitName,
    TunnelName,
    UplinkName,
    Wrong,
)
from netc.language.namespaces import Namespace
from netc.language.sets import AddressSet
from netc.language.splits import Split
from netc.language.tables import Secret, Table
from netc.language.tunnels import Tunnel
from netc.language.uplinks import Uplink
from netc.language.values import DialledOrNot, InterfaceAddress, Mtu, Netfilter, OneOrMany, PortNumber

HostId = Annotated[int, Field(strict=True, ge=1, le=4094)]


def _version(value: object) -> object:
    if type(value) is not int:
        raise Wrong("NC0103", "`version` is no whole number", "write `version = 1`")
    if value != 1:
        raise Wrong("NC0104", "this netc does not know that version of the language", "it knows `version = 1`")
    return value


class Network(Table):
    name: Label = Field(description="What the whole is called.")


class Host(Table):
    """A machine that netc writes for."""

    id: HostId = Field(description="Small and unique: what derived numbers hang on.")
    wan: InterfaceName | None = Field(None, description="The uplink; configured by the image, never by netc.")
    mtu: Mtu = Field(1500, description="The uplink's MTU, in bytes.")
    addresses: OneOrMany[InterfaceAddress] = Field((), description="What the uplink holds.")
    ssh: PortNumber = Field(22, description="Stays reachable, whatever else is compiled.")
    public_key: PublicKey | None = Field(None, description="The host's WireGuard identity.")
    private_key: Secret | None = Field(
        None, description="Its private half on the host; default: /etc/netc/keys/host.key."
    )
    endpoint: DialledOrNot | None = Field(
        None, description="What others dial; default: a public address of `addresses`; false: behind NAT."
    )
    tcp_congestion: Literal["bbr"] | None = Field(
        None, description="How TCP finds its speed; default: as the image has it."
    )
    target: Literal["debian-12"] = Field("debian-12", description="What tools the host has.")
    netfilter: Netfilter = Field("nftables", description="What the packet filter is loaded by.")
    offload: Annotated[bool, Field(strict=True)] = Field(
        False, description="Established flows that are forwarded take a shortcut past the packet filter."
    )
    docker: Annotated[bool, Field(strict=True)] = Field(
        False, description="Docker runs on the host as well, and lets what is forwarded pass."
    )
    tunnels: Mapping[TunnelName, Tunnel] = Field(default_factory=dict)
    namespaces: Mapping[NamespaceName, Namespace] = Field(default_factory=dict)
    uplinks: Mapping[UplinkName, Uplink] = Field(default_factory=dict)
    bridges: Mapping[BridgeName, Bridge] = Field(default_factory=dict)
    firewall: Firewall | None = Field(None, description="What reaches the host and passes through it.")
    splits: Mapping[SplitName, Split] = Field(default_factory=dict)
    loopback: OneOrMany[InterfaceAddress] = Field((), description="Its own addresses on no link: /32 and /128.")
    bgp: HostBgp | None = Field(None, description="It is a router of the network's AS.")


class Topology(Table):
    """A whole network."""

    version: Annotated[Literal[1], BeforeValidator(_version)]
    network: Network
    hosts: Mapping[HostName, Host]
    links: Mapping[LinkName, Link] = Field(default_factory=dict)
    meshes: Mapping[MeshName, Mesh] = Field(default_factory=dict)
    forwards: Mapping[ForwardName, Forward] = Field(default_factory=dict)
    sets: Mapping[SetName, AddressSet] = Field(default_factory=dict)
    bgp: Bgp | None = Field(None, description="The autonomous system.")
    igp: Igp | None = Field(None, description="How its routers find each other.")
    anycast: Mapping[AnycastName, Anycast] = Field(default_factory=dict)
    acknowledge: OneOrMany[Acknowledgement] = Field((), description="Warnings that are as meant, and why.")
