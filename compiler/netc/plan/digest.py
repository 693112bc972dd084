"""What a plan says, in few bytes: plans of one digest compile to the same files."""

from __future__ import annotations

import pickle
from hashlib import sha256
from io import BytesIO
from typing import Any

from netc.network.interface import Peer
from netc.plan.host_plan import HostPlan


class Digests:
    """Of many plans. What stands in most of them, the peers of a mesh, is read once."""

    def __init__(self) -> None:
        self.known: dict[Peer, bytes] = {}

    def of(self, plan: HostPlan) -> bytes:
        """The same in every process that plans in the same way. Two plans that only look the same may differ: pickle
        tells an object that stands there twice from two that are equal."""
        return self._digest(plan, None)

    def _digest(self, said: object, within: Peer | None) -> bytes:
        out = BytesIO()
        _Writing(out, self, within).dump(said)
        return sha256(out.getbuffer()).digest()

    def of_peer(self, peer: Peer) -> bytes:
        if peer not in self.known:
            self.known[peer] = self._digest(peer, peer)
        return self.known[peer]


class _Writing(pickle.Pickler):
    def __init__(self, out: BytesIO, digests: Digests, within: Peer | None) -> None:
        super().__init__(out, pickle.HIGHEST_PROTOCOL)
        self.digests, self.within = digests, within

    def persistent_id(self, said: Any) -> bytes | None:
        return self.digests.of_peer(said) if type(said) is Peer and said is not self.within else None
