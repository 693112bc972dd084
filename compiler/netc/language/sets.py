"""Sets: address ranges with a name, written once and used by many rules."""

import re
from typing import Annotated, Any

from netaddr import IPNetwork
from pydantic import BeforeValidator, Field, PrivateAttr

from netc.language.lists import AddressList
from netc.language.names import Member, SetName
from netc.language.tables import Table
from netc.language.values import ADDRESS, LENGTH, FromText, OneOrMany, Prefix, prefix

BUILTIN = {
    # RFC 1918, RFC 4193. Not RFC 6598: behind a carrier's NAT those are the carrier's other customers.
    SetName("private"): ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"),
    # RFC 3927, RFC 4291.
    SetName("linklocal"): ("169.254.0.0/16", "fe80::/10"),
    # What IANA's special-purpose registries (RFC 6890) call not globally reachable, and multicast: no such packet comes
    # from the internet.
    SetName("bogons"): (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
        *("224.0.0.0/4", "240.0.0.0/4"),
        *("::/128", "::1/128", "::ffff:0:0/96", "64:ff9b:1::/48", "100::/64", "2001:2::/48", "2001:db8::/32"),
        *("3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "ff00::/8"),
    ),
}
"""Sets that are always there."""


def source(text: str) -> IPNetwork | SetName:
    """`10.0.0.0/8`, `2001:db8::/32`, or the name of a set: no name has a `/` or a `:`, or begins with a digit."""
    return prefix(text) if re.match(r"[0-9]|.*[/:]", text) else SetName(text)


Source = Annotated[IPNetwork | SetName, FromText(source, f"({ADDRESS}){LENGTH}|{SetName.pattern}")]


def _every_host(value: Any) -> Any:
    return {True: ["all"], False: []}[value] if isinstance(value, bool) else value


class AddressSet(Table):
    """Addresses of both families, in any order; what is said may overlap."""

    files: OneOrMany[str] = Field(
        (),
        description=(
            "Lists beside the topology, as they are published: a prefix, an address or a range `a-b` a line, "
            "of both families; comments begin with `#` or `;`."
        ),
    )
    prefixes: OneOrMany[Prefix] = Field((), description="Of both families, in any order.")
    sets: OneOrMany[SetName] = Field((), description="Other sets that lie in this one.")
    minus: OneOrMany[Source] = Field((), description="Prefixes and sets that are taken away from all of it.")
    may_be_empty: Annotated[bool, Field(strict=True)] = Field(
        False,
        description=(
            "An empty set matches nothing: a rule that allows it lets nobody in. Unless this is true, an "
            "empty set is a mistake."
        ),
    )
    ipset: Annotated[
        OneOrMany[Member], BeforeValidator(_every_host, json_schema_input_type=bool | OneOrMany[Member])
    ] = Field((), description="Names of hosts that hold it for other software too; true: all of them.")
    _lists: tuple[AddressList, ...] = PrivateAttr(default=())

    @property
    def lists(self) -> tuple[AddressList, ...]:
        """What was read from `files`."""
        return self._lists

    def with_lists(self, lists: tuple[AddressList, ...]) -> "AddressSet":
        copy = self.model_copy()
        copy._lists = lists
        return copy
