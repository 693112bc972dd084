"""Peers that are dialled by name."""

from __future__ import annotations

from collections.abc import Iterator

from netc.language.names import InterfaceName, NamespaceName
from netc.network.interface import Peer
from netc.plan.facts.fact import Fact, Library
from netc.plan.step import Step


class NamedEndpoint(Fact, frozen=True):
    """A peer that is dialled by name: looked up on the host, again and again."""

    device: InterfaceName
    peer: Peer
    namespace: NamespaceName | None = None

    def steps(self) -> tuple[Step, ...]:
        """None: a timer looks it up."""
        return ()

    def libraries(self) -> Iterator[Library]:
        yield Library("wireguard.bash", ())
