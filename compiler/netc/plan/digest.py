"""What a plan says, in few bytes: plans of one digest compile to the same files."""

from __future__ import annotations

import pickle
from hashlib import sha256
from io import BytesIO
from typing import Any

from netaddr import IPAddress, IPNetwork

from netc.network.interface import Peer
from netc.plan.host_plan import HostPlan


class Digests:
    """Of many plans. What stands in most of them, peers of a mesh and their addresses, is read once."""

    def __init__(self) -> None:
        self.peers: dict[Peer, bytes] = {}
        self.networks: dict[int, tuple[IPNetwork, str]] = {}
        """By identity: netaddr takes two addresses of one subnet for equal."""

    def of(self, plan: HostPlan) -> bytes:
        """The same in every process that plans in the same way. Two plans that only look the same may differ: pickle
        tells an object that stands there twice from two that are equal."""
        return self._digest(plan, None)

    def _digest(self, said: object, within: Peer | None) -> bytes:
        out = BytesIO()
        _Writing(out, self, within).dump(said)
        return sha256(out.getbuffer()).digest()

    def of_peer(self, peer: Peer) -> bytes:
        if peer not in self.peers:
            self.peers[peer] = self._digest(peer, peer)
        return self.peers[peer]

    def of_network(self, net: IPNetwork) -> str:
        if id(net) not in self.networks:
            self.networks[id(net)] = net, f"{net.version} {net.value:x} {net.prefixlen}"
        return self.networks[id(net)][1]


class _Writing(pickle.Pickler):
    """netaddr's values in few words: it takes its time to be pickled."""

    def __init__(self, out: BytesIO, digests: Digests, within: Peer | None) -> None:
        super().__init__(out, pickle.HIGHEST_PROTOCOL)
        self.digests, self.within = digests, within

    def persistent_id(self, said: Any) -> bytes | str | None:
        kind = type(said)
        if kind is Peer and said is not self.within:
            return self.digests.of_peer(said)
        if kind is IPNetwork:
            return self.digests.of_network(said)
        return f"{said.version} {said.value:x}" if kind is IPAddress else None
