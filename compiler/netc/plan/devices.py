"""The steps that make a device and configure it, before it has addresses and carries packets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from netc.language.kinds import KINDS
from netc.plan.host_plan import Bridge, Device, Foreign, PlainTunnel, Veth, Wireguard
from netc.plan.step import PROTOCOL, Command, Falls, Step, Word


def device_steps(device: Device) -> Iterator[Step]:
    match device:
        case Wireguard():
            yield from _wireguard(device)
        case PlainTunnel():
            yield Step(
                up=("ip", "link", "add", "dev", device.name, "group", PROTOCOL, *_tunnel(device)),
                down=("remove_link", device.name),
            )
            yield from _move(device)
        case Foreign():
            yield from _foreign(device)
        case Veth():
            pair = ("type", "veth", "peer", "name", device.inner, "netns", device.namespace)
            yield Step(
                up=("ip", "link", "add", "dev", device.name, "group", PROTOCOL, *pair),
                down=("remove_link", device.name),
            )
            if device.bridge:
                yield Step(
                    up=("ip", "link", "set", "dev", device.name, "master", device.bridge),
                    down=Falls(device.name),
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
        why="A new port carries packets at once, and the address stays when containers come and go.",
    )


def _wireguard(device: Wireguard) -> Iterator[Step]:
    yield Step(
        up=("wireguard", device.name),
        down=("remove_link", device.name),
    )
    yield Step(
        up=("wg", "addconf", device.name, f"/etc/netc/wireguard/{device.name}.conf"),
        down=Falls(device.name),
    )
    yield Step(
        up=("wg", "set", device.name, "private-key", device.private_key),
        down=Falls(device.name),
    )
    for peer in device.peers:
        if peer.preshared_key:
            yield Step(
                up=("wg", "set", device.name, "peer", peer.public_key, "preshared-key", peer.preshared_key),
                down=Falls(device.name),
            )
    yield from _move(device)


def _foreign(device: Foreign) -> Iterator[Step]:
    """Its own end comes first, so that the program takes back what it did; it is found wherever it was moved to."""
    yield Step(
        up=("foreign", device.name, device.wait, *device.start),
        down=("end_foreign", device.name, device.namespace or "-", *device.stop),
        why="The program may lead everything into its interface: routes to everywhere are taken off it again.",
    )
    if device.namespace:
        yield Step(
            up=("ip", "link", "set", "dev", device.name, "netns", device.namespace),
            down=Falls(device.name),
            why="Born here, moved there: the program's own packets still leave by the host's own uplink.",
        )


def _move(device: Wireguard | PlainTunnel) -> Iterator[Step]:
    if device.namespace:
        yield Step(
            up=("ip", "link", "set", "dev", device.name, "netns", device.namespace),
            down=("remove_link", device.name, device.namespace),
            why="Born here, moved there: its outer packets still leave by the host's own uplink.",
        )


def _tunnel(device: PlainTunnel) -> Iterator[Word]:
    """The type and its options (ip-link(8)), as KINDS spells them. A fixed TTL: an inner TTL of 1 would not survive the
    way."""
    own = {
        "LOCAL": device.local,
        "REMOTE": device.remote,
        "TTL": device.ttl,
        "KEY": device.key,
        "VNI": device.vni,
        "PORT": device.port,
    }
    words = KINDS[device.kind].ip_link.split()
    for option, value in zip(words[::2], words[1::2], strict=True):
        said = own[value] if value.isupper() else value
        if said is not None:
            yield from (option, said)
