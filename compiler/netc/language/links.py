"""Links and meshes: both ends are netc's, and both come from one table."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from netc.language.key_files import key_file
from netc.language.kinds import KINDS, LinkKind, listed, those
from netc.language.names import HostName, InterfaceName, Member, PublicKey
from netc.language.placed import Carried, DialledOrNot, InterfaceAddress, OwnAddress, Routed, Subnet
from netc.language.tables import Secret, Table
from netc.language.values import AnyNumber, Mtu, OneOrMany, PortNumber, Some, left_out

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
    """One end of a link. netc derives what you leave out."""

    interface: InterfaceName | None = Field(
        None, description="The interface's name. Default: kind and peer, as in wg-home."
    )
    address: Annotated[
        OneOrMany[InterfaceAddress],
        Some("address", "the end has no address", left_out("address", "fe80:: and the id of the host")),
    ] = Field((), description="The end's addresses on the link. Default: fe80:: and the host's id, /64.")
    port: PortNumber | None = Field(
        None, description="The UDP port that it listens on. Default: 51820 + the peer's id."
    )
    endpoint: DialledOrNot | None = Field(
        None, description="What the peer dials. Default: the host's `endpoint`. `false`: the end is behind NAT."
    )
    local: OwnAddress | None = Field(
        None, description="The outer source address, if the peer dials another one (behind NAT)."
    )
    public_key: PublicKey | None = Field(None, description="A public key of this end alone. Default: the host's.")
    next_public_key: PublicKey | None = Field(
        None, description="The key that will replace `public_key` of this end. `netc keys --rotate` writes it here."
    )
    private_key: Secret | None = Field(
        None,
        description=(
            f"Where the host keeps the private key. Default: the host's, or {key_file('LINK.key')} if this end "
            "has a public key of its own."
        ),
    )
    preshared_key: Secret | None = Field(
        None, description="Where the host keeps the preshared key. Set it at both ends or at none."
    )
    keepalive: Seconds | None = Field(
        None, description="Seconds between packets that keep NAT open. Default: 25 behind NAT, else 0, which is off."
    )
    routes: OneOrMany[Routed] = Field((), description="Prefixes that this end reaches through the link.")
    table: TableNumber | None = Field(
        None, description="The routing table for `routes`. Only packets from this end's addresses use it."
    )
    priority: Priority | None = Field(
        None, description="The priority of the policy rules that choose `table`. Default: the number of the table."
    )
    allowed_ips: (
        Annotated[
            OneOrMany[Carried],
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
            "Prefixes that WireGuard accepts from the peer and sends to it. Default: the peer's addresses and "
            "`routes`, or everything if all addresses are fe80."
        ),
    )


class Link(Table):
    """A tunnel between two hosts."""

    kind: LinkKind = Field(
        description="How the link wraps packets: ipip carries IPv4, sit carries IPv6, the others carry both."
    )
    between: tuple[HostName, HostName] = Field(description="The two hosts.")
    family: OuterFamily | None = Field(
        None, description=f"The outer family, for {EITHER_FAMILY} if both hosts have both families."
    )
    mtu: Mtu | None = Field(
        None,
        description="The MTU. Default: that of the smaller uplink (or of the tunnel below), minus what the kind adds.",
    )
    key: GreKey | None = Field(None, description="The GRE key (RFC 2890).")
    vni: Vni | None = Field(None, description=f"{VNI}. Default: derived from the two ids.")
    port: PortNumber | None = Field(
        None, description=" ".join(f"The UDP port of {kind.upper()}. Default: {KINDS[kind].port}." for kind in NUMBERED)
    )
    ttl: Ttl = Field(64, description="The outer TTL. It lets packets with an inner TTL of 1 pass (OSPF, BGP).")
    cost: Cost = Field(10, description="The cost of the link for the IGP and BGP.")
    ends: Mapping[HostName, End] = Field(
        default_factory=dict, description="Settings of one end, by the name of its host."
    )


class Mesh(Table):
    """A WireGuard tunnel between every two of its hosts."""

    kind: Literal["wireguard"] = Field("wireguard", description="Always WireGuard.")
    hosts: AnyNumber[Member] = Field(description='Host names, or "all".')
    interfaces: Literal["per-peer", "shared"] = Field(
        description=(
            "per-peer: one interface for each peer, with fe80 addresses, for routing daemons. shared: one "
            "interface for all peers."
        ),
    )
    prefix: str | None = Field(None, description="per-peer: how interface names begin. Default: MESH-.")
    interface: InterfaceName | None = Field(None, description="shared: the interface's name. Default: wg-MESH.")
    port: PortNumber = Field(
        51820, description="shared: the UDP port. per-peer: the number to which netc adds the peer's id."
    )
    subnet: OneOrMany[Subnet] = Field((), description="shared: the subnet. A host's address is the subnet + its id.")
    family: OuterFamily | None = Field(None, description="As for a link.")
    mtu: Mtu | None = Field(None, description="As for a link.")
    cost: Cost = Field(10, description="The cost of each of its tunnels for the IGP and BGP.")
