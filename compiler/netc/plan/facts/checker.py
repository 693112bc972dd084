"""Who looks after an anycast service: what is asked, how often, and who tells of it."""

from __future__ import annotations

from collections.abc import Iterator

from netc.language.names import AnycastName, Argument, NamespaceName, ProtocolName, UnitName
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
    """Routing protocols that tell of the service."""
    draining: tuple[ProtocolName, ...]
    """The same, as the last resort."""
    units: tuple[UnitName, ...]
    """What is checked: started before the checker, stopped after it has drained."""

    def steps(self) -> tuple[Step, ...]:
        """None: a unit of its own runs beside the part."""
        return ()

    def libraries(self) -> Iterator[Library]:
        yield Library("anycast.bash", ())

    @property
    def most_seconds(self) -> int:
        """In which a checker that works says so at least once."""
        return (self.fall * self.interval + self.timeout) // 1000 + 5

    @property
    def stop_seconds(self) -> int:
        """That it may take to end."""
        return (self.drain + self.timeout) // 1000 + 15
