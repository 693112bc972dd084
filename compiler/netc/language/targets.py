"""`target`: the system that a host runs, by its name or by the versions of its tools."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Struct
from msgspec.structs import asdict, replace
from pydantic import BeforeValidator, Field

from netc.language.names import Name, whole
from netc.language.tables import Table

Number = tuple[int, ...]


class Tools(Struct, frozen=True):
    """The versions of a host's tools."""

    nft: Number
    iproute2: Number
    systemd: Number
    bird: Number
    ipset: Number
    bash: Number


class System(Struct, frozen=True):
    """What a release comes with. `is_tried`: the tests of netc boot it."""

    tools: Tools
    is_tried: bool = False


SYSTEMS: dict[str, System] = {
    "debian-11": System(Tools((0, 9, 8), (5, 10), (247,), (2, 0, 7), (7, 10), (5, 1))),
    "debian-12": System(Tools((1, 0, 6), (6, 1), (252,), (2, 0, 12), (7, 17), (5, 2)), is_tried=True),
    "debian-13": System(Tools((1, 1, 3), (6, 15), (257,), (2, 17), (7, 22), (5, 2)), is_tried=True),
    "ubuntu-22.04": System(Tools((1, 0, 2), (5, 15), (249,), (2, 0, 8), (7, 15), (5, 1))),
    "ubuntu-24.04": System(Tools((1, 0, 9), (6, 1), (255,), (2, 14), (7, 19), (5, 2))),
}

FLOOR = SYSTEMS["debian-12"].tools
"""What netc needs. All that it writes without a `target` is for these versions and all later ones."""

TRIED_BIRDS: tuple[Number, ...] = ((2, 0, 12), (2, 17), (3, 1))
"""Series of BIRD that the live tests run."""

Capability = Literal[
    "authentication", "babel-extended", "babel-next-hop", "babel-rtt", "capabilities", "rpki-md5", "send-hold"
]

CAPABILITIES: dict[Capability, Number] = {
    "babel-extended": (2, 13),
    "babel-rtt": (2, 14),
    "capabilities": (2, 15),
    "send-hold": (2, 15),
    "rpki-md5": (2, 16),
    "authentication": (2, 17),
    "babel-next-hop": (2, 17),
}
"""The first BIRD that has it, by its NEWS; every 3.1 has all of them, and 3.0 lacks those of 2.17.
`authentication` is a word before passwords.
`babel-extended` is a switch that is on unless it is off; `babel-next-hop` is what netc needs to use it, since its links
have an IPv4 address (192.0.0.8) that is no next hop."""


def can(bird: Number, capability: Capability) -> bool:
    first = CAPABILITIES[capability]
    return bird >= first and (bird >= (3, 1) or bird < (3,) or first < (2, 17))


def shown(number: Number) -> str:
    return ".".join(map(str, number))


class TargetName(Name):
    """A system that a host runs, with its version."""

    pattern = r"(debian|ubuntu|alpine|fedora|rocky|alma|nixos)-[0-9][0-9.]{0,9}|arch"
    code = "NC0104"
    noun = "a system that netc knows"
    cure = "write `debian-12`, `debian-13` or `ubuntu-24.04`, or leave `target` out"


class ToolVersion(Name):
    """The version of a tool."""

    pattern = r"[0-9]{1,4}(\.[0-9]{1,4}){0,2}"
    code = "NC0103"
    noun = "a version"
    cure = "write numbers with dots, in quotes, such as `2.17`"

    @property
    def number(self) -> Number:
        return tuple(map(int, self.split(".")))


class Target(Table):
    """The system that a host runs."""

    base: TargetName | None = Field(
        None,
        description="The system, such as `debian-13`. The other keys say what differs from it. Default: any system.",
    )
    nft: ToolVersion | None = Field(None, description="The version of nftables.")
    iproute2: ToolVersion | None = Field(None, description="The version of iproute2.")
    systemd: ToolVersion | None = Field(None, description="The version of systemd.")
    bird: ToolVersion | None = Field(None, description="The version of BIRD, such as `3.1`.")
    ipset: ToolVersion | None = Field(None, description="The version of ipset.")
    bash: ToolVersion | None = Field(None, description="The version of bash.")

    @property
    def name(self) -> str:
        return str(self.base or "this system")

    @property
    def tools(self) -> Tools:
        """Those of the base, where nothing else is written; of an unknown system the oldest that netc takes."""
        known = SYSTEMS[self.base].tools if self.base in SYSTEMS else FLOOR
        return replace(known, **{key: said.number for key, said in self.written.items()})

    @property
    def written(self) -> dict[str, ToolVersion]:
        """The versions of tools that the topology says."""
        return {tool: said for tool in asdict(FLOOR) if (said := getattr(self, tool)) is not None}

    @property
    def is_known(self) -> bool:
        return self.base is None or self.base in SYSTEMS


def _named(value: object) -> object:
    """`debian-13` alone is a table with this `base`."""
    return Target.model_construct(base=TargetName(value)) if isinstance(value, str) else value


HostTarget = Annotated[
    Target,
    BeforeValidator(_named, json_schema_input_type=Annotated[str, Field(pattern=whole(TargetName.pattern))] | Target),
]


def tools_of(target: Target | None) -> Tools:
    return target.tools if target else FLOOR
