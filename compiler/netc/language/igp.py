"""The IGP: how our own routers find each other's loopbacks."""

from typing import Annotated, Literal

from pydantic import Field

from netc.language.names import Label
from netc.language.tables import Table
from netc.language.values import OneOrMany, Some

IgpKind = Literal["ospf", "babel"]


class Igp(Table):
    kind: IgpKind = Field(
        description="ospf: OSPFv2 for IPv4, OSPFv3 for IPv6. babel: Babel for both families (RFC 8966)."
    )
    over: Annotated[
        OneOrMany[Label], Some("over", "our routers do not find each other", "name links or per-peer meshes")
    ] = Field(
        description="Links and per-peer meshes. For IPv4 they need IPv4 addresses. Their `cost` is in their own tables."
    )
