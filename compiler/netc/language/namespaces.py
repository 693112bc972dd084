"""Namespaces: services that can only leave through a tunnel, or that live on a bridge."""

from __future__ import annotations

from pydantic import Field, model_validator

from netc.language.names import BridgeName, InterfaceName, TunnelName, UnitName, Wrong
from netc.language.tables import Table
from netc.language.values import (
    Address,
    InterfaceAddress,
    OneOrMany,
    PortNumber,
    Prefix,
    ServicePort,
)


class Publish(Table):
    """A port inside that is reached by an address of the host; the server sees the client's own address."""

    port: ServicePort = Field(description="As visitors dial it: `9091/tcp`.")
    to: PortNumber | None = Field(None, description="As the service listens; default: the same.")
    on: OneOrMany[Address] = Field((), description="Addresses of the host; default: its end of `access`.")
    allow: OneOrMany[Prefix] = Field((), description="Who may; default: everyone.")


class Namespace(Table):
    """A network namespace that holds nothing but a tunnel, or one end of a pair whose other end is on a bridge."""

    tunnel: TunnelName | None = Field(None, description="The only way out.")
    bridge: BridgeName | None = Field(None, description="Instead of a tunnel: what it is a neighbour on.")
    address: OneOrMany[InterfaceAddress] = Field((), description="Its own on the bridge: one a family.")
    dns: OneOrMany[Address] = Field((), description="Resolvers inside; default: the tunnel's, on a bridge none.")
    access: OneOrMany[InterfaceAddress] = Field(
        (), description="A small prefix a family: the host has its first address, the namespace the next."
    )
    interface: InterfaceName | None = Field(None, description="Host end of the pair; default: ve-NAMESPACE.")
    publish: OneOrMany[Publish] = ()
    services: OneOrMany[UnitName] = Field((), description="Units that run inside.")

    @model_validator(mode="after")
    def _one_of_the_two(self) -> Namespace:
        if (self.tunnel is None) == (self.bridge is None):
            hint = 'write `tunnel = "…"`, or `bridge = "…"` and an `address`'
            raise Wrong("NC1301", "a namespace is in one tunnel or on one bridge", hint)
        return self
