"""Namespaces: services that can only leave through a tunnel, or that live on a bridge."""

from typing import Annotated

from pydantic import Field, model_validator

from netc.language.names import BridgeName, InterfaceName, TunnelName, Wrong
from netc.language.openings import Opens
from netc.language.placed import InterfaceAddress, ReachedInterface, Resolver, Senders
from netc.language.tables import Table
from netc.language.units import UnitName
from netc.language.values import Address, OneOrMany, PortNumber, ServicePort, Some, left_out


class Publish(Table):
    """A port inside that clients reach by an address of the host. The server sees the client's own address."""

    port: ServicePort = Field(description="The port that visitors dial: `9091/tcp`.")
    to: PortNumber | None = Field(None, description="The port inside. Default: the same.")
    on: Annotated[
        OneOrMany[Address], Some("on", "no visitor arrives", left_out("on", "the address of the host in `access`"))
    ] = Field((), description="Addresses of the host that visitors dial. Default: its end of `access`.")
    allow: Annotated[OneOrMany[Senders], Some("allow", "no client may connect", left_out("allow", "everyone"))] = Field(
        (),
        description=(
            "Prefixes of visitors that may connect. Default: everyone. They do not come by `tunnels` of the host, "
            "unless `on` has an address of the tunnel."
        ),
    )


class Namespace(Table):
    """A network namespace that holds a tunnel and nothing else, or one end of a veth pair whose other end is on a
    bridge."""

    tunnel: TunnelName | None = Field(None, description="The tunnel, which is the only route out of the namespace.")
    bridge: BridgeName | None = Field(
        None,
        description=(
            "A bridge in place of a tunnel. The namespace is one of its containers, without `access` and `publish`."
        ),
    )
    address: OneOrMany[InterfaceAddress] = Field(
        (),
        description=(
            "On a bridge: one address a family, in a subnet of the bridge. The bridge's own address there is "
            "the default gateway."
        ),
    )
    dns: Annotated[
        OneOrMany[Resolver],
        Some(
            "dns",
            "services inside cannot look up names",
            left_out("dns", "the resolvers of the tunnel, on a bridge none"),
        ),
    ] = Field(
        (),
        description=(
            "Resolvers inside. In a tunnel, all DNS queries go to them, whatever server a program asks, unless one has "
            "an address of the namespace itself. Default: the tunnel's, and on a bridge none."
        ),
    )
    access: OneOrMany[ReachedInterface] = Field(
        (),
        description="A small prefix a family for a veth pair. The host gets its first address, the namespace the next.",
    )
    interface: InterfaceName | None = Field(
        None, description="The name of the pair's end on the host. Default: ve-NAMESPACE. The end inside is eth0."
    )
    publish: OneOrMany[Publish] = Field(
        (),
        description=(
            "Ports inside that clients reach by an address of the host. The server sees the client's own address."
        ),
    )
    open: Opens = Field(
        (),
        description=(
            "Ports inside that anyone may dial through the tunnel: `60729/tcp`, or a table. "
            "All other new connections that arrive by the tunnel are dropped."
        ),
    )
    dbus: bool = Field(
        False,
        strict=True,
        description=(
            "In a tunnel: whether services reach the system bus (D-Bus). Over it they can make systemd-resolved and "
            "avahi send queries by the uplink."
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
