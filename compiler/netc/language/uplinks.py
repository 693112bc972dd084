"""Uplinks: ways to the world, each with prefixes of its own."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from netc.language.links import TableNumber
from netc.language.names import InterfaceName, TunnelName, Wrong
from netc.language.tables import Table
from netc.language.values import Address, InterfaceAddress, OneOrMany

MarkNumber = Annotated[int, Field(strict=True, ge=1, le=255)]


def _none(value: Any) -> Any:
    if value == []:
        cure = "write `gateway = false` on a point-to-point link, else the address of the router"
        raise Wrong("NC0126", "`gateway` is empty, so the uplink has no default route", cure)
    return () if value is False else value


Gateways = Annotated[
    OneOrMany[Address], BeforeValidator(_none, json_schema_input_type=Literal[False] | OneOrMany[Address])
]
"""`false` is said of a point-to-point interface, which needs none."""


class Uplink(Table):
    """A way to the world: what comes to its prefixes is answered by it."""

    interface: InterfaceName | None = Field(None, description="Configured by the image, never by netc; or `tunnel`.")
    tunnel: TunnelName | None = Field(
        None,
        description=(
            "A tunnel of the host (6in4, 6to4, WireGuard …), without `routes` to everywhere and without a `table`."
        ),
    )
    prefixes: OneOrMany[InterfaceAddress] = Field(
        (),
        description=(
            "What it brings; `2001:db8::7/64` also says the host's own address. A tunnel brings its addresses "
            "too, 6to4 its /48."
        ),
    )
    gateway: Gateways | None = Field(
        None,
        description=(
            "The router, one for each family; one outside of the prefixes is taken for a neighbour (onlink); "
            "false on a point-to-point interface; tunnels need none."
        ),
    )
    preferred: Annotated[bool, Field(strict=True)] = Field(
        False,
        description=(
            "What the host begins, and what it passes on for others, goes out here while it is up; else by "
            "the image's own default route. Every address of the host in its families is then an uplink's, "
            "since answers would go this way too."
        ),
    )
    table: TableNumber | None = Field(None, description="Of its routes; default: from its name, 12000 to 12999.")
    mark: MarkNumber | None = Field(
        None, description="1 to 255, of connections that come in by it and are passed on; default: from its name."
    )
