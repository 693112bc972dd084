"""The firewall of a host: what reaches the host itself, and what passes through it."""

from typing import Annotated, Literal

from pydantic import Field

from netc.language.names import InterfaceName
from netc.language.sets import Sender, Source
from netc.language.tables import Table
from netc.language.values import AnyNumber, OneOrMany, ServicePorts

Policy = Literal["drop", "accept"]


class Allow(Table):
    """Packets that the host accepts. All keys that you write must match."""

    ports: AnyNumber[ServicePorts] = Field(
        (), description="Ports with their protocol. Default: all ports of every protocol."
    )
    from_: AnyNumber[Sender] = Field(
        (),
        alias="from",
        description=(
            "Prefixes and sets of senders. Default: anyone. With `from`, the rule is for who comes by a tunnel of "
            "`tunnels` only if `interface` names it."
        ),
    )
    interface: AnyNumber[InterfaceName] = Field((), description="Interfaces where the packets arrive. Default: any.")


class Pass(Table):
    """Connections that the host passes on, with their replies."""

    from_: InterfaceName = Field(alias="from", description="The interface where connections arrive.")
    to: InterfaceName = Field(description="The interface where they leave.")


class Firewall(Table):
    """The packet filter. It accepts what compiled parts need, and ssh always."""

    input: Policy = Field("drop", description="What happens to all other packets to the host itself.")
    forward: Policy = Field("drop", description="What happens to all other packets that would pass through the host.")
    allow: OneOrMany[Allow] = Field((), description="What else the host accepts.")
    deny: OneOrMany[Source] = Field(
        (),
        description=(
            "Prefixes and sets that reach nothing but ssh (and may be DHCP servers): no other service of the "
            "host and nothing behind it."
        ),
    )
    pass_: OneOrMany[Pass] = Field(
        (), alias="pass", description="What else the host passes on, besides what compiled parts need."
    )
    log: Annotated[bool, Field(strict=True)] = Field(True, description="Log dropped packets, at most 5 lines a second.")
