"""`netc trace`"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from netc.cli.options import Topo
from netc.cli.printer import document
from netc.cli.topology import text_of, understood, wrong_use

if TYPE_CHECKING:
    from netc.diagnostic import KeyPath
    from netc.walk.packet import Owner, Packet
    from netc.walk.places import Where
    from netc.walk.world import World

Family = Literal["4", "6"]


def trace(
    topo: Topo,
    begin: Annotated[
        str,
        typer.Argument(
            metavar="FROM", help="`internet`, an address there, `HOST`, `HOST/NAMESPACE`, or `HOST:ADDRESS` behind it."
        ),
    ],
    to: Annotated[str, typer.Argument(metavar="TO", help="What is dialled: such a place, as `edge:443/tcp`.")],
    port: Annotated[str, typer.Option(metavar="PORT", help="`443/tcp`, or `icmp`, if TO does not say it.")] = "",
    source: Annotated[str, typer.Option(metavar="IP", help="The source address, if not the usual one.")] = "",
    family: Annotated[str, typer.Option(metavar="4|6", help="IPv4 or IPv6. Default: what both have.")] = "",
    group: Annotated[str, typer.Option(metavar="GROUP", help="The primary group of the program that sends.")] = "",
    user: Annotated[str, typer.Option(metavar="USER", help="Its user.")] = "",
    slice_: Annotated[str, typer.Option("--slice", metavar="SLICE", help="The systemd slice that it runs in.")] = "",
    service: Annotated[str, typer.Option(metavar="UNIT", help="The service of systemd on the host FROM.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the path of one packet through the network, and of its answer. Nothing is sent.

    Exit 0 if it is answered, 1 if not.
    """
    from netc.language.names import Wrong as WrongName
    from netc.pipeline import plan
    from netc.provenance.text import Source
    from netc.walk import text as walked
    from netc.walk.bird import world
    from netc.walk.journey import journey
    from netc.walk.places import Wrong, asked, packet_of, where

    network = understood(topo, promises=False).network
    made = world(plan(host, network) for host in sorted(network.topology.hosts))
    if family not in ("", "4", "6"):
        raise wrong_use(f"`{family}` is no family of addresses", "write `--family 4` or `--family 6`")
    try:
        owner, sender = _owner(group, user, slice_), where(begin, made)
        if service:
            sender, owner = _runs(service, sender, owner, made)
        start, packet = packet_of(sender, asked(to, made, port), made, owner, _family(family))
        if source:
            packet = _from(source, packet)
    except (Wrong, WrongName) as wrong:
        raise wrong_use(str(wrong)) from None
    found = journey(made, start, packet)
    places = Source(str(topo), text_of(topo))

    def line(path: KeyPath) -> str:
        return places.place(path) if path else ""

    if as_json:
        document(json.dumps(walked.as_json(made, start, packet, found, line), indent=2))
    else:
        document(walked.as_text(made, start, packet, found, line))
    if not found.answered:
        raise typer.Exit(1)


def _family(text: str) -> Literal[4, 6] | None:
    return 4 if text == "4" else 6 if text == "6" else None


def _owner(group: str, user: str, slice_: str) -> Owner:
    from netc.language.names import GroupName, UserName
    from netc.language.units import SliceName
    from netc.walk.packet import Owner

    return Owner(
        GroupName(group) if group else None, UserName(user) if user else None, SliceName(slice_) if slice_ else None
    )


def _runs(service: str, sender: Where, owner: Owner, made: World) -> tuple[Where, Owner]:
    """Where a service sends from, and as whom. Raises Wrong."""
    from msgspec.structs import replace

    from netc.language.units import ServiceName
    from netc.walk.places import Wrong, of_service

    if sender.host is None or sender.space or sender.address:
        raise Wrong(f"`--service` looks for where it runs: write the host alone in place of `{sender.name}`")
    place, slice_ = of_service(sender.host, ServiceName(service), made)
    return place, replace(owner, slice=owner.slice or slice_)


def _from(source: str, packet: Packet) -> Packet:
    from msgspec.structs import replace
    from netaddr import AddrFormatError, IPAddress

    from netc.walk.places import Wrong

    try:
        ip = IPAddress(source)
    except (AddrFormatError, ValueError):
        raise Wrong(f"`{source}` is not an address") from None
    if ip.version != packet.family:
        raise Wrong(f"{source} is of another family than what is dialled")
    return replace(packet, source=int(ip))
