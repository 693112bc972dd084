"""Whether routers of ours hear each other: what a filter drops, such as a denied prefix, opens no session."""

from __future__ import annotations

from netaddr import IPAddress

from netc.language.values import Family
from netc.plan.bgp import Session
from netc.plan.chains import Priority
from netc.walk.met import Met
from netc.walk.netfilter import filtered
from netc.walk.packet import TCP, UDP, Connection, Packet, turned
from netc.walk.stack import Device, Stack

BGP, OSPF, BABEL = 179, 89, 6696
ASKING = 40000
GROUPS: dict[tuple[str, Family], tuple[int, IPAddress]] = {
    ("ospf", 4): (OSPF, IPAddress("224.0.0.5")),
    ("ospf", 6): (OSPF, IPAddress("ff02::5")),
    ("babel", 4): (UDP, IPAddress("ff02::1:6")),
    ("babel", 6): (UDP, IPAddress("ff02::1:6")),
}
"""What each IGP sends, by the family of its routes: the protocol, and to whom."""


def opens_session(session: Session, near: Stack, far: Stack, by: tuple[str, ...], at: tuple[str, ...]) -> bool:
    """Either end may open it. `by` are the near end's interfaces by which packets of the session may come, and `at`
    the far one's."""
    here, there = session.local or _same_scope(near, by, session.remote), session.remote
    if here is None:
        return True
    return _hears(far, at, here, there) or _hears(near, by, there, here)


def is_adjacent(kind: str, family: Family, one: tuple[Stack, Device], other: tuple[Stack, Device]) -> bool:
    """Each end must hear the other."""
    return _reaches(kind, family, one, other) and _reaches(kind, family, other, one)


def _same_scope(stack: Stack, devices: tuple[str, ...], remote: IPAddress) -> IPAddress | None:
    held = (net.ip for name in devices if name in stack.devices for net in stack.devices[name].networks)
    alike = (ip for ip in held if ip.version == remote.version and ip.is_link_local() == remote.is_link_local())
    return next(alike, None)


def _hears(stack: Stack, devices: tuple[str, ...], source: IPAddress, to: IPAddress) -> bool:
    packet = Packet(4 if to.version == 4 else 6, TCP, int(source), int(to), ASKING, BGP)
    return any(_passes(stack, name, packet) for name in devices)


def _reaches(kind: str, family: Family, near: tuple[Stack, Device], far: tuple[Stack, Device]) -> bool:
    protocol, group = GROUPS[kind, family]
    source = _same_scope(near[0], (near[1].name,), group if group.version == 4 else IPAddress("fe80::1"))
    if source is None:
        return True
    ports = (BABEL, BABEL) if protocol == UDP else (0, 0)
    packet = Packet(4 if group.version == 4 else 6, protocol, int(source), int(group), *ports)
    return _passes(far[0], far[1].name, packet)


def _passes(stack: Stack, device: str, packet: Packet) -> bool:
    flow = packet.tuple_
    met = Met(stack, packet, Connection(packet.family, flow, turned(flow)), False, "new", arriving=device)
    return filtered(met, "input", (Priority.FILTER,)).ends == "accepted"
