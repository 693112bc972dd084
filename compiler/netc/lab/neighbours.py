"""Neighbours in other ASes: a BIRD for each place of theirs, which announces prefixes that their filter lets in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from msgspec import Struct
from netaddr import IPAddress, IPNetwork

from netc.lab.internet import Internet
from netc.lab.strangers import Strangers
from netc.language.names import HostName
from netc.language.values import Family
from netc.plan.bgp import Accepted, Inner, RoaFile, Session, System
from netc.plan.facts import Router
from netc.plan.image import Wire
from netc.walk.stack import Device, Stack
from netc.walk.world import World

PASSWORD = "netc-lab"
"""Of every session: each end knows it."""
TRIED = 64
"""Prefixes of a range, of which one is not ours and not refused."""
LENGTHS: dict[Family, int] = {4: 24, 6: 48}
HEAD = """
log "/run/bird-{place}.log" all;
router id 192.0.2.{number};
protocol device {{ scan time 1; }}
protocol bfd {{ }}
"""
SESSION = """
protocol static a{number}v{family} {{ ipv{family}; {routes} }}
"""
BGP = """
protocol bgp s{number} {{
    local {remote} as {remote_asn};
    neighbor {local} as {local_asn};
    connect delay time 1;
    error wait time 1, 2;
    {options}
    {channels}
}}
"""


class Met(Struct, frozen=True):
    """A session, the host's interface and address of it, and what its neighbour announces."""

    host: HostName
    session: Session
    system: System
    stack: Stack
    device: Device | None
    local: IPAddress
    announced: tuple[IPNetwork, ...]


class Neighbours:
    def __init__(self, paper: World, internet: Internet, strangers: Strangers) -> None:
        self.paper, self.internet, self.strangers = paper, internet, strangers
        self.met = list(self._met())

    def roas(self, host: str) -> dict[str, str]:
        """What files of ROAs of a host say, by path: all that its neighbours announce is valid."""
        found: dict[str, str] = {}
        for one in self.met:
            for source in one.system.roa if one.host == host else ():
                if isinstance(source, RoaFile):
                    nets = (net for net in one.announced if net.version == source.family)
                    lines = [f"route {net} max {net.prefixlen} as {one.session.remote_asn};\n" for net in nets]
                    found[source.path] = found.get(source.path, "") + "".join(lines)
        return found

    def join(self) -> None:
        """All of them, after the strangers whose places they are in."""
        places: dict[str, list[str]] = {}
        for number, one in enumerate(self.met, 1):
            space, device = self._place(one)
            if space is not None:
                self.internet.say(*_address(space, device, one))
                places.setdefault(space, []).append(_config(number, one, device))
        for number, (space, texts) in enumerate(places.items(), 1):
            file = f"/run/bird-{space}"
            self.internet.say(f"cat >{file}.conf <<'.'", HEAD.format(place=space, number=number), *texts, ".")
            enter = "" if space == "internet" else f"ip netns exec {space} "
            self.internet.say(f"{enter}bird -c {file}.conf -s {file}.ctl -P {file}.pid")

    def _met(self) -> Iterator[Met]:
        for plan in self.paper.plans.values():
            stack = self.paper.stacks[plan.host, None]
            for router in (one for part in plan.parts for one in part.every(Router)):
                for session in router.sessions if router.system else ():
                    if session.kind not in get_args(Inner):
                        assert router.system is not None
                        device = _device(stack, session)
                        local = session.local or _local(stack, device, session.remote)
                        if local is not None:
                            announced = tuple(_announced(session, router.system))
                            yield Met(plan.host, session, router.system, stack, device, local, announced)

    def _place(self, one: Met) -> tuple[str | None, str]:
        """The namespace, or `internet`, and the interface there: none for a session over several hops."""
        if one.device is None:
            return "internet", ""
        if isinstance(one.device.made, Wire):
            wires = [str(wire.device) for wire in self.paper.plans[one.host].around.wires]
            return "internet", self.internet.ends(one.host)[wires.index(one.device.name)]
        space = self.strangers.first.get((one.stack.place, one.device.name))
        return space, f"{space}i"


def _device(stack: Stack, session: Session) -> Device | None:
    if session.device:
        return stack.devices.get(session.device)
    if not session.direct:
        return None
    held = (device for device in stack.devices.values() for net in device.networks if session.remote in net)
    return next(held, None)


def _local(stack: Stack, device: Device | None, remote: IPAddress) -> IPAddress | None:
    """The host's own end, if the topology leaves it to BIRD."""
    devices = [device] if device else [one for one in stack.devices.values() if isinstance(one.made, Wire)]
    held = (net.ip for one in devices for net in one.networks)
    alike = (ip for ip in held if ip.version == remote.version and ip.is_link_local() == remote.is_link_local())
    return next(alike, None)


def _announced(session: Session, system: System) -> Iterator[IPNetwork]:
    """A prefix of each family. A collector is sent routes and sends none."""
    for family in session.families if session.kind != "collector" else ():
        spans = [one for one in session.only or system.accepted if one.net.version == family]
        barred = [net for net in (*system.ours, *system.refused, *system.connected) if net.version == family]
        free = (net for one in spans for net in _within(one, session) if not any(_overlap(net, no) for no in barred))
        yield from [found for found in (next(free, None),) if found]


def _within(one: Accepted, session: Session) -> Iterator[IPNetwork]:
    """Some prefixes of a range, other ones for each neighbour."""
    family: Family = 4 if one.net.version == 4 else 6
    length = max(one.net.prefixlen, min(max(LENGTHS[family], one.least), one.most))
    count = 1 << (length - one.net.prefixlen)
    size = 1 << ((32 if family == 4 else 128) - length)
    for n in range(min(TRIED, count)):
        place = (session.remote_asn * 7919 + n * max(1, count // TRIED)) % count
        yield IPNetwork((one.net.first + place * size, length), version=family)


def _overlap(one: IPNetwork, other: IPNetwork) -> bool:
    return bool(one.first <= other.last and other.first <= one.last)


def _address(space: str, device: str, one: Met) -> Iterator[str]:
    """The internet has every address, and answers ARP for all of them. For IPv6 it has to hold them."""
    remote = one.session.remote
    if device and (space != "internet" or remote.version == 6):
        length = 64 if remote.is_link_local() else 32 if remote.version == 4 else 128
        inside = "" if space == "internet" else f"-n {space} "
        yield f"ip {inside}address replace {remote}/{length} dev {device} nodad"


def _config(number: int, one: Met, device: str) -> str:
    session = one.session
    near = session.remote.is_link_local()
    options = [f'interface "{device}";' if near else f"multihop {session.hops or 1};"]
    options += ["ttl security on;"] if session.gtsm else []
    options += [f'password "{PASSWORD}";'] if session.password else []
    options += ["bfd on;"] if session.bfd else []
    channels, statics = [], []
    for family in session.families:
        nets = [net for net in one.announced if net.version == family]
        routes = "".join(f"route {net} unreachable; " for net in nets)
        statics.append(SESSION.format(number=number, family=family, routes=routes))
        over = "extended next hop on; " if family == 4 and session.remote.version == 6 else ""
        sent = f"where net ~ [ {', '.join(map(str, nets))} ]" if nets else "none"
        channels.append(f"ipv{family} {{ import all; export {sent}; {over}next hop self; }};")
    bgp = BGP.format(
        number=number,
        remote=session.remote,
        remote_asn=session.remote_asn,
        local=one.local,
        local_asn=session.local_asn,
        options=" ".join(options),
        channels=" ".join(channels),
    )
    return "".join((*statics, bgp))
