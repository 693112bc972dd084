"""Peers whose key is about to be replaced."""

from __future__ import annotations

from collections.abc import Iterator

from netc.language.names import InterfaceName
from netc.network.interface import Peer
from netc.plan.facts.fact import Fact, Library
from netc.plan.step import Step


class Successor(Fact, frozen=True):
    """A peer with a next key: its allowed IPs move to the key that made the last handshake, again and again."""

    device: InterfaceName
    peer: Peer

    def steps(self) -> tuple[Step, ...]:
        """None: a timer moves them."""
        return ()

    def libraries(self) -> Iterator[Library]:
        yield Library("wireguard.bash", ())
