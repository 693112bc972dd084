"""Device files for `wg addconf` and `wg syncconf` (wg(8), CONFIGURATION FILE FORMAT): no keys, no names to look up."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from netc.emit.file import File, reload
from netc.emit.render import Verbatim, about, render
from netc.language.names import DnsName
from netc.network.interface import Peer
from netc.network.nested import NESTED_MARK
from netc.plan.facts import Wireguard
from netc.plan.facts.wireguard import successor, wireguard_path
from netc.plan.host_plan import HostPlan, Part

TRIES = 5
"""Seconds between attempts to reach a peer by its next key."""


def emit(plan: HostPlan) -> Iterator[File]:
    for part in plan.parts:
        for device in part.every(Wireguard):
            yield File(f"files{wireguard_path(device)}", _text(device, part), takings=reload(part.name))


def _text(device: Wireguard, part: Part) -> str:
    mark = None if device.mark is None else Verbatim(f"{device.mark:#010x}")
    own = {"port": device.port, "mark": mark}
    nested = device.mark == NESTED_MARK
    head = render("wireguard", "device.j2", about=about(part.about), interface=any(own.values()), nested=nested, **own)
    return "\n".join((head, *(text for peer in device.peers for text in _peers(peer, device.keepalive))))


def _peers(peer: Peer, keepalive: int) -> Iterator[str]:
    yield _peer(peer, keepalive)
    if following := successor(peer):
        yield _peer(following, TRIES if peer.endpoint else keepalive, is_next=True)


@lru_cache(maxsize=8192)
def _peer(peer: Peer, keepalive: int, *, is_next: bool = False) -> str:
    """Peers of a mesh look alike from most hosts, so each is printed once."""
    named = peer.endpoint is None or isinstance(peer.endpoint.host, DnsName)
    endpoint = None if named else peer.endpoint
    return render("wireguard", "peer.j2", peer=peer, endpoint=endpoint, keepalive=keepalive, next=is_next)
