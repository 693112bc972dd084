"""HostPlan: what netc makes on one host, as facts. Emitters read this and nothing else.

Facts are in netc.plan.facts, one file a fact. Where one has a `namespace`, it holds in that network namespace; None is
the host's own.
"""

from __future__ import annotations

from typing import Literal, TypeVar

from msgspec import Struct
from msgspec.structs import force_setattr
from netaddr import IPAddress

from netc.diagnostic import KeyPath
from netc.language.names import HostName, InterfaceName, Label, NamespaceName, PartName
from netc.language.targets import FLOOR, Tools
from netc.language.units import UnitName
from netc.plan.facts import FACTS, Fact, Forwarding, Ruleset
from netc.plan.image import Image
from netc.plan.numbers import Number
from netc.plan.ruleset import ClampMss
from netc.plan.walks import Walk

Kind = TypeVar("Kind", bound=Fact)


class Confined(Struct, frozen=True):
    """A unit that runs inside a namespace."""

    unit: UnitName
    namespace: NamespaceName
    part: PartName
    """The unit stops with this part."""
    after: PartName | None
    """The unit also waits for this part, if there is one, and does not stop with it."""
    dbus: bool = True
    """Whether it reaches the system bus."""


class Part(Struct, frozen=True):
    """What changes as a whole, with scripts and a unit of its own. Parts of `after` come up before it and go down after
    it. If a part of `bound` goes down, it goes down too. Parts of `wants` are brought up with it, but it works without
    them. It is up while all of `follows` are up, and starts none of them. It reloads when one of `renewed_by`, units of
    other software, has started."""

    name: PartName
    origin: KeyPath
    about: str
    reasons: tuple[str, ...] = ()
    """Why the compiler chose what it chose, for readers of the plan and the script."""
    after: tuple[PartName, ...] = ()
    bound: tuple[PartName, ...] = ()
    wants: tuple[PartName, ...] = ()
    follows: tuple[PartName, ...] = ()
    renewed_by: tuple[UnitName, ...] = ()
    facts: tuple[Fact, ...] = ()
    """In the order of FACTS, in whatever order they are given."""
    kind: Literal["part", "firewall", "forwarding"] = "part"
    numbers: tuple[Number, ...] = ()
    """What its tables, marks and priorities of rules are for."""

    def __post_init__(self) -> None:
        """Raises TypeError for a fact that is not in FACTS."""
        for fact in self.facts:
            if type(fact) not in FACTS:
                raise TypeError(f"{type(fact).__name__} is not in FACTS")
        ordered = sorted(self.facts, key=lambda fact: FACTS.index(type(fact)))
        force_setattr(self, "facts", tuple(ordered))

    @property
    def is_early(self) -> bool:
        """Up before the network, as a packet filter must be. It has no interface."""
        return self.kind == "firewall" or any(fact.is_early for fact in self.facts)

    def every(self, kind: type[Kind]) -> tuple[Kind, ...]:
        """Its facts of one kind."""
        return tuple(fact for fact in self.facts if isinstance(fact, kind))


class Expected(Struct, frozen=True):
    """What the host should have that netc does not configure, such as an address of an interface. `key` is where the
    topology says it."""

    what: Literal["interface", "mtu", "address", "gateway", "default", "hops", "ssh"]
    words: tuple[InterfaceName | IPAddress | int, ...]
    """An interface and its MTU, and the largest packet that tunnels send by it; an interface and an address or a router
    of it; all interfaces by which the host's default route may leave; a family of next hops that
    main resolves; a TCP port."""
    key: KeyPath

    def __str__(self) -> str:
        return " ".join(map(str, (self.what, *self.words)))


class Share(Struct, frozen=True):
    """What a feature adds to a host: parts of its own, and facts for the parts that all features share."""

    parts: tuple[Part, ...] = ()
    ruleset: Ruleset | None = None
    """Joined with all others into the host's own; None when there is nothing to filter."""
    forwarding: Forwarding | None = None
    clamps: tuple[ClampMss, ...] = ()
    """Needed only if anything is forwarded."""
    confined: tuple[Confined, ...] = ()
    expected: tuple[Expected, ...] = ()
    around: Image | None = None
    offload: InterfaceName | None = None
    """The uplink: established flows between it and other interfaces skip the packet filter."""
    docker: bool = False
    """Docker has to accept what is forwarded."""
    walks: tuple[Walk, ...] = ()
    """Packets to the host that no other packet filter may drop."""


class HostPlan(Struct, frozen=True):
    """`parts` in the order in which they come up. `target` is the system that the host runs, if the topology says it,
    and `tools` are the versions that the files are for."""

    network: Label
    host: HostName
    parts: tuple[Part, ...]
    confined: tuple[Confined, ...]
    expected: tuple[Expected, ...] = ()
    walks: tuple[Walk, ...] = ()
    """In the order of the features; those that pass through the host come last."""
    target: str = ""
    tools: Tools = FLOOR
    around: Image = Image()
    """For `netc.walk`. No file of the host is made of it."""
