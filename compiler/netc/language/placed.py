"""Addresses, prefixes and endpoints by what they are to a host: each sort refuses special ones that cannot work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal, TypeVar

from netaddr import IPAddress, IPNetwork
from pydantic import PlainValidator

from netc.language.names import Wrong
from netc.language.special import Place, check
from netc.language.values import (
    ADDRESS,
    DIALLED,
    LENGTH,
    NOT_DIALLED,
    Endpoint,
    FromText,
    address,
    endpoint,
    interface_address,
    own_address,
    prefix,
)

T = TypeVar("T", IPAddress, IPNetwork)


def only(read: Callable[[str], T], place: Place) -> Callable[[str], T]:
    """`read`, which then raises Wrong for special addresses that cannot be in this place."""

    def checked(text: str) -> T:
        found = read(text)
        check(found, place)
        return found

    return checked


def dialled(text: str, place: Place = "dialled") -> Endpoint:
    found = endpoint(text)
    if isinstance(found.host, IPAddress):
        check(found.host, place)
    return found


def server(text: str) -> Endpoint:
    """One that may be on the host itself."""
    return dialled(text, "asked")


def held(text: str, place: Place = "held") -> IPNetwork:
    """An address of an interface, with the length of its prefix."""
    found = interface_address(text)
    check(found.ip, place)
    return found


def reached(text: str) -> IPNetwork:
    """One that is no interface's alone."""
    return held(text, "reached")


def own(text: str) -> IPNetwork:
    """The host's own address, alone or with the length of its subnet."""
    found = own_address(text)
    check(found.ip, "held")
    return found


def endpoint_or_not(value: object) -> Endpoint | Literal[False]:
    """An endpoint, or `false` for a host that nobody can dial."""
    if value is False:
        return False
    if not isinstance(value, str):
        raise Wrong(
            "NC0103", "`endpoint` takes a string or `false`", 'write `"vpn.example.net"`, or `false` behind NAT'
        )
    try:
        return dialled(value)
    except Wrong as wrong:
        if wrong.code != "NC0111" or not wrong.what.endswith("can dial"):
            raise
        hint = "write the address or DNS name that peers dial, or `false`, without quotes, behind NAT"
        if value.strip().partition(":")[0].lower() in NOT_DIALLED:
            hint = "write `false`, without quotes"
        raise Wrong(wrong.code, wrong.what, hint) from None


resolver = only(address, "resolver")

WITH_LENGTH = f"({ADDRESS}){LENGTH}"

OwnAddress = Annotated[IPAddress, FromText(only(address, "held"), ADDRESS)]
ReachedAddress = Annotated[IPAddress, FromText(only(address, "reached"), ADDRESS)]
OwnInSubnet = Annotated[IPNetwork, FromText(own, f"({ADDRESS})({LENGTH})?")]
Remote = Annotated[IPAddress, FromText(only(address, "dialled"), ADDRESS)]
Neighbour = Annotated[IPAddress, FromText(only(address, "router"), ADDRESS)]
FarEnd = Annotated[IPAddress, FromText(only(address, "peer"), ADDRESS)]
RouterId = Annotated[IPAddress, FromText(only(address, "router id"), ADDRESS)]
Resolver = Annotated[IPAddress, FromText(resolver, ADDRESS)]
InterfaceAddress = Annotated[IPNetwork, FromText(held, WITH_LENGTH)]
ReachedInterface = Annotated[IPNetwork, FromText(reached, WITH_LENGTH)]
Subnet = Annotated[IPNetwork, FromText(only(prefix, "held"), WITH_LENGTH)]
Routed = Annotated[IPNetwork, FromText(only(prefix, "routed"), WITH_LENGTH)]
Carried = Annotated[IPNetwork, FromText(only(prefix, "carried"), WITH_LENGTH)]
Senders = Annotated[IPNetwork, FromText(only(prefix, "sender"), WITH_LENGTH)]
Announced = Annotated[IPNetwork, FromText(only(prefix, "announced"), WITH_LENGTH)]
Dialled = Annotated[Endpoint, FromText(dialled, DIALLED)]
Server = Annotated[Endpoint, FromText(server, DIALLED)]
DialledOrNot = Annotated[
    Endpoint | Literal[False], PlainValidator(endpoint_or_not, json_schema_input_type=Dialled | Literal[False])
]
