"""Packets that a lab cannot try, or not as they are on real hosts, and why."""

from __future__ import annotations

from netc.lab.machine import ids
from netc.lab.scene import Scene
from netc.language.kinds import KINDS
from netc.plan.facts import Foreign, PlainTunnel, Wireguard
from netc.plan.image import Wire
from netc.walk.journey import STRAY, Journey, Neighbour, Process, Start
from netc.walk.packet import TCP, UDP, Packet
from netc.walk.stack import Place
from netc.walk.world import World


def untried(scene: Scene, start: Start, packet: Packet, found: Journey) -> str:
    """Why the packet is not sent; empty if it is."""
    if packet.protocol not in (TCP, UDP):
        return "neither TCP nor UDP"
    if isinstance(start, Process):
        if start.owner is None:
            return "packets of the kernel itself"
        if start.owner.slice:
            return "programs of a slice or service, which systemd starts"
        if (start.owner.group or start.owner.user) and ids() == 1:
            return "programs of another user or group, which this lab does not have"
    if packet.dport in taken_ports(scene.paper):
        return "ports of WireGuard and BIRD, beside which nobody can listen"
    if is_crowded(scene, start, found):
        return "two tunnels to one address"
    return unlike(scene.paper, found, family=packet.family)


def taken_ports(paper: World) -> set[int | None]:
    """Of sockets that the kernel or BIRD has: nobody can listen beside them. BGP, BFD (RFC 5881, RFC 5883), Babel."""
    of_tunnels = {device.made.port for _, device in paper.devices() if isinstance(device.made, Wireguard | PlainTunnel)}
    return of_tunnels | ({179, 3784, 4784, 6696} if any(stack.bird for stack in paper.stacks.values()) else set())


def unlike(paper: World, found: Journey, *, family: int) -> str:
    """Why a lab has another answer than real hosts. Tunnels of programs carry nothing here, and at the other end
    of a VXLAN no stranger answers neighbour solicitations for every address."""
    end = found.there
    if found.unsure or found.unsure_back:
        return found.unsure or found.unsure_back
    if _is_reset(found):
        return "an answer that another host resets"
    ours = (one for stack in paper.stacks.values() for one in (stack.local, stack.shared))
    if end.kind == "beyond" and any((family, end.packet.to) in one for one in ours):
        return "somebody else with an address of yours"
    for place, device in (*found.left, *found.returned):
        if family == 6 and _is_pointed(paper, place, device):
            return "an uplink without a gateway"
        fact = paper.stacks[place].devices[device].made
        if isinstance(fact, Foreign):
            return "tunnels of other programs, which carry nothing here"
        if isinstance(fact, PlainTunnel) and (KINDS[fact.kind].form != "numbered" or family == 6):
            return f"tunnels of kind {fact.kind}"
    return ""


def _is_reset(found: Journey) -> bool:
    """Whether the answer comes to another host with the sender's address, as of an anycast service: TCP there sends a
    reset, which has the ends of the question and goes another path."""
    verdict = found.back.verdict if found.back else None
    return found.there.packet.protocol == TCP and verdict is not None and verdict.why == STRAY


def is_crowded(scene: Scene, start: Start, found: Journey) -> bool:
    """Whether it uses a tunnel whose other end is at the address of another's."""
    crowded = set().union(*(devices for devices in scene.strangers.at.values() if len(devices) > 1))
    began = {(start.place, start.device)} if isinstance(start, Neighbour) else set()
    return not crowded.isdisjoint({*began, *found.left, *found.returned}) or _is_beneath(scene.paper, start, found)


def _is_beneath(paper: World, start: Start, found: Journey) -> bool:
    """Whether a split chooses the outer packets of a plain tunnel too, which are of the program that sent the inner
    ones, and leads them into a tunnel of a program: it carries nothing here."""
    if not isinstance(start, Process) or start.owner is None:
        return False
    stack, owner = paper.stacks[start.place], start.owner
    splits = stack.ruleset.splits if stack.ruleset else ()
    into = [stack.devices[one.device].made for one in splits if (owner.group, owner.user) == (one.group, one.user)]
    plain = any(isinstance(paper.stacks[place].devices[by].made, PlainTunnel) for place, by in found.left)
    return plain and any(isinstance(made, Foreign) for made in into)


def _is_pointed(paper: World, place: Place, device: str) -> bool:
    """A default route without a gateway, as PPP has it: at the end of a cable nobody has every address."""
    stack = paper.stacks[place]
    ways = (way for (family, _), ways in stack.tables.items() for way in ways if family == 6)
    is_wire = isinstance(stack.devices[device].made, Wire)
    return is_wire and any(
        way.device == device and way.length == 0 and way.via is None and way.table != 254 for way in ways
    )
