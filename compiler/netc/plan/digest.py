"""What a plan says, in few bytes: plans of one digest compile to the same files."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from hashlib import sha256
from io import BytesIO
from typing import Any

from netaddr import IPAddress, IPNetwork

from netc.network.interface import Peer
from netc.plan.facts import Wireguard
from netc.plan.host_plan import HostPlan
from netc.plan.ruleset import Sources


class Digests:
    """Of many plans. What stands in most of them, peers of a mesh and their addresses, is read once."""

    def __init__(self) -> None:
        self._read: dict[int, bytes] = {}
        """By identity: netaddr takes two addresses of one subnet for equal."""
        self._held: list[Any] = []
        """What was read, so that nothing else gets its identity."""
        self._spelled: dict[type, Callable[[Any], tuple[Any, ...]]] = {
            # netaddr takes its time to be pickled
            IPAddress: lambda ip: (bytes, (self._all((ip,), _address),)),
            IPNetwork: lambda net: (bytes, (self._all((net,), _network),)),
            Sources: lambda said: (Sources, (self._all(said.prefixes, _network), said.sets)),
            Wireguard: lambda device: (Wireguard, (self._all(device.peers, self._peer), *_beside_peers(device))),
        }

    def of(self, plan: HostPlan) -> bytes:
        """The same in every process that plans in the same way. Two plans that only look the same may differ: pickle
        tells an object that stands there twice from two that are equal."""
        out = BytesIO()
        pickler = pickle.Pickler(out, pickle.HIGHEST_PROTOCOL)
        pickler.dispatch_table = self._spelled
        pickler.dump(plan)
        return sha256(out.getbuffer()).digest()

    def _peer(self, peer: Peer) -> bytes:
        return sha256(pickle.dumps(peer, pickle.HIGHEST_PROTOCOL)).digest()

    def _all(self, things: Sequence[Any], read: Callable[[Any], bytes]) -> bytes:
        """What is read of each, which is as long for one as for another."""
        try:
            return b"".join(map(self._read.__getitem__, map(id, things)))
        except KeyError:
            new = [thing for thing in things if id(thing) not in self._read]
            self._read |= {id(thing): read(thing) for thing in new}
            self._held += new
            return self._all(things, read)


def _address(ip: IPAddress) -> bytes:
    return f"{ip.version} {ip.value:x}".encode()


def _network(net: IPNetwork) -> bytes:
    return f"{net.version} {net.value:032x} {net.prefixlen:03}".encode()


def _beside_peers(device: Wireguard) -> list[object]:
    return [getattr(device, field) for field in Wireguard.__struct_fields__ if field != "peers"]
