"""Forwards: visitors arrive at one host and are served by another, which sees their own addresses."""

import re
from typing import Annotated

from msgspec import Struct
from netaddr import IPAddress
from pydantic import Field

from netc.language.names import HostName, LinkName, NamespaceName, Wrong, quoted
from netc.language.special import check
from netc.language.tables import Table
from netc.language.values import Address, FromText, OneOrMany, ServicePorts, Some, address, left_out


class Target(Struct, frozen=True):
    """The server: a host, a namespace on it or an address behind it, and its port if it is another."""

    host: HostName
    namespace: NamespaceName | None = None
    address: IPAddress | None = None
    port: int | None = None

    @property
    def local(self) -> bool:
        """Whether the server is among the host's own processes."""
        return self.namespace is None and self.address is None


TARGET = re.compile(
    r"(?P<host>[^:/]+)"
    r"(?:/(?P<namespace>[^:/]+)|:(?P<four>[0-9]+\.[0-9.]+)|:\[(?P<six>[^\]]+)\]|:(?P<bare>[0-9a-fA-F]*:[0-9a-fA-F:.]+))?"
    r"(?::(?P<port>[0-9]{1,5}))?"
)


def target(text: str) -> Target:
    """`home`, `home:8080`, `home/vpn`, `home:10.0.3.20`, `home:10.0.3.20:80`, `home:[fd00:3::20]:80`."""
    match = TARGET.fullmatch(text)
    if not match or not 1 <= int(match["port"] or 1) <= 65535:
        hint = "name the host that serves, at the other end of `via`, and after it `/NAMESPACE`, `:ADDRESS` or `:PORT`"
        raise Wrong("NC0117", f"{quoted(text)} is not the server of a forward", hint)
    there = match["four"] or match["six"] or match["bare"]
    return Target(
        HostName(match["host"]),
        NamespaceName(match["namespace"]) if match["namespace"] else None,
        _behind(there) if there else None,
        int(match["port"]) if match["port"] else None,
    )


def _behind(text: str) -> IPAddress:
    try:
        found = address(text)
    except Wrong as wrong:
        raise Wrong(wrong.code, wrong.what, "write the address behind the host, as in `home:10.0.3.20`") from None
    check(found, "server")
    return found


class Forward(Table):
    """Ports of one host that another host serves."""

    at: HostName = Field(description="The host where visitors arrive. It needs a `wan`.")
    ports: Annotated[
        OneOrMany[ServicePorts], Some("ports", "it forwards nothing", "write the ports, such as `443/tcp`")
    ] = Field(description="The ports that visitors dial: `443/tcp`, `30000-30100/udp`.")
    to: Annotated[
        OneOrMany[Annotated[Target, FromText(target, TARGET.pattern)]],
        Some("to", "no host serves", "name the host that serves, at the other end of `via`"),
    ] = Field(
        description=(
            "The server: `home`, a namespace on it (`home/vpn`) or an address behind it (`home:10.0.3.20`), "
            "each with `:8080` for another port. Write two if each serves one family."
        ),
    )
    via: LinkName = Field(description="The link between the two hosts.")
    on: Annotated[
        OneOrMany[Address], Some("on", "no visitor arrives", left_out("on", "the public addresses of `at`"))
    ] = Field((), description="Addresses of `at` that visitors dial. Default: its public ones.")
    keep_source: Annotated[bool, Field(strict=True)] = Field(
        True, description="The server sees the visitor's own address. `false`: it sees the address of `at`."
    )
    bound: Annotated[bool, Field(strict=True)] = Field(
        False, description="UDP servers on the host itself listen on the link's address, not on every address."
    )
