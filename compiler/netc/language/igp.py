"""The IGP: how our own routers find each other's loopbacks."""

from typing import Annotated, Literal

from pydantic import Field

from netc.language.names import Label
from netc.language.tables import Table
from netc.language.values import OneOrMany, Some

IgpKind = Literal["ospf", "babel"]


class Igp(Table):
    kind: IgpKind = Field(description="ospf: version 2 for IPv4, version 3 for IPv6; babel (RFC 8966): both.")
    over: Annotated[
        OneOrMany[Label], Some("over", "our routers do not find each other", "name links or per-peer meshes")
    ] = Field(
        description="Links and per-peer meshes; IPv4 needs addresses of IPv4 on them. What they cost is said there."
    )
