"""The IGP: how our own routers find each other's loopbacks."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from netc.language.names import Label
from netc.language.tables import Table
from netc.language.values import OneOrMany

IgpKind = Literal["ospf", "babel"]


class Igp(Table):
    kind: IgpKind = Field(description="OSPFv2 for IPv4 and OSPFv3 for IPv6, or Babel (RFC 8966) for both.")
    over: OneOrMany[Label] = Field(description="Links and meshes; what they cost is said there.")
