"""Namespaces: services that can only leave through a tunnel, or that live on a bridge."""

from typing import Annotated

from pydantic import Field, model_validator

from netc.language.names import BridgeName, InterfaceName, TunnelName, UnitName, Wrong
from netc.language.openings import Opens
from netc.language.tables import Table
from netc.language.values import (
    Address,
    InterfaceAddress,
    OneOrMany,
    PortNumber,
    Prefix,
    ServicePort,
    Some,
    left_out,
)


class Publish(Table):
    """A port inside that is reached by an address of the host; the server sees the client's own address."""

    port: ServicePort = Field(description="As visitors dial it: `9091/tcp`.")
    to: PortNumber | None = Field(None, description="The port inside; default: the same.")
    on: Annotated[
        OneOrMany[Address], Some("on", "no visitor arrives", left_out("on", "the address of the host in `access`"))
    ] = Field((), description="Addresses of the host; default: its end of `access`.")
    allow: Annotated[OneOrMany[Prefix], Some("allow", "no client may connect", left_out("allow", "everyone"))] = Field(
        (), description="Who may; default: everyone."
    )


class Namespace(Table):
    """A network namespace that holds nothing but a tunnel, or one end of a pair whose other end is on a bridge."""

    tunnel: TunnelName | None = Field(None, description="The only way out.")
    bridge: BridgeName | None = Field(
        None, description="Instead of a tunnel: it is one container among others there, without `access` and `publish`."
    )
    address: OneOrMany[InterfaceAddress] = Field(
        (),
        description=(
            "On a bridge: one a family, each in a subnet of the bridge, whose own address there is the way to "
            "everywhere."
        ),
    )
    dns: Annotated[
        OneOrMany[Address],
        Some(
            "dns",
            "services inside cannot look up names",
            left_out("dns", "the resolvers of the tunnel, on a bridge none"),
        ),
    ] = Field((), description="Resolvers inside; default: the tunnel's, and on a bridge none.")
    access: OneOrMany[InterfaceAddress] = Field(
        (),
        description="A small prefix a family for a veth pair: the host has its first address, the namespace the next.",
    )
    interface: InterfaceName | None = Field(
        None, description="The pair's end on the host, default: ve-NAMESPACE; inside it is eth0."
    )
    publish: OneOrMany[Publish] = Field(
        (),
        description=(
            "Ports inside that are reached by an address of the host; the server sees the client's own address."
        ),
    )
    open: Opens = Field(
        (),
        description=(
            "Ports inside that peers may dial by the tunnel: `60729/tcp`, or a table; every other connection that "
            "begins there is dropped."
        ),
    )
    services: OneOrMany[UnitName] = Field(
        (), description="Units that run inside, also instances (`x@y.service`) and sockets."
    )

    @model_validator(mode="after")
    def _one_of_the_two(self) -> "Namespace":
        if (self.tunnel is None) == (self.bridge is None):
            hint = "write a `tunnel`, or a `bridge` and an `address`"
            raise Wrong("NC1301", "a namespace needs either `tunnel` or `bridge`, and has both or none", hint)
        return self
