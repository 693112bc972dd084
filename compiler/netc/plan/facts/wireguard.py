"""WireGuard devices (wg(8))."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from netc.language.names import NamespaceName
from netc.network.interface import Identity, Key, Peer
from netc.plan.facts.device import Device, moved
from netc.plan.facts.fact import Library, Secret
from netc.plan.questions import NETCS, ask_link
from netc.plan.step import Command, Implicit, Step


class Wireguard(Device, frozen=True):
    """A WireGuard device, born among the host's interfaces and then moved: its socket stays where it was born."""

    private_key: Key
    identity: Identity | None
    """None where the key is one that a provider gave, or knows."""
    peers: tuple[Peer, ...]
    keepalive: int
    port: int | None = None
    namespace: NamespaceName | None = None
    mark: int | None = None
    """On the packets that it sends by the uplink."""

    device_files = ("/dev/net/tun",)  # for a userspace implementation

    def steps(self) -> Iterator[Step]:
        inside = (self.namespace,) if self.namespace else ()
        peers: Command = ("peers_are", self.name, wireguard_path(self), *inside)
        known = [key for key in (self.identity.public_key, self.identity.next_key) if key] if self.identity else ()
        yield Step(
            up=("wireguard", self.name),
            down=("remove_link", self.name),
            holds=(ask_link(self.namespace, self.name, NETCS),),
        )
        yield Step(
            up=("wg", "addconf", self.name, wireguard_path(self)),
            down=Implicit(self.name),
            holds=(peers,),
        )
        yield Step(
            up=("wg", "set", self.name, "private-key", self.private_key),
            down=Implicit(self.name),
            holds=(("key_is", self.name, self.private_key, self.namespace or "-", *known),),
        )
        for command in self._preshared():
            # The check cannot read the preshared key without printing it, so it checks only that the peer is there.
            yield Step(up=command, down=Implicit(self.name), holds=(peers,))
        yield from moved(self.name, self.namespace)

    def _preshared(self) -> Iterator[Command]:
        for peer in (each for known in self.peers for each in (known, successor(known)) if each):
            if peer.preshared_key:
                yield ("wg", "set", self.name, "peer", peer.public_key, "preshared-key", peer.preshared_key)

    def needs(self) -> Iterator[Command]:
        yield ("need_wireguard",)

    def secrets(self) -> Iterator[Secret]:
        if self.identity:
            public, following = self.identity.public_key, self.identity.next_key
            yield Secret("identity", self.private_key, self.identity.where, public, following)
        else:
            yield Secret("tunnel", self.private_key)
        yield from (Secret("preshared", peer.preshared_key) for peer in self.peers if peer.preshared_key)

    def reload(self) -> Iterator[Command]:
        """Peers come and go."""
        inside = (self.namespace,) if self.namespace else ()
        yield ("sync_wireguard", self.name, self.private_key, *inside)
        enter = ("ip", "netns", "exec", self.namespace) if self.namespace else ()
        yield from ((*enter, *command) for command in self._preshared())

    def libraries(self) -> Iterator[Library]:
        yield Library("wireguard.bash", ("up", "reload", "check"))

    def capabilities(self) -> tuple[str, ...]:
        """A key can be in a folder that is not root's. A userspace implementation may bind to any port."""
        return ("DAC_READ_SEARCH", "NET_BIND_SERVICE")

    def kernel(self) -> tuple[str, ...]:
        return ("wireguard",)


def successor(peer: Peer) -> Peer | None:
    """The peer with its next key, which has no allowed IPs until the peer uses that key."""
    return replace(peer, public_key=peer.next_key, allowed_ips=(), next_key=None) if peer.next_key else None


def wireguard_path(device: Wireguard) -> str:
    """What `wg addconf` reads."""
    return f"/etc/netc/wireguard/{device.name}.conf"
