"""The steps that make a device and configure it, before it has addresses and carries packets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from netc.language.links import Kind
from netc.plan.host_plan import Bridge, Device, Foreign, PlainTunnel, Veth, Wireguard
from netc.plan.step import PROTOCOL, Command, Falls, Step, link_shown


OWN = f"group {PROTOCOL}"


def device_steps(device: Device) -> Iterator[Step]:
    match device:
        case Wireguard():
            yield from _wireguard(device)
        case PlainTunnel():
            yield Step(
                up=("ip", "link", "add", "dev", device.name, "group", PROTOCOL, *_tunnel(device)),
                down=("remove_link", device.name),
                holds=(link_shown(device.namespace, device.name, *_ends(device)),),
            )
            yield from _move(device)
        case Foreign():
            yield from _foreign(device)
        case Veth():
            pair = ("type", "veth", "peer", "name", device.inner, "netns", device.namespace)
            yield Step(
                up=("ip", "link", "add", "dev", device.name, "group", PROTOCOL, *pair),
                down=("remove_link", device.name),
                holds=(link_shown(None, device.name, OWN), link_shown(device.namespace, device.inner)),
            )
            if device.bridge:
                yield Step(
                    up=("ip", "link", "set", "dev", device.name, "master", device.bridge),
                    down=Falls(device.name),
                    holds=(link_shown(None, device.name, f"master {device.bridge}"),),
                )
        case Bridge():
            yield _bridge(device)
        case _:
            assert_never(device)


def _bridge(device: Bridge) -> Step:
    """Spanning tree (IEEE 802.1D) is for loops, which containers do not make; with it, a new port would be silent for
    twice the forward delay, 15 s, or for none when that is 0."""
    own: Command = ("group", PROTOCOL, "address", device.hardware_address)
    return Step(
        up=("ip", "link", "add", "dev", device.name, *own, "type", "bridge", "stp_state", 0, "forward_delay", 0),
        down=("remove_link", device.name),
        holds=(link_shown(None, device.name, OWN, device.hardware_address),),
        why="A new port carries packets at once, and the address stays when containers come and go.",
    )


def _wireguard(device: Wireguard) -> Iterator[Step]:
    path = f"/etc/netc/wireguard/{device.name}.conf"
    inside = (device.namespace,) if device.namespace else ()
    known = device.identity.public_key if device.identity else None
    key = ("key_is", device.name, device.private_key, device.namespace or "-", *((known,) if known else ()))
    yield Step(
        up=("wireguard", device.name),
        down=("remove_link", device.name),
        holds=(link_shown(device.namespace, device.name, OWN),),
    )
    yield Step(
        up=("wg", "addconf", device.name, path),
        down=Falls(device.name),
        holds=(("peers_are", device.name, path, *inside),),
    )
    yield Step(
        up=("wg", "set", device.name, "private-key", device.private_key),
        down=Falls(device.name),
        holds=(key,),
    )
    for peer in device.peers:
        if peer.preshared_key:
            yield Step(
                up=("wg", "set", device.name, "peer", peer.public_key, "preshared-key", peer.preshared_key),
                down=Falls(device.name),
                # A preshared key cannot be asked for without being said: that its peer is there has to do.
                holds=(("peers_are", device.name, path, *inside),),
            )
    yield from _move(device)


def _foreign(device: Foreign) -> Iterator[Step]:
    """Its own end comes first, so that the program takes back what it did; it is found wherever it was moved to."""
    yield Step(
        up=("foreign", device.name, device.wait, *device.start),
        down=("end_foreign", device.name, device.namespace or "-", *device.stop),
        holds=(link_shown(device.namespace, device.name), ("program_runs", device.name)),
        why="The program may lead everything into its interface: routes to everywhere are taken off it again.",
    )
    if device.namespace:
        yield Step(
            up=("ip", "link", "set", "dev", device.name, "netns", device.namespace),
            down=Falls(device.name),
            holds=(link_shown(device.namespace, device.name),),
            why="Born here, moved there: the program's own packets still leave by the host's own uplink.",
        )


def _move(device: Wireguard | PlainTunnel) -> Iterator[Step]:
    if device.namespace:
        yield Step(
            up=("ip", "link", "set", "dev", device.name, "netns", device.namespace),
            down=("remove_link", device.name, device.namespace),
            holds=(link_shown(device.namespace, device.name, OWN),),
            why="Born here, moved there: its outer packets still leave by the host's own uplink.",
        )


def _ends(device: PlainTunnel) -> Iterator[str]:
    """As `ip link show` says them."""
    yield OWN
    yield f"local {device.local}"
    if device.remote:
        yield f"remote {device.remote}"
    if device.vni is not None:
        yield f"vxlan id {device.vni}"


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
