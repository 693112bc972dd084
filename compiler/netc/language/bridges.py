"""Bridges that containers attach to: the host's addresses on them, published ports, and source NAT."""

import re
from typing import Annotated

from msgspec import Struct
from netaddr import IPAddress
from pydantic import Field

from netc.language.names import InterfaceName, NamespaceName, Wrong, quoted
from netc.language.placed import InterfaceAddress, ReachedAddress, Senders
from netc.language.tables import Table
from netc.language.values import Address, FromText, OneOrMany, ServicePort, Some, address, left_out


class Container(Struct, frozen=True):
    """The server behind a bridge: an address or a namespace of the host, and its port if it is another."""

    address: IPAddress | None = None
    namespace: NamespaceName | None = None
    port: int | None = None


CONTAINER = re.compile(
    r"(?:(?P<four>[0-9]+\.[0-9.]+)|\[(?P<six>[^\]]+)\]|(?P<namespace>[^:.\[]+))(?::(?P<port>[0-9]{1,5}))?"
    r"|(?P<bare>[0-9a-fA-F]*:[0-9a-fA-F]*:[0-9a-fA-F:.]*)"
)


def container(text: str) -> Container:
    """`10.0.3.20`, `10.0.3.20:80`, `fd00:3::20`, `[fd00:3::20]:80`, `web`, `web:80`."""
    match = CONTAINER.fullmatch(text)
    if not match or not 1 <= int(match["port"] or 1) <= 65535:
        hint = (
            "write the address of a container, as in `10.0.3.20:80` or `[fd00:3::20]:80`, or a namespace on the bridge"
        )
        raise Wrong("NC0118", f"{quoted(text)} is not a server on a bridge", hint)
    there = match["four"] or match["six"] or match["bare"]
    return Container(
        address(there) if there else None,
        NamespaceName(match["namespace"]) if match["namespace"] else None,
        int(match["port"]) if match["port"] else None,
    )


class PublishedContainer(Table):
    """A port of the host that a container serves. The container sees the visitor's own address."""

    port: ServicePort = Field(description="The port that visitors dial: `80/tcp`.")
    to: Annotated[
        OneOrMany[Annotated[Container, FromText(container, CONTAINER.pattern)]],
        Some(
            "to",
            "no container serves",
            "write the address of a container, or the name of a namespace on the bridge",
        ),
    ] = Field(
        description=(
            "The server: `10.0.3.20`, `[fd00:3::20]:8080`, or a namespace on the bridge (`web`, `web:8080`). "
            "Without a port, the one that visitors dial. Write two if each serves one family."
        ),
    )
    on: Annotated[
        OneOrMany[Address], Some("on", "no visitor arrives", left_out("on", "the public addresses of the host"))
    ] = Field(
        (),
        description="Addresses of the host that visitors dial. Default: its public ones, behind NAT all that it has.",
    )
    allow: Annotated[OneOrMany[Senders], Some("allow", "no client may connect", left_out("allow", "everyone"))] = Field(
        (),
        description=(
            "Prefixes of visitors that may connect. Default: everyone. They do not come by `tunnels` of the host, "
            "unless `on` has an address of the tunnel. It applies to the host itself and to "
            "containers too."
        ),
    )


class Bridge(Table):
    """A network of containers behind a host."""

    addresses: Annotated[
        OneOrMany[InterfaceAddress],
        Some("addresses", "containers have no gateway", "write the address of the host on the bridge: `10.0.3.1/24`"),
    ] = Field(
        description=(
            "The host's addresses on the bridge. Containers (LXC, systemd-nspawn, any others) attach by "
            "themselves, and netc assigns no addresses to them."
        ),
    )
    interface: InterfaceName | None = Field(
        None, description="The bridge's name on the host. Default: the name of the table."
    )
    masquerade: Annotated[bool, Field(strict=True)] = Field(
        False,
        description=(
            "Connections that containers open leave by the uplink with the address that the uplink has at that moment."
        ),
    )
    snat: OneOrMany[ReachedAddress] = Field(
        (),
        description=(
            "The same with a fixed address of the host, one a family. By an uplink that does not have the "
            "address, they leave as with `masquerade`."
        ),
    )
    publish: OneOrMany[PublishedContainer] = Field(
        (), description="Ports of the host that a container serves. The container sees the visitor's own address."
    )
