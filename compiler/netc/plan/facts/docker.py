"""What Docker lets pass."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct
from netaddr import IPAddress

from netc.language.names import InterfaceName
from netc.language.values import Ports
from netc.plan.facts.fact import Fact, Library
from netc.plan.step import IPPROTO, Command, Step


class PastDocker(Struct, frozen=True):
    """Docker lets pass what was dialled at `ports` of `on` and is forwarded to `to`."""

    on: IPAddress
    ports: Ports
    to: IPAddress

    def step(self) -> Step:
        ports = f"{self.ports.first}:{self.ports.last}"
        flow: Command = (IPPROTO[self.ports.protocol], self.on, ports, self.to)
        return Step(
            up=("past_docker", "add", *flow),
            down=("past_docker", "remove", *flow),
            holds=(("docker_lets", *flow),),
        )


class DockerAccept(Struct, frozen=True):
    """Docker lets pass what begins at `entering` and goes out by `leaving`, and what is said in reply."""

    entering: InterfaceName
    leaving: InterfaceName

    def step(self) -> Step:
        devices = (self.entering, self.leaving)
        return Step(
            up=("way_past_docker", "add", *devices),
            down=("way_past_docker", "remove", *devices),
            holds=(("docker_lets_way", *devices),),
        )


class Docker(Fact, frozen=True):
    """All of a host's forwarding that has to pass Docker's own rules."""

    passing: tuple[PastDocker | DockerAccept, ...]

    change = "retire"

    def steps(self) -> Iterator[Step]:
        yield from (one.step() for one in self.passing)

    def reload(self) -> Iterator[Command]:
        """New rules stand before old ones go."""
        yield ("old_rules",)
        yield from (step.up for step in self.steps())
        yield ("drop_old_rules",)

    def libraries(self) -> Iterator[Library]:
        yield Library("docker.bash")

    def capabilities(self) -> tuple[str, ...]:
        """iptables asks the kernel by raw sockets, and the legacy one loads ip_tables by itself."""
        return ("NET_RAW", "SYS_MODULE")
