"""A host's routing, by BIRD (bird.network.cz)."""

from __future__ import annotations

from collections.abc import Iterator

from netaddr import IPAddress, IPNetwork

from netc.language.names import ProtocolName
from netc.plan.bgp import Anycast, IgpInterface, Learning, Session, System
from netc.plan.facts.fact import CHANGING, Fact, Library, Secret
from netc.plan.step import Command, Step

BIRD_PATH = "/etc/netc/bird.conf"
BIRD_PASSWORDS = "/run/netc/bird.passwords"
BIRD_SWITCHES = "/run/netc/bird.switches"
BIRD_PID = "/run/netc/bird-keeper.pid"
"""The file with the id of the process that keeps BIRD running."""


class Router(Fact, frozen=True):
    """A host's routing. `sources` are the source addresses of its own packets, one for each family. `table` is the
    kernel's routing table for BIRD's routes."""

    id: IPAddress
    table: int
    sources: tuple[IPAddress, ...]
    loopbacks: tuple[IPNetwork, ...]
    system: System | None = None
    sessions: tuple[Session, ...] = ()
    igp: tuple[IgpInterface, ...] = ()
    anycast: tuple[Anycast, ...] = ()
    learning: Learning | None = None

    change = "retire"
    pid_file = BIRD_PID

    def steps(self) -> Iterator[Step]:
        yield from self._passwords()
        if names := self._switches():
            yield Step(
                up=("switches", "off", *names),
                down=("no_switches",),
                holds=tuple(("exists", f"{BIRD_SWITCHES}/{name}") for name in names),
                why="BIRD starts with these protocols disabled. The checkers of anycast services enable them.",
            )
        yield Step(
            up=("start_bird", BIRD_PATH),
            down=("end_bird",),
            holds=(("bird_runs", BIRD_PATH),),
        )

    def _passwords(self) -> Iterator[Step]:
        for session in self.sessions:
            if session.password:
                yield Step(
                    up=("bird_password", session.name, session.password),
                    down=("no_bird_password", session.name),
                    holds=(("exists", f"{BIRD_PASSWORDS}/{session.name}"),),
                )

    def _switches(self) -> tuple[ProtocolName, ...]:
        """Protocols that checks of anycast services enable and disable while BIRD runs."""
        return tuple(name for one in self.anycast for name in (one.name, one.draining) if name)

    def needs(self) -> Iterator[Command]:
        yield ("need", "bird", "bird2")

    def asks(self) -> Iterator[Command]:
        yield ("only_bird",)

    def secrets(self) -> Iterator[Secret]:
        for session in self.sessions:
            if session.password:
                yield Secret("password", session.password, session.origin)

    def reload(self) -> Iterator[Command]:
        """BIRD does not touch sessions that stay the same."""
        yield from (step.up for step in self._passwords())
        if names := self._switches():
            yield ("switches", "keep", *names)
        yield ("reload_bird", BIRD_PATH)

    def libraries(self) -> Iterator[Library]:
        yield Library("bird.bash")
        yield Library("bird-keeper.bash", ())
        yield Library("trial.bash", ())
        if self._switches():
            yield Library("switches.bash", CHANGING)

    def capabilities(self) -> Iterator[str]:
        # BIRD keeps these when it becomes a user of its own.
        yield from ("NET_BIND_SERVICE", "NET_BROADCAST", "NET_RAW")
        # To become that user and own its socket, to find other BIRDs, and to stop and query one of another user.
        yield from ("SETUID", "SETGID", "CHOWN", "FOWNER", "KILL", "SYS_PTRACE", "DAC_OVERRIDE")
