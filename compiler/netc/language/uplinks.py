"""Uplinks: interfaces by which a host reaches the internet, each with prefixes of its own."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from netc.language.links import TableNumber
from netc.language.names import InterfaceName, TunnelName, Wrong
from netc.language.tables import Table
from netc.language.values import Address, AnyNumber, OneOrMany, UplinkPrefix

MarkNumber = Annotated[int, Field(strict=True, ge=1, le=255)]


def _none(value: Any) -> Any:
    if value == []:
        cure = "write `gateway = false` on a point-to-point link, else the address of the router"
        raise Wrong("NC0126", "`gateway` is empty, so the uplink has no default route", cure)
    return () if value is False else value


Gateways = Annotated[
    AnyNumber[Address], BeforeValidator(_none, json_schema_input_type=Literal[False] | OneOrMany[Address])
]
"""`false` is said of a point-to-point interface, which needs none."""


class Uplink(Table):
    """A connection to the internet. The host answers by it what comes to its prefixes."""

    interface: InterfaceName | None = Field(
        None, description="An interface that the image configures, and netc never does. Or write `tunnel`."
    )
    tunnel: TunnelName | None = Field(
        None,
        description=(
            "A tunnel of the host (6in4, 6to4, WireGuard …), without `routes` to everywhere and without a `table`."
        ),
    )
    prefixes: OneOrMany[UplinkPrefix] = Field(
        (),
        description=(
            "The prefixes of the uplink. `2001:db8::7/64` also names the host's own address. A tunnel's "
            "addresses belong to it too, and the /48 of 6to4."
        ),
    )
    gateway: Gateways | None = Field(
        None,
        description=(
            "The router, one for each family. If it is in none of the prefixes, it counts as directly "
            "connected (onlink). `false`: the interface is point-to-point. Tunnels need none."
        ),
    )
    preferred: Annotated[bool, Field(strict=True)] = Field(
        False,
        description=(
            "Connections that the host opens, and those that it passes on for others, leave here while it is "
            "up, else by the image's own default route. Every address of the host in its families must then "
            "belong to an uplink, because replies would leave here too."
        ),
    )
    table: TableNumber | None = Field(
        None, description="The number of its routing table. Default: derived from its name, 12000 to 12999."
    )
    mark: MarkNumber | None = Field(
        None,
        description=(
            "The mark of connections that come in by it and are passed on, 1 to 255. Default: derived from its name."
        ),
    )
