"""The checker of an anycast service: its command, its times, and the protocols that announce the service."""

from __future__ import annotations

from collections.abc import Iterator

from netc.language.names import AnycastName, Argument, NamespaceName, ProtocolName
from netc.language.units import UnitName
from netc.plan.facts.fact import Fact, Library
from netc.plan.step import Step


class Checker(Fact, frozen=True):
    """Runs `command` in `namespace` again and again. Times are milliseconds; `rise` and `fall` are checks in a row."""

    service: AnycastName
    namespace: NamespaceName
    command: tuple[Argument, ...]
    interval: int
    timeout: int
    rise: int
    fall: int
    drain: int
    protocols: tuple[ProtocolName, ...]
    """Routing protocols that announce the service."""
    draining: tuple[ProtocolName, ...]
    """Routing protocols that announce it as the last resort (RFC 8326)."""
    units: tuple[UnitName, ...]
    """The units that are checked. They start before the checker, and stop after it has drained."""

    def steps(self) -> tuple[Step, ...]:
        """None: a unit of its own runs beside the part."""
        return ()

    def libraries(self) -> Iterator[Library]:
        yield Library("anycast.bash", ())

    @property
    def most_seconds(self) -> int:
        """A checker that works notifies systemd at least once in this time."""
        return (self.fall * self.interval + self.timeout) // 1000 + 5

    @property
    def stop_seconds(self) -> int:
        """The time that it may take to end."""
        return (self.drain + self.timeout) // 1000 + 15
