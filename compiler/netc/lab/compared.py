"""What paper says of a packet beside what kernels did with it, in the same words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Set
from ipaddress import ip_address

from netaddr import IPAddress

from netc.lab.packets import Seen
from netc.lab.scene import Scene
from netc.network.dialling import public
from netc.plan.image import Wire
from netc.walk.journey import Journey
from netc.walk.stack import SOMEWHERE, Place
from netc.walk.world import World


def where(paper: World, said: Journey, scene: Scene, got: Set[str] = frozenset()) -> str | None:
    """The place that gets it, by its name in the lab; None if nobody does. `got`: those that got it there."""
    end = said.there
    match end.kind:
        case "host":
            return paper.stacks[end.place].name
        case "behind":
            if isinstance(paper.stacks[end.place].devices[str(end.device)].made, Wire):
                return "internet"
            host, name, _ = scene.containers.by_device[end.place, str(end.device)]
            return f"{host.name} {name}"
        case "internet":
            return "internet"
        case "beyond":
            is_out = public(IPAddress(end.packet.to, end.packet.family))
            of_device = scene.strangers.ends[end.place, str(end.device)]
            return "internet" if is_out else min(of_device & got or of_device)
        case _:
            return None


def same_source(said: Journey, kernel: Seen) -> bool:
    """Whether it arrived with the source that paper says."""
    end = said.there
    if end.device == SOMEWHERE and any(e.place == end.place and e.what.startswith("source NAT") for e in said.events):
        return True  # the address of an interface that netc does not know
    source = str(ip_address(str(IPAddress(said.there.packet.source, said.there.packet.family))))
    return source in {source for _, source in kernel.got}


def way(paper: World, left: Iterable[tuple[Place, str]]) -> set[tuple[str, str]]:
    """The interfaces by which it leaves stacks."""
    return {(paper.stacks[place].name, str(device)) for place, device in left}


def real(paper: World, left: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Without what is no host's, and without ports of bridges."""
    ours = {stack.name: stack for stack in paper.stacks.values()}
    found = set()
    for name, device in left:
        stack = ours.get(name)
        if stack is None or re.fullmatch(r"c\d+|far-.*", device):
            continue
        known = stack.devices.get(device)
        is_port = known is not None and getattr(known.made, "bridge", None) and not known.inner
        if not is_port:
            found.add((name, device))
    return found
