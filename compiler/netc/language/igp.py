"""The IGP: how our own routers find each other's loopbacks."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from netc.language.names import Label
from netc.language.tables import Table
from netc.language.values import OneOrMany


class Igp(Table):
    kind: Literal["ospf"] = Field(description="OSPFv2 for IPv4 and OSPFv3 for IPv6.")
    over: OneOrMany[Label] = Field(description="Links and meshes; what they cost is said there.")
