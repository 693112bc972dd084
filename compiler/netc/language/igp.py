"""The IGP: how our own routers find each other's loopbacks."""

from typing import Annotated, Literal

from pydantic import Field

from netc.language.names import Label
from netc.language.tables import Secret, Table
from netc.language.values import OneOrMany, Some

IgpKind = Literal["ospf", "babel"]


class Igp(Table):
    kind: IgpKind = Field(
        description="ospf: OSPFv2 for IPv4, OSPFv3 for IPv6. babel: Babel for both families (RFC 8966)."
    )
    over: Annotated[
        OneOrMany[Label], Some("over", "our routers do not find each other", "name links or per-peer meshes")
    ] = Field(
        description=(
            "Links and per-peer meshes. For IPv4 they need IPv4 addresses, unless `extended_next_hop` is set. Their "
            "`cost` is in their own tables."
        )
    )
    extended_next_hop: Annotated[bool, Field(strict=True)] = Field(
        False,
        description="babel: IPv4 routes have IPv6 next hops, so links need no IPv4 addresses (RFC 9229). BIRD 2.17.",
    )
    rtt_cost: Annotated[int, Field(strict=True, ge=1, le=65535)] | None = Field(
        None,
        description=(
            "babel: a link's `cost` grows with its round-trip time, from 10 ms on, by this much at 120 ms and more "
            "(RFC 9616). BIRD 2.14."
        ),
    )
    password: Secret | None = Field(
        None,
        description="babel: Where each router keeps the password that all of them share (RFC 8967, HMAC-SHA256).",
    )
