"""Values that an author writes: addresses, ports, endpoints. All address arithmetic is netaddr's."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from msgspec import Struct
from netaddr import AddrFormatError, IPAddress, IPNetwork, valid_ipv6
from pydantic import BeforeValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from netc.language.names import DnsName, Wrong, quoted, whole

Family = Literal[4, 6]

Netfilter = Literal["nftables", "iptables"]

Range = tuple[int, int]
"""First and last address as numbers, both included."""

T = TypeVar("T")


class FromText:
    """Pydantic: a value that is read from a string by `read`, which raises Wrong.

    `form` is what editors know of it: every text that `read` takes matches.
    """

    def __init__(self, read: Callable[[str], object], form: str) -> None:
        self.read, self.form = read, form

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.read, core_schema.str_schema())

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(schema), "pattern": whole(self.form)}


ADDRESS = r"[0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*"
LENGTH = r"/[0-9]{1,3}"
DIALLED = r"[A-Za-z0-9.-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*"
PORT = r"([0-9]{1,5})/(tcp|udp)"
PORTS = r"([0-9]{1,5})(?:-([0-9]{1,5}))?/(tcp|udp)"


NO_ADDRESS = "write an IPv4 or IPv6 address"
"""A hint where nothing is known of what was meant."""


def address(text: str) -> IPAddress:
    """`192.0.2.1` or `2001:db8::1`; no zone, no prefix length."""
    try:
        found = IPAddress(text)
    except (AddrFormatError, ValueError):
        raise Wrong("NC0110", f"{quoted(text)} is not an IP address", _address_hint(text)) from None
    if found.is_ipv4_mapped():
        raise Wrong("NC0110", f"{quoted(text)} is an IPv4-mapped IPv6 address", f"write `{found.ipv4()}`")
    return found


def _address_hint(text: str) -> str:
    if "/" in text:
        return f"write `{text.partition('/')[0]}`"
    if "%" in text:
        return f"leave out `{text[text.index('%') :]}`: the table says which interface it is"
    return NO_ADDRESS


def interface_address(text: str) -> IPNetwork:
    """`10.77.0.1/31`: an address as an interface holds it, with the length of its prefix."""
    found = with_length(text)
    if found.prefixlen == 0:
        what = f"{quoted(text)}: with the length 0, every address would be in the interface's own subnet"
        raise Wrong("NC0110", what, f"write the length of its subnet, such as `{found.ip}/{_COMMON[found.version]}`")
    return found


_COMMON = {4: 24, 6: 64}
"""The usual length of a subnet, by family."""


def own_address(text: str) -> IPNetwork:
    """`45.99.0.10`, which is read as /32, or `45.99.0.10/24` with the length of its subnet."""
    return interface_address(text) if "/" in text else IPNetwork(address(text))


def with_length(text: str) -> IPNetwork:
    """An address or a prefix, with its length."""
    bare, slash, length = text.partition("/")
    ip = address(bare)
    bits = 32 if ip.version == 4 else 128
    if not slash:
        hint = f"write `{text}/{bits}` if you mean this one address"
        raise Wrong("NC0110", f"{quoted(text)} has no prefix length", hint)
    if not re.fullmatch(r"[0-9]{1,3}", length) or int(length) > bits:
        what = f"{quoted('/' + length)} is not a prefix length of IPv{ip.version}"
        raise Wrong("NC0110", what, f"use `/0` to `/{bits}`")
    return IPNetwork(f"{ip}/{int(length)}")


def prefix(text: str) -> IPNetwork:
    """`10.0.0.0/8`: a range, with no host bits set."""
    network = with_length(text)
    if network.ip != network.network:
        raise Wrong("NC0110", f"`{text}` has host bits set", f"write `{network.cidr}`")
    return network


class Endpoint(Struct, frozen=True):
    """Where a peer is dialled: an address or a DNS name, and a UDP port unless the peer's own is meant."""

    host: IPAddress | DnsName
    port: int | None = None

    @property
    def family(self) -> Family | None:
        """The outer family; None for a name, which may be either."""
        if isinstance(self.host, DnsName):
            return None
        return 4 if self.host.version == 4 else 6

    def __str__(self) -> str:
        host = f"[{self.host}]" if self.family == 6 and self.port else str(self.host)
        return f"{host}:{self.port}" if self.port else host


NOT_DIALLED = frozenset(("false", "no", "none", "off", "never", "disabled"))
"""What is written in quotes for a peer that nobody can dial."""

NO_NAME = frozenset(("true", "yes", "on", "auto", "dhcp", "dynamic", "default", "any", "localhost"))
"""What no peer can resolve to the host that is meant."""


def endpoint(text: str) -> Endpoint:
    """`192.0.2.1`, `vpn.example.net:51820`, `[2001:db8::1]:51820`, `2001:db8::1`."""
    word = text.strip().partition(":")[0].lower()
    if word in NOT_DIALLED | NO_NAME:
        hint = "leave `endpoint` out" if word in NOT_DIALLED else "write the address or DNS name that reaches the peer"
        raise Wrong("NC0111", f"{quoted(text)} is not an address or a DNS name that peers can dial", hint)
    if "://" in text:
        raise Wrong("NC0111", f"{quoted(text)} is a URL", "write the host name alone, such as `vpn.example.net`")
    bracketed = re.fullmatch(r"\[([^\]]*)\](?::([0-9]{1,5}))?", text)
    plain = re.fullmatch(r"([^:]*)(?::([0-9]{1,5}))?", text)
    match = bracketed or plain
    if not match and (twice := re.fullmatch(r"(\[.*\]|[^:]*):([0-9]{1,5}):\2", text)):
        raise Wrong("NC0111", f"{quoted(text)} has its port twice", f"write `{twice[1]}:{twice[2]}`")
    host, digits = (match[1], match[2]) if match else (text, None)
    port = None if digits is None else int(digits)
    if port is not None and not 1 <= port <= 65535:
        raise Wrong("NC0105", f"{port} is not a port", "write a port from 1 to 65535")
    if re.fullmatch(r"[0-9.]+", host):
        return Endpoint(address(host), port)
    if ":" in host:
        return Endpoint(_ipv6(host), port)
    return Endpoint(DnsName(host), port)


def _ipv6(text: str) -> IPAddress:
    try:
        return address(text)
    except Wrong as wrong:
        hint = wrong.hint if "mapped" in wrong.what else "write `2001:db8::1`, with a port `[2001:db8::1]:51820`"
        bare, _, port = text.rpartition(":")
        if re.fullmatch(r"[0-9A-Fa-f:.]+", bare) and re.fullmatch(r"[0-9]{1,5}", port) and valid_ipv6(bare):
            hint = f"write `[{bare}]:{port}`"
        raise Wrong("NC0111", wrong.what, hint) from None


class Port(Struct, frozen=True):
    """`9091/tcp`: a transport port with its protocol."""

    number: int
    protocol: Literal["tcp", "udp"]

    def __str__(self) -> str:
        return f"{self.number}/{self.protocol}"


def port(text: str) -> Port:
    match = re.fullmatch(PORT, text)
    if not match and re.fullmatch(PORTS, text):
        first = text.partition("-")[0]
        hint = f"write an entry for each port, from `{first}/{text[-3:]}` on"
        raise Wrong("NC0112", f"{quoted(text)} is a range, and `port` takes one port", hint)
    if not match or not 1 <= int(match[1]) <= 65535:
        raise Wrong(
            "NC0112",
            f"{quoted(text)} is not a port with its protocol",
            "write the port from 1 to 65535, then `/tcp` or `/udp`",
        )
    return Port(int(match[1]), "tcp" if match[2] == "tcp" else "udp")


class Ports(Struct, frozen=True):
    """`30000-30100/udp`: ports of one protocol, both ends included; one alone is a range of itself."""

    first: int
    last: int
    protocol: Literal["tcp", "udp"]

    @property
    def span(self) -> str:
        return f"{self.first}" if self.first == self.last else f"{self.first}-{self.last}"

    def __str__(self) -> str:
        return f"{self.span}/{self.protocol}"


def ports(text: str) -> Ports:
    match = re.fullmatch(PORTS, text)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not match or not 1 <= first <= last <= 65535:
        what = f"{quoted(text)} is not a port or a range of ports with a protocol"
        raise Wrong("NC0112", what, "write ports from 1 to 65535, one or `first-last`, then `/tcp` or `/udp`")
    return Ports(first, last, "tcp" if match[3] == "tcp" else "udp")


def _listed(value: Any) -> Any:
    return value if isinstance(value, (list, tuple)) else [value]


class OrAlone:
    """Pydantic: the schema, which editors read, accepts a single item in place of the list."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        listed = handler(schema)
        return {"anyOf": [listed["items"], listed]} if "items" in listed else listed  # a validator around says more


EMPTY = "KEY"
"""In a message, for the key of the list: `OneOrMany` does not know it, and `diagnostics` puts it in."""


class Some:
    """Pydantic: a list that holds something if it is written, since nothing is not what its author meant: it would be
    taken for a list that is left out, or nothing could come of it. `so`: what follows from none; `cure`: what to write.
    """

    def __init__(self, key: str, so: str, cure: str) -> None:
        self.key, self.so, self.cure = key, so, cure

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._some, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        made = handler(schema)
        for way in made.get("anyOf", [made]):
            if way.get("type") == "array":
                way["minItems"] = 1
        return made

    def _some(self, value: Any) -> Any:
        """Before the list is read: the outermost `Some` has the words for this key."""
        if value in ([], ()):
            raise Wrong("NC0126", f"`{self.key}` is empty, so {self.so}", self.cure)
        return value


AnyNumber = Annotated[tuple[T, ...], BeforeValidator(_listed), OrAlone()]
"""A value alone or a list of them. A check of its own says what is wrong with an empty list, if it is."""

OneOrMany = Annotated[AnyNumber[T], Some(EMPTY, "it has no effect", "leave it out, or name some")]
"""A value alone or a list of them, which is not empty."""


def left_out(key: str, means: str) -> str:
    """A cure, where a key that is not written means something."""
    return f"leave `{key}` out for {means}, or name some"


Address = Annotated[IPAddress, FromText(address, ADDRESS)]
"""Any address: a check says which of them the host has."""
UplinkPrefix = Annotated[IPNetwork, FromText(with_length, f"({ADDRESS}){LENGTH}")]
"""`checks.uplinks` says why a default route is none."""
Prefix = Annotated[IPNetwork, FromText(prefix, f"({ADDRESS}){LENGTH}")]
"""Any prefix: of sets, and of what is dropped or left alone."""
ServicePorts = Annotated[Ports, FromText(ports, PORTS)]
ServicePort = Annotated[Port, FromText(port, PORT)]
PortNumber = Annotated[int, Field(strict=True, ge=1, le=65535)]
Mtu = Annotated[int, Field(strict=True, ge=576, le=65535)]
