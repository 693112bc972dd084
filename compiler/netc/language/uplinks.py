"""Uplinks: ways to the world, each with prefixes of its own."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from netc.language.links import TableNumber
from netc.language.names import InterfaceName, TunnelName
from netc.language.tables import Table
from netc.language.values import Address, InterfaceAddress, OneOrMany

MarkNumber = Annotated[int, Field(strict=True, ge=1, le=255)]


def _none(value: Any) -> Any:
    return () if value is False else value


Gateways = Annotated[OneOrMany[Address], BeforeValidator(_none)]
"""`false` is said of a point-to-point interface, which needs none."""


class Uplink(Table):
    """A way to the world: what comes to its prefixes is answered by it."""

    interface: InterfaceName | None = Field(None, description="Configured by the image, never by netc; or")
    tunnel: TunnelName | None = Field(None, description="a tunnel of the host.")
    prefixes: OneOrMany[InterfaceAddress] = Field(
        (),
        description="What it brings, `2001:db8::7/64` with the host's address; a tunnel has its own too.",
    )
    gateway: Gateways | None = Field(
        None, description="The router, one for each family; false on a point-to-point interface. Tunnels need none."
    )
    preferred: Annotated[bool, Field(strict=True)] = Field(
        False, description="What the host begins, and what it passes on, goes out here while it is up."
    )
    table: TableNumber | None = Field(None, description="Of its routes; default: from its name, 12000 to 12999.")
    mark: MarkNumber | None = Field(
        None, description="Of connections that it brings and that are passed on: 1 to 255; default: from its name."
    )
