"""Sets: address ranges with a name, written once and used by many rules."""

from __future__ import annotations

import re
from typing import Annotated

from netaddr import IPNetwork
from pydantic import Field

from netc.language.names import SetName
from netc.language.tables import Table
from netc.language.values import FromText, OneOrMany, Prefix, prefix


class AddressSet(Table):
    """Prefixes of both families, in any order; they may overlap."""

    prefixes: OneOrMany[Prefix] = Field(description="Address ranges, of both families.")


def source(text: str) -> IPNetwork | SetName:
    """`10.0.0.0/8`, `2001:db8::/32`, or the name of a set: no name has a `/` or a `:`, or begins with a digit."""
    return prefix(text) if re.match(r"[0-9]|.*[/:]", text) else SetName(text)


Source = Annotated[IPNetwork | SetName, FromText(source)]
