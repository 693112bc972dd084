"""Every promise of a topology, tried with packets: one of each class that the proof on paper walks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from msgspec import Struct, field
from msgspec.structs import replace

from netc.checks.expect import BUDGET
from netc.checks.expected import boxes, devices, dialled, place_of, senders
from netc.lab.compared import real, same_source, way, where
from netc.lab.failures import Failure
from netc.lab.machine import is_root
from netc.lab.packets import FIRST, Probe, Seen, sent
from netc.lab.scene import Scene
from netc.lab.untried import untried
from netc.language.expect import Expect, Sender
from netc.network.interface import Network
from netc.walk.journey import journey
from netc.walk.packet import described
from netc.walk.places import Wrong
from netc.walk.space import Class, TooMany, classes
from netc.walk.stack import Place
from netc.walk.text import outcome
from netc.walk.world import World

MOST = 200
"""Packets for one promise. Of more classes, so many are tried, from all over."""
AT_ONCE, AT_ONCE_OF_A_USER = 900, 60
"""Packets that are under way at the same time. Each has a source port of its own. The buffers of a user without root
have room for all packets of so many, however late they are read."""


class Fault(Struct, frozen=True):
    """A packet that breaks a promise: what became of it here, and on paper."""

    key: str
    packet: str
    here: str
    paper: str


class Result(Struct):
    """Of one promise. `classes` are all that it is about; `untried` are those that no packet was sent of, by reason."""

    text: str
    tried: int = 0
    classes: int = 0
    untried: Counter[str] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)

    @property
    def state(self) -> str:
        if self.faults:
            return "does not hold"
        return "holds" if self.tried else "not tried"


class Trial(Struct):
    """A packet of a promise. `place` is the stack at which interfaces are looked for."""

    expect: Expect
    result: Result
    probe: Probe
    place: Place | None


def tried(scene: Scene, network: Network, paper: World, gone: Failure | None = None) -> Iterator[Result]:
    """All promises, in the order of the topology. `paper` is the network as it is now. While something is `gone`, only
    those that hold then too."""
    results: list[Result] = []
    trials: list[Trial] = []
    for number, expect in enumerate(network.topology.expect, 1):
        result = Result(expect.name or f"expectation {number}")
        results.append(result)
        if gone and not _outlives(expect, gone):
            result.untried[f"it does not promise to survive {gone.name}"] += 1
            continue
        trials += trials_of(expect, result, scene, network, paper)
    at_once = AT_ONCE if is_root() else AT_ONCE_OF_A_USER
    for first in range(0, len(trials), at_once):
        _send(scene, trials[first : first + at_once], paper)
    yield from results


def _outlives(expect: Expect, gone: Failure) -> bool:
    """What never leaves by an interface does not while a tunnel is down either."""
    names = {gone.name, gone.name.removeprefix("link-"), "any host" if gone.gone else "any link"}
    return bool(names & set(map(str, expect.survives)) or (expect.never_by and gone.down))


def _send(scene: Scene, batch: Sequence[Trial], paper: World) -> None:
    for number, trial in enumerate(batch, scene.numbered(len(batch))):
        probe = trial.probe
        probe.number, probe.packet = number, replace(probe.packet, sport=FIRST + number)
        probe.paper = journey(paper, probe.start, probe.packet)
    seen = sent(scene, [trial.probe for trial in batch])
    for trial in batch:
        trial.result.tried += 1
        for key in _broken(trial, seen[trial.probe.number], scene, paper):
            trial.result.faults.append(_fault(key, trial.probe, seen[trial.probe.number], scene, paper))


# ---- which packets ---------------------------------------------------------------------------------------------


def trials_of(expect: Expect, result: Result, scene: Scene, network: Network, paper: World) -> list[Trial]:
    """Of one promise. `result` counts those that no packet is sent of."""
    found: list[tuple[Class, Trial]] = []
    for begin in expect.from_:
        for to in expect.to:
            try:
                found += _of(begin, to, expect, result, scene, network, paper)
            except Wrong as wrong:
                result.untried[str(wrong)] += 1
            except TooMany:
                result.untried[f"more than {BUDGET} classes of packets"] += 1
    result.classes = len(found) + result.untried.total()
    if expect.mtu:
        result.untried["`mtu`, which paper alone proves"] += 1
    if expect.survives and paper is scene.paper:
        result.untried["`survives`: that is what `--while` tries"] += 1
    kept = found if len(found) <= MOST else [found[n * len(found) // MOST] for n in range(MOST)]
    if len(kept) < len(found):
        result.untried[f"more than {MOST} classes"] += len(found) - len(kept)
    return [trial for _, trial in kept]


def _of(
    begin: str | Sender, to: str, expect: Expect, result: Result, scene: Scene, network: Network, paper: World
) -> Iterator[tuple[Class, Trial]]:
    """Raises Wrong, TooMany."""
    for sender in senders(begin, scene.paper, network):  # nobody dials another address because a host is gone
        there = dialled(to, sender, scene.paper, network)
        place = place_of(sender.start) or there.place
        for box in boxes(sender, there, paper):
            for one in classes(paper, sender.start, box, BUDGET):
                why = untried(scene, sender.start, one.packet, one.found)
                if not why and not any(first <= FIRST and last >= FIRST + AT_ONCE for first, last in one.box.sport):
                    why = f"source ports without {FIRST}"
                if why:
                    result.untried[why] += 1
                else:
                    yield one, Trial(expect, result, Probe(0, sender.start, one.packet, one.found), place)


# ---- what became of them ---------------------------------------------------------------------------------------


def _broken(trial: Trial, kernel: Seen, scene: Scene, paper: World) -> Iterator[str]:
    """The keys of the promise that the kernels did not keep: what holds on paper, they must do too."""
    expect, said = trial.expect, trial.probe.paper
    got = {name for name, _ in kernel.got}
    wanted = where(paper, said, scene, got)
    only_ways = bool(expect.leaves_by or expect.never_by) and expect.arrives is None and expect.only is None
    if not only_ways and (bool(got) != (wanted is not None) or (wanted and wanted not in got)):
        yield "only" if expect.only is not None else "arrives"
    elif not only_ways and said.answered and not kernel.answered:
        yield "arrives"
    if expect.source is not None and got and not same_source(said, kernel):
        yield "source"
    left = real(paper, kernel.there)
    if expect.leaves_by and trial.place and _at(left, trial.place) != _at(way(paper, said.left), trial.place):
        yield "leaves_by"
    if expect.never_by and trial.place and left & _ways(expect, trial.place, paper):
        yield "never_by"
    if expect.through and got and not all(any(_host(name) == host for name, _ in left) for host in expect.through):
        yield "through"


def _at(left: set[tuple[str, str]], place: Place) -> set[tuple[str, str]]:
    return {(name, device) for name, device in left if _host(name) == place[0]}


def _host(name: str) -> str:
    return name.partition("/")[0]


def _ways(expect: Expect, place: Place, paper: World) -> set[tuple[str, str]]:
    return way(paper, (one for name in expect.never_by for one in devices(name, place, paper)))


def _fault(key: str, probe: Probe, kernel: Seen, scene: Scene, paper: World) -> Fault:
    packet = described(replace(probe.packet, source=probe.paper.source))
    return Fault(key, packet, here(kernel, scene), there(probe, paper))


def there(probe: Probe, paper: World) -> str:
    """What becomes of it on paper."""
    return f"{outcome(paper, probe.paper)}{_by(way(paper, probe.paper.left))}"


def here(kernel: Seen, scene: Scene) -> str:
    """What the kernels did with it."""
    paper = scene.paper
    if not kernel.got:
        return f"does not arrive{_by(real(paper, kernel.there))}"
    places = ", ".join(f"at {scene.called(name)} from {source}" for name, source in sorted(kernel.got))
    answered = "answered" if kernel.answered else "not answered"
    return f"arrives {places}, {answered}{_by(real(paper, kernel.there))}"


def _by(left: set[tuple[str, str]]) -> str:
    return "".join(f", leaves {name} by {device}" for name, device in sorted(left))
