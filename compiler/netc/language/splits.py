"""Split tunnels: some of what a host sends goes by a tunnel, the rest as ever."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from netc.language.links import TableNumber
from netc.language.names import CommandName, GroupName, InterfaceName, ServiceName, ServicesSlice, TunnelName, UserName
from netc.language.sets import Source
from netc.language.tables import Table
from netc.language.values import Address, OneOrMany, Prefix

MarkNumber = Annotated[int, Field(strict=True, ge=1, le=254)]
"""255 is on what tunnels themselves send."""

Ipv6Policy = Literal["tunnel", "direct", "block"]


class Split(Table):
    """Who goes by a tunnel, and where to all the same not. Exactly one of group, user, service, slice, source,
    interface says who."""

    tunnel: TunnelName = Field(description="A tunnel of the host, not of a namespace.")
    group: GroupName | None = Field(None, description="Programs whose primary group it is; made if it is not there.")
    user: UserName | None = Field(None, description="Programs of this user.")
    service: OneOrMany[ServiceName] = Field((), description="Services of systemd, with all that they start.")
    slice: ServicesSlice | None = Field(None, description="All services of this slice.")
    source: OneOrMany[Prefix] = Field((), description="What the host passes on from these addresses.")
    interface: InterfaceName | None = Field(None, description="What the host passes on that came in here.")
    mode: Literal["only", "except"] = Field("only", description="Only these go by the tunnel, or everybody else.")
    direct: OneOrMany[Source] = Field((), description="Destinations that are reached as ever: prefixes and sets.")
    dns: OneOrMany[Address] = Field((), description="Whatever resolver a program asks, this one is asked instead.")
    ipv6: Ipv6Policy | None = Field(None, description="default: tunnel if it has IPv6, else block.")
    command: CommandName | None = Field(None, description="`t PROGRAM…` runs it under the group.")
    table: TableNumber | None = Field(None, description="Of its routes; default: from its name, 13000 to 13999.")
    mark: MarkNumber | None = Field(None, description="Of its connections: 1 to 254; default: from its name.")
