"""Tunnels without keys (ip-link(8))."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from netaddr import IPAddress

from netc.language.links import Kind
from netc.language.names import NamespaceName
from netc.plan.facts.device import Device, moved
from netc.plan.shown import NETCS, link_shown
from netc.plan.step import PROTOCOL, Command, Step


class PlainTunnel(Device, frozen=True):
    """A tunnel without keys. `remote` is None where the far ends are many (6to4)."""

    kind: Kind
    local: IPAddress
    remote: IPAddress | None
    ttl: int
    key: int | None = None
    vni: int | None = None
    port: int | None = None
    namespace: NamespaceName | None = None

    def steps(self) -> Iterator[Step]:
        yield Step(
            up=("ip", "link", "add", "dev", self.name, "group", PROTOCOL, *_tunnel(self)),
            down=("remove_link", self.name),
            holds=(link_shown(self.namespace, self.name, *_ends(self)),),
        )
        yield from moved(self.name, self.namespace)


def _ends(device: PlainTunnel) -> Iterator[str]:
    """As `ip link show` says them."""
    yield NETCS
    yield f"local {device.local}"
    if device.remote:
        yield f"remote {device.remote}"
    if device.vni is not None:
        yield f"id {device.vni}"


def _tunnel(device: PlainTunnel) -> Command:
    """The type and its options (ip-link(8)). A fixed TTL: an inner TTL of 1 would not survive the way."""
    ends: Command = ("local", device.local, "remote", device.remote or "any", "ttl", device.ttl)
    key: Command = () if device.key is None else ("key", device.key)
    match device.kind:
        case Kind.GRE:
            return ("type", "gre", *ends, *key)
        case Kind.IP6GRE:
            return ("type", "ip6gre", *ends, "encaplimit", "none", *key)
        case Kind.IPIP:
            return ("type", "ipip", *ends)
        case Kind.SIT | Kind.SIX_TO_FOUR:
            return ("type", "sit", *ends)
        case Kind.VXLAN:
            return ("type", "vxlan", "id", device.vni or 0, *ends, "dstport", device.port or 0)
        case Kind.WIREGUARD | Kind.TUNSAFE | Kind.EXTERNAL:
            raise TypeError(f"a {device.kind} device is no plain tunnel")
        case _:
            assert_never(device.kind)
