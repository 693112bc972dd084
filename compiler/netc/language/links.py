"""Links and meshes: both ends are netc's, and both come from one table."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from netc.language.key_files import key_file
from netc.language.kinds import KINDS, LinkKind, listed, those
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
    Some,
    left_out,
)

Seconds = Annotated[int, Field(strict=True, ge=0, le=65535)]
GreKey = Annotated[int, Field(strict=True, ge=0, le=0xFFFFFFFF)]
Vni = Annotated[int, Field(strict=True, ge=1, le=0xFFFFFF)]
Ttl = Annotated[int, Field(strict=True, ge=1, le=255)]
TableNumber = Annotated[int, Field(strict=True, ge=1, le=0xFFFFFFFF)]
Priority = Annotated[int, Field(strict=True, ge=1, le=32765)]
Cost = Annotated[int, Field(strict=True, ge=1, le=65535)]
OuterFamily = Literal["ipv4", "ipv6"]

NUMBERED = those(lambda kind: kind.form == "numbered")
VNI = f"{' or '.join(kind.upper() for kind in NUMBERED)} network identifier"
EITHER_FAMILY = listed(those(lambda kind: kind.chooses_family))
"""Kinds, as descriptions name them."""


class End(Table):
    """One end of a link; what is left out is derived."""

    interface: InterfaceName | None = Field(None, description="Its name; default: kind and peer, as in wg-home.")
    address: Annotated[
        OneOrMany[InterfaceAddress],
        Some("address", "the end has no address", left_out("address", "fe80:: and the id of the host")),
    ] = Field((), description="What the end holds on the link; default: fe80:: and the host's id, /64.")
    port: PortNumber | None = Field(None, description="UDP port that it listens at; default: 51820 + the peer's id.")
    endpoint: DialledOrNot | None = Field(
        None, description="What the peer dials; default: the host's `endpoint`; false: behind NAT."
    )
    local: Address | None = Field(None, description="Outer source, where it is not what the peer dials (behind NAT).")
    public_key: PublicKey | None = Field(None, description="An identity of its own; default: the host's.")
    private_key: Secret | None = Field(
        None,
        description=(
            "Where the host keeps the private half; default: the host's, and for an identity of its own "
            f"{key_file('LINK.key')}."
        ),
    )
    preshared_key: Secret | None = Field(
        None, description="Where the host keeps the pair's shared key; on both ends or on none."
    )
    keepalive: Seconds | None = Field(
        None, description="Seconds between packets that keep NAT open; default: 25 behind NAT, else 0, which is off."
    )
    routes: OneOrMany[Prefix] = Field((), description="Prefixes that this end reaches through the link.")
    table: TableNumber | None = Field(
        None, description="`routes` go into this table, for what comes from this end's addresses alone."
    )
    priority: Priority | None = Field(None, description="Of the rules that lead to `table`; default: its number.")
    allowed_ips: (
        Annotated[
            OneOrMany[Prefix],
            Some(
                "allowed_ips",
                "WireGuard drops all packets",
                left_out("allowed_ips", "the addresses of the peer and `routes`"),
            ),
        ]
        | None
    ) = Field(
        None,
        description=(
            "What the peer may send and gets; default: its addresses and `routes`, and everything where all "
            "addresses are fe80."
        ),
    )


class Link(Table):
    """A tunnel between two hosts."""

    kind: LinkKind = Field(description="How packets are wrapped: ipip carries IPv4, sit IPv6, the others both.")
    between: tuple[HostName, HostName] = Field(description="The two hosts.")
    family: OuterFamily | None = Field(
        None, description=f"Outer family, for {EITHER_FAMILY} where both hosts have both."
    )
    mtu: Mtu | None = Field(
        None, description="Default: the smaller uplink's (or that of the tunnel below), less what the kind adds."
    )
    key: GreKey | None = Field(None, description="GRE key (RFC 2890).")
    vni: Vni | None = Field(None, description=f"{VNI}; default: from the two ids.")
    port: PortNumber | None = Field(
        None, description=" ".join(f"{kind.upper()}'s UDP port; default: {KINDS[kind].port}." for kind in NUMBERED)
    )
    ttl: Ttl = Field(64, description="Outer TTL, so that inner ones of 1 survive (OSPF, BGP).")
    cost: Cost = Field(10, description="Of a packet that goes this way, for the IGP and BGP.")
    ends: Mapping[HostName, End] = Field(
        default_factory=dict, description="What one end says for itself, by its host's name."
    )


class Mesh(Table):
    """A WireGuard tunnel between every two of its hosts."""

    kind: Literal["wireguard"] = Field("wireguard", description="WireGuard, always.")
    hosts: OneOrMany[Member] = Field(description='Host names, or "all".')
    interfaces: Literal["per-peer", "shared"] = Field(
        description=(
            "per-peer: one interface a peer, on fe80 addresses, for routing daemons; shared: one interface for all."
        ),
    )
    prefix: str | None = Field(None, description="per-peer: what interface names begin with; default: MESH-.")
    interface: InterfaceName | None = Field(None, description="shared: its name; default: wg-MESH.")
    port: PortNumber = Field(51820, description="shared: the port; per-peer: base, plus the peer's id.")
    subnet: OneOrMany[Prefix] = Field((), description="shared: a host's address is the subnet + its id.")
    family: OuterFamily | None = Field(None, description="As for a link.")
    mtu: Mtu | None = Field(None, description="As for a link.")
    cost: Cost = Field(10, description="Of each of its tunnels, for the IGP and BGP.")
