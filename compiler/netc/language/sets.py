"""Sets: address ranges with a name, written once and used by many rules."""

import re
from typing import Annotated, Any

from netaddr import IPNetwork
from pydantic import BeforeValidator, Field, PrivateAttr, ValidatorFunctionWrapHandler, WrapValidator

from netc.language.lists import AddressList
from netc.language.names import Member, SetName
from netc.language.special import check, special
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


def sender(text: str) -> IPNetwork | SetName:
    """The same, for packets that come from another host. A client of DHCP sends from 0.0.0.0."""
    found = source(text)
    if isinstance(found, IPNetwork) and special(found) != "unspecified":
        check(found, "sender")
    return found


Source = Annotated[IPNetwork | SetName, FromText(source, f"({ADDRESS}){LENGTH}|{SetName.pattern}")]
Sender = Annotated[IPNetwork | SetName, FromText(sender, f"({ADDRESS}){LENGTH}|{SetName.pattern}")]


def _every_host(value: Any) -> Any:
    return ["all"] if value is True else value


def _no_host(value: Any, listed: ValidatorFunctionWrapHandler) -> Any:
    return () if value is False else listed(value)


class AddressSet(Table):
    """Addresses of both families, in any order. Entries may overlap."""

    files: OneOrMany[str] = Field(
        (),
        description=(
            "Lists beside the topology, as they are published. Each line has a prefix, an address or a range "
            "`a-b`, of either family. Comments begin with `#` or `;`."
        ),
    )
    prefixes: OneOrMany[Prefix] = Field((), description="Prefixes of both families, in any order.")
    sets: OneOrMany[SetName] = Field((), description="Other sets that are part of this one.")
    minus: OneOrMany[Source] = Field((), description="Prefixes and sets that netc removes from the whole set.")
    may_be_empty: Annotated[bool, Field(strict=True)] = Field(
        False,
        description=(
            "Allow the set to be empty. An empty set matches nothing, so a rule that allows it accepts nobody. "
            "Unless this is true, an empty set is an error."
        ),
    )
    ipset: Annotated[
        OneOrMany[Member],
        BeforeValidator(_every_host),
        WrapValidator(_no_host, json_schema_input_type=bool | OneOrMany[Member]),
    ] = Field((), description="Hosts that also keep it as an ipset for other software. `true`: all hosts.")
    _lists: tuple[AddressList, ...] = PrivateAttr(default=())

    @property
    def lists(self) -> tuple[AddressList, ...]:
        """What was read from `files`."""
        return self._lists

    def with_lists(self, lists: tuple[AddressList, ...]) -> "AddressSet":
        copy = self.model_copy()
        copy._lists = lists
        return copy
