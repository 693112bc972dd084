"""Split tunnels: some of what a host sends goes by a tunnel, the rest as ever."""

from typing import Annotated, Literal

from pydantic import Field

from netc.language.links import TableNumber
from netc.language.names import CommandName, GroupName, InterfaceName, TunnelName, UserName
from netc.language.openings import Opens
from netc.language.placed import Resolver, Senders
from netc.language.sets import Source
from netc.language.tables import Table
from netc.language.units import ServiceName, ServicesSlice
from netc.language.values import OneOrMany, ServicePorts, Some, left_out

MarkNumber = Annotated[int, Field(strict=True, ge=1, le=254)]
"""255 is on what tunnels themselves send."""

NOBODY = "the split selects nothing"
WHO = "leave it out, or name some"

Ipv6Policy = Literal["tunnel", "direct", "block"]


class Split(Table):
    """What uses a tunnel, and destinations that never do. Exactly one of group, user, service, slice, source and
    interface selects what the split applies to."""

    tunnel: TunnelName = Field(
        description=(
            "A tunnel of the host that is in no namespace, with an IPv4 address, without `routes` to "
            "everywhere. Its kind is wireguard, gre, ip6gre or ipip, or another program makes it."
        ),
    )
    group: GroupName | None = Field(
        None, description="Programs that run under this group. netc makes the group if it does not exist."
    )
    user: UserName | None = Field(None, description="Or programs of this user, who must exist already.")
    service: Annotated[OneOrMany[ServiceName], Some("service", NOBODY, WHO)] = Field(
        (), description="Or services of systemd, with all processes that they start."
    )
    slice: ServicesSlice | None = Field(
        None,
        description="Or all services of a slice (`media.slice`), except systemd's own slices: system, user, machine.",
    )
    source: Annotated[OneOrMany[Senders], Some("source", NOBODY, WHO)] = Field(
        (), description="Or packets from these prefixes that the host passes on."
    )
    interface: InterfaceName | None = Field(
        None, description="Or packets that came in by this interface and that the host passes on."
    )
    mode: Literal["only", "except"] = Field(
        "only",
        description=(
            "only: what is selected uses the tunnel. except: all programs use it, except those that are selected."
        ),
    )
    direct: OneOrMany[Source] = Field((), description="Destinations that never use the tunnel: prefixes and sets.")
    dns: OneOrMany[Resolver] = Field(
        (),
        description="One resolver a family, behind the tunnel. DNS queries go to it, whatever resolver a program uses.",
    )
    dbus: bool = Field(
        False,
        strict=True,
        description=(
            "With `dns`: whether the services of `service` and the programs of `command` reach the system bus (D-Bus). "
            "Over it they can make systemd-resolved and avahi send queries by the uplink."
        ),
    )
    open: Opens = Field(
        (),
        description=(
            "Ports of the host that anyone may dial through the tunnel: `60729/tcp`, or a table. "
            "All other new connections that arrive by the tunnel are dropped, also those to ssh, but not those to "
            "ports that `publish` forwards for everyone, or that an `allow` of the `firewall` opens that has no `from` "
            "or names the interface."
        ),
    )
    serve: Annotated[
        OneOrMany[ServicePorts],
        Some("serve", "no client is answered", left_out("serve", "TCP, and clients in `direct`")),
    ] = Field(
        (),
        description=(
            "On a host without `firewall`: UDP ports at which programs of the split answer clients that dial another "
            "address of the host than that of the tunnel: `53/udp`. TCP clients and those in `direct` are answered "
            "anyway."
        ),
    )
    ipv6: Ipv6Policy | None = Field(
        None,
        description=(
            "What happens to IPv6: `tunnel`, `direct`, or `block`, which rejects it so that programs use IPv4. "
            "Default: tunnel if the tunnel has IPv6, else block."
        ),
    )
    command: CommandName | None = Field(
        None,
        description=(
            "The name of a command: `t` makes /usr/local/bin/t, and `t PROGRAM…` runs a program under the group."
        ),
    )
    table: TableNumber | None = Field(
        None, description="The number of its routing table. Default: derived from its name, 13000 to 13999."
    )
    mark: MarkNumber | None = Field(
        None, description="The mark of what is selected, 1 to 254. Default: derived from its name."
    )
