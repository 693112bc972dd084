"""Namespaces: services that can only leave through a tunnel."""

from __future__ import annotations

from pydantic import Field

from netc.language.names import InterfaceName, TunnelName, UnitName
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
    """A network namespace that holds nothing but a tunnel."""

    tunnel: TunnelName = Field(description="The only way out.")
    dns: OneOrMany[Address] = Field((), description="Resolvers inside; default: the tunnel's.")
    access: OneOrMany[InterfaceAddress] = Field(
        (), description="A small prefix a family: the host has its first address, the namespace the next."
    )
    interface: InterfaceName | None = Field(None, description="Host end of `access`; default: ve-NAMESPACE.")
    publish: OneOrMany[Publish] = ()
    services: OneOrMany[UnitName] = Field((), description="Units that run inside.")
