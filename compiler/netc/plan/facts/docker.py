"""Rules that make Docker accept what netc forwards."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct
from netaddr import IPAddress

from netc.language.names import InterfaceName
from netc.language.values import Ports
from netc.plan.facts.fact import Fact, Library
from netc.plan.step import IPPROTO, Command, Step


class PastDocker(Struct, frozen=True):
    """Docker accepts packets to `ports` of `on` that are forwarded to `to`."""

    on: IPAddress
    ports: Ports
    to: IPAddress

    def step(self) -> Step:
        ports = f"{self.ports.first}:{self.ports.last}"
        flow: Command = (IPPROTO[self.ports.protocol], self.on, ports, self.to)
        return Step(
            up=("past_docker", "add", *flow),
            down=("past_docker", "remove", *flow),
            holds=(("docker_accepts_forward", *flow),),
        )


class DockerAccept(Struct, frozen=True):
    """Docker accepts connections from `entering` to `leaving`, and their replies."""

    entering: InterfaceName
    leaving: InterfaceName

    def step(self) -> Step:
        devices = (self.entering, self.leaving)
        return Step(
            up=("way_past_docker", "add", *devices),
            down=("way_past_docker", "remove", *devices),
            holds=(("docker_accepts_interfaces", *devices),),
        )


class Docker(Fact, frozen=True):
    """All that a host forwards and that Docker's own rules would drop."""

    passing: tuple[PastDocker | DockerAccept, ...]

    change = "retire"

    def steps(self) -> Iterator[Step]:
        yield from (one.step() for one in self.passing)

    def reload(self) -> Iterator[Command]:
        """New rules are there before old ones are deleted."""
        yield ("old_rules",)
        yield from (step.up for step in self.steps())
        yield ("drop_old_rules",)

    def libraries(self) -> Iterator[Library]:
        yield Library("docker.bash")

    def capabilities(self) -> tuple[str, ...]:
        """iptables uses raw sockets, and iptables-legacy loads the module ip_tables."""
        return ("NET_RAW", "SYS_MODULE")
