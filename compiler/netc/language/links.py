"""Links and meshes: both ends are netc's, and both come from one table."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from netc.language.names import HostName, InterfaceName, Member, PublicKey
from netc.language.tables import Secret, Table
from netc.language.values import (
    Address,
    DialledOrNot,
    InterfaceAddress,
    Mtu,
    OneOrMany,
    PortNumber,
    Prefix,
)


class Kind(StrEnum):
    """How packets are wrapped. The outer family of gre, ipip, sit and 6to4 is IPv4, that of ip6gre IPv6; of the last
    two another program makes the interface, and how it wraps is its own business."""

    WIREGUARD = "wireguard"
    GRE = "gre"
    IP6GRE = "ip6gre"
    IPIP = "ipip"
    SIT = "sit"
    VXLAN = "vxlan"
    SIX_TO_FOUR = "6to4"
    TUNSAFE = "tunsafe"
    EXTERNAL = "external"


FOREIGN = frozenset((Kind.TUNSAFE, Kind.EXTERNAL))
"""Made by another program, and so of tunnels alone."""

LinkKind = Literal["wireguard", "gre", "ip6gre", "ipip", "sit", "vxlan"]
Seconds = Annotated[int, Field(strict=True, ge=0, le=65535)]
GreKey = Annotated[int, Field(strict=True, ge=0, le=0xFFFFFFFF)]
Vni = Annotated[int, Field(strict=True, ge=1, le=0xFFFFFF)]
Ttl = Annotated[int, Field(strict=True, ge=1, le=255)]
TableNumber = Annotated[int, Field(strict=True, ge=1, le=0xFFFFFFFF)]
Priority = Annotated[int, Field(strict=True, ge=1, le=32765)]
Cost = Annotated[int, Field(strict=True, ge=1, le=65535)]
OuterFamily = Literal["ipv4", "ipv6"]


class End(Table):
    """One end of a link; what is left out is derived."""

    interface: InterfaceName | None = Field(None, description="Name on the host; default: kind and peer.")
    address: OneOrMany[InterfaceAddress] = Field((), description="Default: fe80:: and the host's id.")
    port: PortNumber | None = Field(None, description="UDP port; default: 51820 + the peer's id.")
    endpoint: DialledOrNot | None = Field(None, description="What the peer dials; false: NAT.")
    local: Address | None = Field(None, description="Outer source address, where it is not the endpoint.")
    public_key: PublicKey | None = Field(None, description="Default: the host's.")
    private_key: Secret | None = Field(None, description="Where the host keeps the private half.")
    preshared_key: Secret | None = Field(None, description="Where the host keeps the pair's shared key.")
    keepalive: Seconds | None = Field(None, description="Seconds; default: 25 behind NAT, else off (0).")
    routes: OneOrMany[Prefix] = Field((), description="Prefixes that this end reaches through the link.")
    table: TableNumber | None = Field(None, description="Routes go here, for what comes from this end's addresses.")
    priority: Priority | None = Field(None, description="Of the rules that lead to `table`; default: its number.")
    allowed_ips: OneOrMany[Prefix] | None = Field(None, description="Default: the peer's and `routes`.")


class Link(Table):
    """A tunnel between two hosts."""

    kind: LinkKind
    between: tuple[HostName, HostName]
    family: OuterFamily | None = Field(None, description="Outer family, where both hosts have both.")
    mtu: Mtu | None = Field(None, description="Default: the underlay's, less what the kind adds.")
    key: GreKey | None = Field(None, description="GRE key (RFC 2890).")
    vni: Vni | None = Field(None, description="VXLAN network identifier; default: from the two ids.")
    port: PortNumber | None = Field(None, description="VXLAN's UDP port; default: 4789.")
    ttl: Ttl = Field(64, description="Outer TTL, so that inner ones of 1 survive (OSPF, BGP).")
    cost: Cost = Field(10, description="Of a packet that goes this way, for the IGP and BGP.")
    ends: Mapping[HostName, End] = Field(default_factory=dict)


class Mesh(Table):
    """A WireGuard tunnel between every two of its hosts."""

    kind: Literal["wireguard"] = "wireguard"
    hosts: OneOrMany[Member] = Field(description='Host names, or "all".')
    interfaces: Literal["per-peer", "shared"] = Field(
        description="per-peer: one interface a peer, for routing daemons; shared: one interface, many peers."
    )
    prefix: str | None = Field(None, description="per-peer: what interface names begin with; default: MESH-.")
    interface: InterfaceName | None = Field(None, description="shared: its name; default: wg-MESH.")
    port: PortNumber = Field(51820, description="shared: the port; per-peer: base, plus the peer's id.")
    subnet: OneOrMany[Prefix] = Field((), description="shared: a host's address is subnet + its id.")
    family: OuterFamily | None = None
    mtu: Mtu | None = None
    cost: Cost = Field(10, description="Of each of its tunnels, for the IGP and BGP.")
