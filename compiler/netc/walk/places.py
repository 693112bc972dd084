"""Places of a network, as authors write them: `internet`, an address, `edge`, `seedbox/vpn`, `node:10.0.3.20`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace
from netaddr import AddrFormatError, IPAddress

from netc.language.names import HostName
from netc.language.units import ServiceName, SliceName
from netc.language.values import Family
from netc.network.dialling import public
from netc.plan.facts import HeldSlice
from netc.plan.image import Wire
from netc.walk.journey import Neighbour, Process, Start, Stranger
from netc.walk.packet import ICMP, ICMP6, PROTOCOLS, Owner, Packet
from netc.walk.stack import LO, Device, Place, Stack
from netc.walk.world import World, is_public

PORT = re.compile(r"(?P<rest>.*?):?(?:(?P<port>[0-9]{1,5})/(?P<protocol>tcp|udp)|(?P<icmp>(?<=:)icmp))$")
EPHEMERAL = 50000
"""The source port of who asks: no rule of netc names one so high."""
VISITORS: dict[Family, tuple[IPAddress, ...]] = {
    4: tuple(map(IPAddress, ("203.0.113.9", "198.51.100.9", "192.0.2.9", "192.88.99.9"))),
    6: tuple(map(IPAddress, ("2001:db8:113::9", "2001:db8:ffff:9::9", "2600::9"))),
}
"""Somebody on the internet, unless the address is one of ours."""


class Wrong(ValueError):
    """No place is called so."""


class Where(Struct, frozen=True):
    """`host` None: on the internet. `address`: of a machine behind the host, or of somebody on the internet."""

    host: HostName | None
    space: str | None = None
    address: IPAddress | None = None

    @property
    def name(self) -> str:
        if self.host is None:
            return str(self.address) if self.address else "internet"
        inner = f"/{self.space}" if self.space else ""
        return f"{self.host}{inner}{f':{self.address}' if self.address else ''}"


class Asked(Struct, frozen=True):
    """What is dialled: a place, a protocol number and a port."""

    where: Where
    protocol: int
    port: int


def asked(text: str, made: World, port: str = "") -> Asked:
    """`edge:443/tcp`; the port may be apart. Raises Wrong."""
    found = PORT.match(text)
    inside = found["rest"] if found else text
    number, protocol = (int(found["port"]), found["protocol"]) if found and found["port"] else (443, "tcp")
    if found and found["icmp"]:
        return Asked(where(inside, made), ICMP, 0)
    if port == "icmp":
        return Asked(where(text, made), ICMP, 0)
    if port:
        apart = re.fullmatch(r"([0-9]{1,5})/(tcp|udp)", port)
        if not apart:
            raise Wrong(f"`{port}` is not a port: write `443/tcp`")
        number, protocol = int(apart[1]), apart[2]
    if number > 65535:
        raise Wrong(f"{number} is not a port: the last one is 65535")
    return Asked(where(inside, made), PROTOCOLS[protocol], number)


def somewhere(made: World) -> None:
    """Raises Wrong where nobody is asked."""
    if not made.stacks:
        raise Wrong("the network has no hosts")


def where(text: str, made: World) -> Where:
    """Raises Wrong, with what there is."""
    somewhere(made)
    if text == "internet":
        return Where(None)
    if ip := _address(text):
        return Where(None, address=ip)
    name, colon, address = text.partition(":")
    host, slash, space = name.partition("/")
    known = next((one for one in made.plans if one == host), None)
    if known is None:
        raise Wrong(f"no host is called `{host}`: the hosts are {', '.join(map(str, made.plans))}")
    if slash and (known, space) not in made.stacks:
        inside = [str(place[1]) for place in made.stacks if place[0] == known and place[1]]
        raise Wrong(f"{known} has no namespace `{space}`" + (f": it has {', '.join(inside)}" if inside else ""))
    ip = _address(address) if colon else None
    if colon and ip is None:
        raise Wrong(f"`{address}` is not an address: write `{known}:10.0.3.20`, or `{known}:443/tcp`")
    return Where(known, space or None, ip)


def _address(text: str) -> IPAddress | None:
    if not re.fullmatch(r"\[?[0-9a-fA-F:.]+\]?", text) or not re.search(r"[:.]", text):
        return None
    try:
        return IPAddress(text.strip("[]"))
    except (AddrFormatError, ValueError):
        return None


# ---- addresses -----------------------------------------------------------------------------------------------


def stack_of(where: Where, made: World) -> Stack:
    return next(stack for place, stack in made.stacks.items() if place == (where.host, where.space))


def addresses(where: Where, made: World, start: Start) -> Iterator[IPAddress]:
    """What `start` may dial to reach the place, best first."""
    if where.address is not None:
        yield where.address
        return
    if where.host is None:
        yield from (visitor(made, family) for family in (4, 6))
        return
    stack = stack_of(where, made)
    held = [(device, net.ip) for device in stack.devices.values() for net in device.networks if device.name != LO]
    shown = [ip for device, ip in held if isinstance(device.made, Wire) and public(ip)]
    yield from shown
    if isinstance(start, Stranger):
        yield from (ip for device, ip in held if isinstance(device.made, Wire) and ip not in shown)
        return
    yield from (net.ip for net in stack.devices[LO].networks if not net.ip.is_loopback())
    near = [ip for device, ip in held if ip not in shown and not ip.is_link_local() and _is_near(device, start, made)]
    yield from near
    yield from (ip for _, ip in held if ip not in (*shown, *near) and not ip.is_link_local())


def _is_near(device: Device, start: Start, made: World) -> bool:
    """Whether who asks has an address in the same subnet."""
    if isinstance(start, Stranger):
        return False
    own = [net for one in made.stacks[start.place].devices.values() for net in one.networks]
    return any(net.cidr == other.cidr for net in device.networks for other in own)


def visitor(made: World, family: Family) -> IPAddress:
    for ip in VISITORS[family]:
        wires = (net for _, device in made.devices() if isinstance(device.made, Wire) for net in device.networks)
        if not any(ip in net for net in wires) and not any(ip in net for net, _, _ in made.brought):
            return ip
    return VISITORS[family][0]


def of_service(host: HostName, service: ServiceName, made: World) -> tuple[Where, SliceName | None]:
    """Where a service runs, and in which slice that netc knows of."""
    plan = made.plans[host]
    space = next((one.namespace for one in plan.confined if one.unit == service), None)
    held = (one for part in plan.parts for one in part.every(HeldSlice))
    return Where(host, space), next((one.name for one in held if service in one.services), None)


# ---- questions -----------------------------------------------------------------------------------------------


def start_of(where: Where, made: World, owner: Owner) -> Start:
    """Raises Wrong for a machine that is behind no interface."""
    if where.host is None:
        if where.address is None:
            return Stranger()
        family: Family = 4 if where.address.version == 4 else 6
        holder = next((stack for stack in made.stacks.values() if (family, int(where.address)) in stack.local), None)
        if holder:
            return Process(holder.place, owner)
        if not public(where.address):
            raise Wrong(f"nobody on the internet has {where.address}: write `HOST:{where.address}` for a machine there")
        return Stranger()
    if where.address is None:
        return Process((where.host, stack_of(where, made).place[1]), owner)
    return _neighbour(stack_of(where, made), where.address)


def _neighbour(stack: Stack, ip: IPAddress) -> Neighbour:
    family: Family = 4 if ip.version == 4 else 6
    for table in (254,):
        for way in stack.tables.get((family, table), ()):
            if way.device and way.first <= int(ip) <= way.last and way.length:
                return Neighbour(stack.place, way.device)
    raise Wrong(f"no interface of {stack.name} leads to {ip}")


def packet_of(begin: Where, to: Asked, made: World, owner: Owner, family: Family | None) -> tuple[Start, Packet]:
    """Who asks, and the packet. Raises Wrong if the two have no family in common."""
    start = start_of(begin, made, owner)
    for ip in addresses(to.where, made, start):
        of: Family = 4 if ip.version == 4 else 6
        if family not in (None, of) or (begin.address and begin.address.version != of):
            continue
        if begin.address is None and begin.host is not None and not _speaks(made, start, of):
            continue
        protocol = ICMP6 if to.protocol == ICMP and of == 6 else to.protocol
        own = begin.address or (visitor(made, of) if begin.host is None else None)
        packet = Packet(of, protocol, int(own) if own else 0, int(ip), EPHEMERAL, to.port)
        return start, packet if to.port else replace(packet, sport=0)
    raise Wrong(f"{begin.name} has no address of a family that {to.where.name} has")


def _speaks(made: World, start: Start, family: Family) -> bool:
    if not isinstance(start, Process):
        return True
    ways = made.stacks[start.place].tables
    return any(way for (of, _), found in ways.items() for way in found if of == family)


def at(made: World, place: Place) -> str:
    return made.stacks[place].name


__all__ = [
    "Asked", "Where", "Wrong", "addresses", "asked", "at", "is_public", "of_service", "packet_of", "start_of", "where",
]
