"""Tunnels without keys (ip-link(8))."""

from __future__ import annotations

from collections.abc import Iterator

from netaddr import IPAddress

from netc.language.kinds import KINDS, Kind
from netc.language.names import NamespaceName
from netc.plan.facts.device import Device, moved
from netc.plan.questions import NETCS, ask_link
from netc.plan.step import PROTOCOL, Step, Word


class PlainTunnel(Device, frozen=True):
    """A tunnel without keys. `remote` is None if there are many peers (6to4). One that carries Ethernet frames has a
    `hardware_address`: if it had another after each start, its neighbour would send to the old one for a minute."""

    kind: Kind
    local: IPAddress
    remote: IPAddress | None
    ttl: int
    key: int | None = None
    vni: int | None = None
    port: int | None = None
    namespace: NamespaceName | None = None
    hardware_address: str | None = None

    def steps(self) -> Iterator[Step]:
        yield Step(
            up=("ip", "link", "add", "dev", self.name, "group", PROTOCOL, *_own(self), *_tunnel(self)),
            down=("remove_link", self.name),
            holds=(ask_link(self.namespace, self.name, *_answer(self)),),
        )
        yield from moved(self.name, self.namespace)

    def kernel(self) -> tuple[str, ...]:
        return (KINDS[self.kind].link_type,)


def _answer(device: PlainTunnel) -> Iterator[str]:
    """As `ip -d link show` prints it: `gre`, `remote 192.0.2.1`, `ttl 64`; of IPv6 and of a key otherwise."""
    yield NETCS
    if device.hardware_address:
        yield device.hardware_address
    for option, value, said in _options(device):
        match value:
            case "TTL" if KINDS[device.kind].outer == 6:
                yield f"hoplimit {said}"
            case "KEY":
                yield from (f"{word} {IPAddress(device.key or 0, 4)}" for word in ("ikey", "okey"))
            case _:
                yield str(said) if option == "type" else f"{option} {said}"


def _own(device: PlainTunnel) -> Iterator[Word]:
    if device.hardware_address:
        yield from ("address", device.hardware_address)


def _tunnel(device: PlainTunnel) -> Iterator[Word]:
    """The type and its options (ip-link(8)). The TTL is fixed: an inherited TTL of 1 would not reach the peer."""
    for option, _, said in _options(device):
        yield from (option, said)


def _options(device: PlainTunnel) -> Iterator[tuple[str, str, Word]]:
    """Each as KINDS spells it, what it stands for there, and what the device has for that."""
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
            yield option, value, said
