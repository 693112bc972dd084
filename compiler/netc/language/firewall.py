"""The firewall of a host: what reaches the host itself, and what passes through it."""

from typing import Annotated, Literal

from pydantic import Field

from netc.language.names import InterfaceName
from netc.language.sets import Source
from netc.language.tables import Table
from netc.language.values import OneOrMany, ServicePorts

Policy = Literal["drop", "accept"]


class Allow(Table):
    """A way in; all that is said must hold."""

    ports: OneOrMany[ServicePorts] = Field((), description="Default: all, of every protocol.")
    from_: OneOrMany[Source] = Field((), alias="from", description="Prefixes and sets; default: anyone.")
    interface: OneOrMany[InterfaceName] = Field((), description="Where it arrives; default: anywhere.")


class Pass(Table):
    """A way through: connections that begin on one side; their replies come back."""

    from_: InterfaceName = Field(alias="from", description="The interface where it arrives.")
    to: InterfaceName = Field(description="The interface where it leaves.")


class Firewall(Table):
    """What compiled parts need is open in it, and ssh always."""

    input: Policy = Field("drop", description="What becomes of the rest that is for the host itself.")
    forward: Policy = Field("drop", description="What becomes of the rest that would pass through the host.")
    allow: OneOrMany[Allow] = Field((), description="What else may come in.")
    deny: OneOrMany[Source] = Field(
        (),
        description=(
            "Prefixes and sets that get nothing but ssh (and may be DHCP servers): they reach no service of "
            "the host and nothing behind it."
        ),
    )
    pass_: OneOrMany[Pass] = Field((), alias="pass", description="Ways through, besides those of compiled parts.")
    log: Annotated[bool, Field(strict=True)] = Field(
        True, description="What is dropped is logged, at most 5 lines a second."
    )
