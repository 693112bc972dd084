"""Plans with one rule, route or mark changed are told from the original by paper and by packets alike."""

from __future__ import annotations

import random
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

import night
from live.agreement import compared
from live.lab import Lab
from live.needs import LIVE, missing, require
from live.test_agreement import drawn, example
from mixed import Mixed
from netc.lab.packets import FIRST, Probe, Seen, sent
from netc.lab.scene import Scene
from netc.lab.stand_ins import Staged, staged
from netc.lab.untried import is_crowded, taken_ports, unlike
from netc.pipeline import plan
from netc.plan.host_plan import HostPlan
from netc.walk.bird import world
from netc.walk.journey import Neighbour, Start, journey
from netc.walk.packet import TCP, UDP, Packet
from netc.walk.world import World, is_tunnel
from plan_mutants import Mutant, mutants, told_apart

pytestmark = pytest.mark.live

EXAMPLES = ["start", "slim-edge", "seedbox", "laptop"]
RANDOM = 16 if night.is_night() else 1
EACH = 10 if night.is_night() else 2
"""200 a night."""
PACKETS = 3
TUNNELS = 4
USERSPACE = not Path("/sys/module/wireguard").exists()


def topology(name: str) -> Mixed:
    return example(name) if name in EXAMPLES else next(islice(drawn(name), 1))


@pytest.mark.parametrize("name", [*EXAMPLES, *(f"{night.seed()}-mutant-{n}" for n in range(RANDOM))])
def test_a_mutant_is_told_from_the_original(name: str) -> None:
    """On paper there are packets with another fate. The same packets have that fate in kernels, and in kernels with
    the original plan the other one. A mutant without such packets changes nothing: every class was compared. Routers
    have a test of their own (test_walked_routes.py)."""
    require(missing(LIVE))
    made, chance = topology(name), random.Random(name)
    ours = staged([plan(host, made.network) for host in sorted(made.network.topology.hosts)])
    plans = list(ours.plans)
    paper = world(plans, userspace=USERSPACE)
    found: list[tuple[Mutant, World, list[Probe], list[Probe]]] = []
    same = only_away = unseen = number = 0
    for mutant in mutants(plans, chance):
        changed = world(mutant.plans, userspace=USERSPACE)
        differing = list(islice(told_apart(paper, changed, FIRST), 60))
        before: list[Probe] = []
        after: list[Probe] = []
        for start, packet in chance.sample(differing, len(differing)):
            old, new = journey(paper, start, packet), journey(changed, start, packet)
            both = ((paper, old), (changed, new))
            comparable = not any(unlike(w, j, family=packet.family) for w, j in both)
            if comparable and _is_sendable(paper, start, packet) and len(before) < PACKETS:
                before.append(Probe(number, start, packet, old))
                after.append(Probe(number, start, packet, new))
                number += 1
        if not differing:
            broken = _without_tunnels(plans, mutant.plans, chance)
            same, only_away = same + (not broken), only_away + broken
        unseen += bool(differing) and not before
        if before:
            found.append((mutant, changed, _numbered(before), _numbered(after)))
        if len(found) == EACH:
            break
    print(f"{name}: {len(found)} mutants in kernels, {unseen} by packets that no lab sends, on paper alone")
    print(f"{only_away} while a tunnel is away or down; {same} change nothing, by a comparison of all classes")
    original = _seen(ours, paper, [probe for _, _, probes, _ in found for probe in probes])
    wrong = []
    for mutant, changed, before, after in found:
        seen = _seen(ours, changed, after)
        wrong += [f"{mutant.what}: {line}" for line in seen[1]]
        wrong += [] if any(_differs(original[0][b.number], seen[0][b.number]) for b in before) else [mutant.what]
    assert original[1] == []
    assert wrong == []


def _is_sendable(paper: World, start: Start, packet: Packet) -> bool:
    if packet.dport in taken_ports(paper):
        return False
    return packet.protocol in (TCP, UDP) and not isinstance(start, Neighbour)


def _without_tunnels(plans: list[HostPlan], others: list[HostPlan], chance: random.Random) -> bool:
    """Whether the two differ while a tunnel is away or down. Of many tunnels, some are tried."""
    tunnels = [(stack.place, device.name) for stack, device in world(plans).devices() if is_tunnel(device)]
    tried = [(one, is_away) for one in tunnels for is_away in (True, False)]
    for one, is_away in chance.sample(tried, min(len(tried), TUNNELS)):
        without: Any = {"away" if is_away else "down": frozenset({one})}
        mine, theirs = (world(each, **without) for each in (plans, others))
        if next(told_apart(mine, theirs, FIRST), None):
            return True
    return False


def _numbered(probes: list[Probe]) -> list[Probe]:
    """With a source port of its own for each."""
    from msgspec.structs import replace

    for probe in probes:
        probe.packet = replace(probe.packet, sport=FIRST + probe.number)
    return probes


def _seen(ours: Staged, paper: World, probes: list[Probe]) -> tuple[dict[int, Seen], list[str]]:
    with Lab() as lab, TemporaryDirectory() as folder:
        scene = Scene(lab, ours, paper, Path(folder))
        scene.build()
        fine = [probe for probe in probes if not is_crowded(scene, probe.start, probe.paper)]
        seen = sent(scene, fine)
        return seen | {p.number: Seen() for p in probes if p not in fine}, compared(
            paper, fine, seen, scene
        ).differences


def _differs(one: Seen, other: Seen) -> bool:
    return (one.got, one.answered, one.there, one.back) != (other.got, other.answered, other.there, other.back)
