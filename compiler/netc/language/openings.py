"""What may begin at the other end of a tunnel to somebody else."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from netc.language.names import whole
from netc.language.placed import Senders
from netc.language.tables import Table
from netc.language.values import PORTS, OneOrMany, ServicePorts, Some, left_out, ports


class Open(Table):
    """Connections that may begin at the other end of the tunnel."""

    ports: Annotated[
        OneOrMany[ServicePorts], Some("ports", "it opens nothing", "write the ports, such as `60729/tcp`")
    ] = Field(description="Their ports: `60729/tcp`, `30000-30100/udp`.")
    from_: Annotated[OneOrMany[Senders], Some("from", "no peer may connect", left_out("from", "everyone"))] = Field(
        (), alias="from", description="Prefixes that may connect. Default: everyone."
    )


def _entry(value: object) -> object:
    """`60729/tcp` alone is a table with these `ports`."""
    return Open.model_construct(ports=(ports(value),)) if isinstance(value, str) else value


Opens = Annotated[
    OneOrMany[
        Annotated[
            Open,
            BeforeValidator(_entry, json_schema_input_type=Annotated[str, Field(pattern=whole(PORTS))] | Open),
        ]
    ],
    Some("open", "no connection may begin there", left_out("open", "none")),
]
