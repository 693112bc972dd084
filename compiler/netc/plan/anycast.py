"""Who looks after an anycast service: what is asked, how often, and who tells of it."""

from __future__ import annotations

from msgspec import Struct

from netc.language.names import AnycastName, Argument, NamespaceName, ProtocolName, UnitName


class Checker(Struct, frozen=True):
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

    @property
    def most_seconds(self) -> int:
        """In which a checker that works says so at least once."""
        return (self.fall * self.interval + self.timeout) // 1000 + 5

    @property
    def stop_seconds(self) -> int:
        """That it may take to end."""
        return (self.drain + self.timeout) // 1000 + 15
