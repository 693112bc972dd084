"""What a network promises: who reaches whom, by which path, with which source, and who never does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidatorFunctionWrapHandler, WrapValidator

from netc.language.names import GroupName, HostName, Name, UserName, Wrong, whole
from netc.language.tables import Table
from netc.language.units import ServiceName, SliceName
from netc.language.values import ADDRESS, Mtu, OneOrMany, ServicePorts, Some

HOST = r"[a-z]([a-z0-9-]*[a-z0-9])?"
NAMED = rf"anycast\.{HOST}|{HOST}\.(peers|links|tunnels)\.{HOST}"
PLACE = rf"{NAMED}|{HOST}(/{HOST})?(:\[?[0-9a-fA-F.:]+\]?)?|\[?[0-9a-fA-F.:]+\]?(/[0-9]{{1,3}})?"
PORT = r"(:([0-9]{1,5}(-[0-9]{1,5})?/(tcp|udp)|icmp))?"


class PlaceName(Name):
    """`internet`, an address or prefix there, a set, a host, one of its namespaces, a machine behind it, the other end
    of its tunnel, an anycast service, or a neighbour of the AS."""

    pattern = PLACE
    noun = "a place"
    cure = "write `internet`, an address, `HOST`, `HOST/NAMESPACE` or `HOST:ADDRESS`"


class DialledName(Name):
    """A place, and a port of it."""

    pattern = rf"({PLACE}){PORT}"
    noun = "a place with a port"
    cure = "write it as `edge:443/tcp`, `internet` or `10.20.0.0/16`"


class WayName(Name):
    pattern = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}"
    noun = "an interface, link, tunnel or uplink"
    cure = "write the name of an interface, link, tunnel or uplink"


class GoneName(Name):
    pattern = rf"any (host|link)|{HOST}"
    noun = "a host or a link"
    cure = "write `any host`, `any link`, or the name of one"


class SourceName(Name):
    pattern = rf"kept|{ADDRESS}"
    noun = "`kept` or an address"
    cure = 'write `source = "kept"`, or the address that the packets have when they arrive'


class Sender(Table):
    """Programs of a host, or a tunnel of it."""

    host: HostName = Field(description="The host.")
    group: GroupName | None = Field(None, description="Programs with this primary group.")
    user: UserName | None = Field(None, description="Programs of this user.")
    service: ServiceName | None = Field(
        None, description="This service of systemd: in its namespace, or as the split that has it chooses."
    )
    slice: SliceName | None = Field(None, description="Programs in this slice of systemd.")
    tunnel: WayName | None = Field(
        None, description="What this WireGuard link or tunnel sends to its peers: the packets that carry others."
    )


def _sender(value: object, table: ValidatorFunctionWrapHandler) -> object:
    return PlaceName(value) if isinstance(value, str) else table(value)


if TYPE_CHECKING:
    From = PlaceName | Sender
else:  # a union would have an error of each of its members, and none at the key that is wrong
    Text = Annotated[str, Field(pattern=whole(PLACE))]
    From = Annotated[Sender, WrapValidator(_sender, json_schema_input_type=Text | Sender)]


def _arrival(value: Any) -> Any:
    """`false`, or places."""
    if value is False:
        return ()
    if value is True or value == []:
        raise Wrong(
            "NC3004",
            "`arrives` is neither `false` nor a place",
            "write `arrives = false` for nobody, or who gets the packets",
        )
    return value if isinstance(value, list) else [value]


Places = Annotated[list[str], Field(min_length=1)]


class Expect(Table):
    """A promise that netc proves. All keys that you write must hold, for every packet."""

    name: str | None = Field(None, description="The promise in words. netc shows them if it does not hold.")
    from_: Annotated[
        OneOrMany[From],
        Some("from", "nothing is sent", "write who sends, such as `internet`"),
    ] = Field(alias="from", description='Who sends: places, or `{ host = "…", group = "…" }`. Each of them.')
    to: Annotated[OneOrMany[DialledName], Some("to", "nothing is sent", "write what is dialled, such as `edge`")] = (
        Field(description="What is dialled: places, with a port or without. Each of them.")
    )
    arrives: Annotated[
        tuple[PlaceName, ...] | None,
        BeforeValidator(
            _arrival, json_schema_input_type=Literal[False] | str | Annotated[list[str], Field(min_length=1)]
        ),
    ] = Field(None, description="Who gets the packets, and whose answers come back. `false`: nobody.")
    source: SourceName | None = Field(
        None, description="The source address on arrival: `kept`, or the address that it is."
    )
    leaves_by: OneOrMany[WayName] = Field(
        (),
        description=(
            "What leaves the sender's host leaves by one of these interfaces, links, tunnels or uplinks. If the sender "
            "is no host of yours: what leaves the host that is dialled."
        ),
    )
    never_by: OneOrMany[WayName] = Field(
        (), description="Nothing leaves by these, also while a tunnel is down or away."
    )
    only: OneOrMany[ServicePorts] | None = Field(
        None, description="These ports answer, and no others do: `22/tcp`, `30000-30100/udp`."
    )
    through: OneOrMany[HostName] = Field((), description="Hosts that every packet passes.")
    survives: OneOrMany[GoneName] = Field(
        (),
        description=(
            "It still holds while one of these is gone: hosts, links, `any host` or `any link`. Hosts that `from` and "
            "`to` name, and the only one of `arrives`, are there."
        ),
    )
    mtu: Mtu | None = Field(None, description="Packets of so many bytes fit through.")
