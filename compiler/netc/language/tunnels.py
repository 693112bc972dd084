"""Tunnels: the far end is someone else's."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from netc.language.links import GreKey, OuterFamily, Priority, Seconds, TableNumber, Ttl, Vni
from netc.language.names import Argument, HostPath, InterfaceName, PublicKey, Wrong, quoted
from netc.language.tables import Secret, Table
from netc.language.values import (
    Address,
    Dialled,
    InterfaceAddress,
    Mtu,
    OneOrMany,
    PortNumber,
    Prefix,
)

TunnelKind = Literal["wireguard", "gre", "ip6gre", "ipip", "sit", "vxlan", "6to4", "tunsafe", "external"]


def _program(words: tuple[Argument, ...]) -> tuple[Argument, ...]:
    """Nothing is looked up in a PATH, and no shell takes words apart."""
    try:
        for first in words[:1]:
            HostPath(first)
    except Wrong:
        what = f"{quoted(words[0])} is not the absolute path of a program"
        raise Wrong("NC1802", what, 'no shell reads it: write `["/usr/sbin/prog", "--flag"]`') from None
    return words


Command = Annotated[OneOrMany[Argument], AfterValidator(_program)]
WaitSeconds = Annotated[int, Field(strict=True, ge=1, le=60)]
"""Well under the 90 s that a unit has to start in."""


class TunnelPeer(Table):
    """The far end of a WireGuard tunnel, as its owner told."""

    public_key: PublicKey
    endpoint: Dialled | None = Field(None, description="Address or name, with port.")
    allowed_ips: OneOrMany[Prefix] = Field(description="What may come from there, and go there.")
    keepalive: Seconds | None = None
    preshared_key: Secret | None = None


class Tunnel(Table):
    """A tunnel of one host."""

    kind: TunnelKind
    import_: str | None = Field(None, alias="import", description="A provider's wg-quick file beside the topology.")
    interface: InterfaceName | None = Field(None, description="Name on the host; default: kind and tunnel.")
    address: OneOrMany[InterfaceAddress] = ()
    dns: OneOrMany[Address] = Field((), description="Resolvers that are reached through the tunnel.")
    mtu: Mtu | None = None
    port: PortNumber | None = Field(None, description="UDP port; wireguard: default any, vxlan: 4789.")
    private_key: Secret | None = None
    peer: OneOrMany[TunnelPeer] = ()
    routes: OneOrMany[Prefix] = Field((), description="Prefixes that the host reaches through the tunnel.")
    table: TableNumber | None = Field(None, description="Routes go here, for what comes from the tunnel's addresses.")
    priority: Priority | None = Field(None, description="Of the rules that lead to `table`; default: its number.")
    local: Address | None = Field(None, description="Outer source; default: the host's own address.")
    remote: Address | None = Field(None, description="Outer destination.")
    family: OuterFamily | None = None
    key: GreKey | None = None
    vni: Vni | None = None
    ttl: Ttl = 64
    config: HostPath | None = Field(None, description="tunsafe: its own file on the host, with its keys.")
    start: Command = Field((), description="external: the program that makes the interface, and its arguments.")
    stop: Command = Field((), description="external: what ends it; default: its processes are ended.")
    wait: WaitSeconds | None = Field(None, description="Seconds that the interface may take to appear; default: 10.")
