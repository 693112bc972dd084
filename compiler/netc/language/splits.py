"""Split tunnels: some of what a host sends goes by a tunnel, the rest as ever."""

from typing import Annotated, Literal

from pydantic import Field

from netc.language.links import TableNumber
from netc.language.names import CommandName, GroupName, InterfaceName, ServiceName, ServicesSlice, TunnelName, UserName
from netc.language.openings import Opens
from netc.language.sets import Source
from netc.language.tables import Table
from netc.language.values import Address, OneOrMany, Prefix, Some

MarkNumber = Annotated[int, Field(strict=True, ge=1, le=254)]
"""255 is on what tunnels themselves send."""

NOBODY = "the split selects nothing"
WHO = "leave it out, or name some"

Ipv6Policy = Literal["tunnel", "direct", "block"]


class Split(Table):
    """Who goes by a tunnel, and where to all the same not. Exactly one of group, user, service, slice, source,
    interface says who."""

    tunnel: TunnelName = Field(
        description=(
            "Of the host, with an IPv4 address, not of a namespace: wireguard, gre, ip6gre, ipip, or one that "
            "another program makes; without `routes` to everywhere."
        ),
    )
    group: GroupName | None = Field(None, description="Programs that run under it; made if it is not there.")
    user: UserName | None = Field(None, description="Or programs of this user, who is there already.")
    service: Annotated[OneOrMany[ServiceName], Some("service", NOBODY, WHO)] = Field(
        (), description="Or services of systemd, with all that they start."
    )
    slice: ServicesSlice | None = Field(
        None, description="Or all services of a slice (`media.slice`), but for systemd's own: system, user, machine."
    )
    source: Annotated[OneOrMany[Prefix], Some("source", NOBODY, WHO)] = Field(
        (), description="Or what the host passes on from these prefixes."
    )
    interface: InterfaceName | None = Field(None, description="Or what the host passes on that came in there.")
    mode: Literal["only", "except"] = Field("only", description="only: these; except: all programs but those.")
    direct: OneOrMany[Source] = Field(
        (), description="Destinations that stay outside, whoever asks: prefixes and sets."
    )
    dns: OneOrMany[Address] = Field(
        (), description="One resolver a family, at the far end: it is asked whatever resolver a program meant."
    )
    open: Opens = Field(
        (),
        description=(
            "Ports of the host that peers may dial by the tunnel: `60729/tcp`, or a table; every other connection "
            "that begins there is dropped."
        ),
    )
    ipv6: Ipv6Policy | None = Field(
        None,
        description=(
            "`tunnel`, `direct`, or `block`: refused, so that programs go on with IPv4; default: tunnel if it "
            "has IPv6, else block."
        ),
    )
    command: CommandName | None = Field(
        None, description="`t` makes /usr/local/bin/t, and `t PROGRAM…` runs a program under the group."
    )
    table: TableNumber | None = Field(None, description="Of its routes; default: from its name, 13000 to 13999.")
    mark: MarkNumber | None = Field(None, description="1 to 254, of what is chosen; default: from its name.")
