"""A host's routing, by BIRD (bird.network.cz)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from netaddr import IPAddress, IPNetwork

from netc.language.names import InterfaceName, ProtocolName
from netc.language.targets import FLOOR, Number, can
from netc.network.interface import Key
from netc.plan.bgp import Anycast, IgpInterface, Inner, Learning, RoaServer, Session, System
from netc.plan.facts.fact import CHANGING, Fact, Library, Secret
from netc.plan.step import Command, Step

BIRD_PATH = "/etc/netc/bird.conf"
BIRD_PASSWORDS = "/run/netc/bird.passwords"
BIRD_SWITCHES = "/run/netc/bird.switches"
BIRD_PID = "/run/netc/bird-keeper.pid"
"""The file with the id of the process that keeps BIRD running."""


BABEL = ProtocolName("babel1")


def _password(name: ProtocolName, file: Key, *word: str) -> Step:
    return Step(
        up=("bird_password", name, file, *word),
        down=("no_bird_password", name),
        holds=(("exists", f"{BIRD_PASSWORDS}/{name}"),),
    )


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
    outer: tuple[IPAddress, ...] = ()
    """Endpoints of the host's tunnels that the profile accepts routes to."""
    tunnels: tuple[InterfaceName, ...] = ()
    """Those that routes may lead into."""
    bird: Number = FLOOR.bird
    """The version that the host has, or an earlier one."""

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
        # Later BIRDs assume the word, and log a warning. Earlier ones do not know it.
        word = ("md5",) if can(self.bird, "authentication") else ()
        for session in self.sessions:
            if session.password:
                yield _password(session.name, session.password, *word)
        if password := self._igp_password():
            yield _password(BABEL, password, "mac")
        for name, server in self.roa_servers():
            if server.password:
                yield _password(name, server.password, "md5")

    def _igp_password(self) -> Key | None:
        return next((one.password for one in self.igp if one.password), None)

    def roa_servers(self) -> Iterator[tuple[ProtocolName, RoaServer]]:
        """Those that the router asks, and what BIRD calls them."""
        if not self.system or all(session.kind in get_args(Inner) for session in self.sessions):
            return  # it gets routes that another router has checked
        for kind, sources in (("roa", self.system.roa), ("flap", self.system.flaps)):
            for number, source in enumerate(sources, 1):
                if isinstance(source, RoaServer):
                    yield ProtocolName.of(kind, f"rtr{number}"), source

    def _switches(self) -> tuple[ProtocolName, ...]:
        """Protocols that checks of anycast services enable and disable while BIRD runs."""
        return tuple(name for one in self.anycast for name in (one.name, one.draining) if name)

    def needs(self) -> Iterator[Command]:
        yield ("need", "bird", "bird3" if self.bird >= (3,) else "bird2")

    def asks(self) -> Iterator[Command]:
        yield ("only_bird",)

    def secrets(self) -> Iterator[Secret]:
        for session in self.sessions:
            if session.password:
                yield Secret("password", session.password, session.origin)
        if password := self._igp_password():
            yield Secret("password", password, ("igp",))
        for _, server in self.roa_servers():
            if server.password:
                yield Secret("password", server.password, server.origin)

    def reload(self) -> Iterator[Command]:
        """BIRD does not touch sessions that stay the same."""
        yield from (step.up for step in self._passwords())
        if names := self._switches():
            yield ("switches", "keep", *names)
        yield ("reload_bird", BIRD_PATH)

    def libraries(self) -> Iterator[Library]:
        yield Library("bird.bash")
        yield Library("bird-keeper.bash", ())
        yield Library("bird-roas.bash", ())
        yield Library("trial.bash", ())
        if self._switches():
            yield Library("switches.bash", CHANGING)

    def capabilities(self) -> Iterator[str]:
        # BIRD keeps these when it becomes a user of its own.
        yield from ("NET_BIND_SERVICE", "NET_BROADCAST", "NET_RAW")
        # To become that user and own its socket, to find other BIRDs, and to stop and query one of another user.
        yield from ("SETUID", "SETGID", "CHOWN", "FOWNER", "KILL", "SYS_PTRACE", "DAC_OVERRIDE")
