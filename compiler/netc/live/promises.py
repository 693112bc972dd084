"""Every promise of a topology, asked of the hosts: one packet of each class that the proof on paper walks, and those
that a rule or route names which only the hosts have."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import product

from msgspec import Struct, field
from msgspec.structs import replace

from netc.checks.expect import BUDGET, wrong
from netc.checks.expected import From, boxes, devices, dialled, place_of, senders
from netc.lab.promises import Fault
from netc.language.expect import Expect
from netc.live.hosts import Hosts, NotAsked, Waiting
from netc.live.loaded import Named
from netc.live.question import AT_ONCE, FIRST, Answer, Question
from netc.live.walk import LiveWalk
from netc.network.interface import Network
from netc.network.ranges import Ranges
from netc.walk import wires
from netc.walk.journey import Journey, Process, Start, journey
from netc.walk.packet import TCP, UDP, Packet, described
from netc.walk.places import Wrong
from netc.walk.space import Box, Class, TooMany, classes
from netc.walk.stack import Place
from netc.walk.text import outcome
from netc.walk.world import World

MOST = 400
"""Packets for one promise. Of more, so many are asked, from all over."""
ROUNDS = 60
"""Stacks that a packet and its answer pass at most."""


class Result(Struct):
    """Of one promise. `tried` are packets that hosts were asked about; `untried` what they were not, by reason."""

    text: str
    tried: int = 0
    classes: int = 0
    untried: Counter[str] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)
    deciding: list[tuple[Question, Answer] | None] = field(default_factory=list)
    """For each fault what a host answered, if a host decided."""

    @property
    def state(self) -> str:
        if self.faults:
            return "does not hold"
        return "holds" if self.tried else "not asked"


class Trial(Struct):
    """A packet of a promise. `place` is the stack at which interfaces are looked for. `is_beside`: it is not the first
    of its class, and only loaded rules or routes may tell it from that."""

    expect: Expect
    result: Result
    start: Start
    packet: Packet
    paper: Class
    place: Place | None
    is_beside: bool = False
    live: Journey | None = None
    walk: LiveWalk | None = None


def asked(
    hosts: Hosts, network: Network, paper: World, made: World, named: Iterable[Named]
) -> tuple[list[Result], list[Trial]]:
    """All promises, in the order of the topology. `made` is the network as hosts have it: what is between
    them follows from it."""
    results: list[Result] = []
    trials: list[Trial] = []
    lines = tuple(named)
    for number, expect in enumerate(network.topology.expect, 1):
        result = Result(expect.name or f"expectation {number}")
        results.append(result)
        trials += _trials(expect, result, network, paper, lines)
    _walk(trials, hosts, made)
    for trial in trials:
        _judge(trial, paper, made)
    return results, trials


# ---- which packets ---------------------------------------------------------------------------------------------


def _trials(expect: Expect, result: Result, network: Network, paper: World, lines: Sequence[Named]) -> list[Trial]:
    found: list[Trial] = []
    for begin in expect.from_:
        for to in expect.to:
            try:
                for sender in senders(begin, paper, network):
                    found += _of(sender, to, expect, result, network, paper, lines)
            except Wrong as wrong_place:
                result.untried[str(wrong_place)] += 1
            except TooMany:
                result.untried[f"more than {BUDGET} classes of packets"] += 1
    if expect.mtu:
        result.untried["`mtu`, which paper alone proves"] += 1
    if expect.survives:
        result.untried["`survives`: nothing is taken away on hosts"] += 1
    if expect.never_by:
        result.untried["`never_by` while a tunnel is down"] += 1
    classes_first = sorted(found, key=lambda trial: trial.is_beside)
    kept = _spread(classes_first, sum(not trial.is_beside for trial in found))
    if len(kept) < len(found):
        result.untried[f"more than {MOST} packets"] += len(found) - len(kept)
    return kept


def _spread(trials: list[Trial], first: int) -> list[Trial]:
    """MOST at most, from all over: of the `first` ones, and of the others as many as there is room for."""
    kept: list[Trial] = []
    for some in (trials[:first], trials[first:]):
        room = min(MOST - len(kept), len(some))
        kept += [some[n * len(some) // room] for n in range(room)]
    return kept


def _of(
    sender: From, to: str, expect: Expect, result: Result, network: Network, paper: World, lines: Sequence[Named]
) -> Iterator[Trial]:
    """Raises Wrong, TooMany."""
    there = dialled(to, sender, paper, network)
    place = place_of(sender.start) or there.place
    for box in boxes(sender, there, paper):
        for one in classes(paper, sender.start, box, BUDGET):
            result.classes += 1
            if why := _impossible(sender.start, one):
                result.untried[why] += 1
                continue
            for packet in dict.fromkeys((one.packet, *_beside(one, lines))):
                is_beside = packet is not one.packet
                yield Trial(expect, result, sender.start, replace(packet, sport=FIRST), one, place, is_beside)


def _impossible(start: Start, one: Class) -> str:
    if one.packet.protocol not in (TCP, UDP):
        return "neither TCP nor UDP"
    if isinstance(start, Process) and start.owner is None:
        return "packets of the kernel itself"
    if isinstance(start, Process) and start.owner and start.owner.slice:
        return "programs of a slice or service, which systemd starts"
    last = FIRST + AT_ONCE
    if not any(first <= FIRST and end >= last for first, end in one.box.sport):
        return f"source ports without {FIRST}"
    if FIRST <= one.packet.dport <= last:
        return f"ports {FIRST} to {last}, from which netc asks"
    return ""


def _beside(one: Class, lines: Sequence[Named]) -> Iterator[Packet]:
    """Packets of the class that a loaded rule or route may tell apart, and no plan does."""
    box, packet = one.box, one.packet
    for line in lines:
        ports = [port for port in line.ports if _is_in(port, box.dport) and port < FIRST]
        ips = [number for family, number in line.addresses if family == packet.family]
        sources = [ip for ip in ips if _is_in(ip, box.source)]
        tos = [ip for ip in ips if _is_in(ip, box.to)]
        strange = any(_is_inside(port, box.dport) for port in ports)
        strange |= any(_is_inside(ip, box.source) for ip in sources) or any(_is_inside(ip, box.to) for ip in tos)
        if strange:
            every = product(ports[:4] or [packet.dport], [packet.source, *sources[:4]], [packet.to, *tos[:4]])
            yield from (replace(packet, dport=port, source=source, to=to) for port, source, to in every)


def _is_in(number: int, ranges: Ranges) -> bool:
    at = bisect_right(ranges, number, key=lambda one: one[0])
    return at > 0 and number <= ranges[at - 1][1]


def _is_inside(number: int, ranges: Ranges) -> bool:
    """Not at the beginning of a range, where a rule of a plan begins too."""
    at = bisect_right(ranges, number, key=lambda one: one[0])
    return at > 0 and ranges[at - 1][0] < number <= ranges[at - 1][1]


# ---- what hosts do with them -----------------------------------------------------------------------------------


def _walk(trials: Sequence[Trial], hosts: Hosts, made: World) -> None:
    """Each round asks all hosts for the next step of all packets."""
    left = list(trials)
    for _ in range(ROUNDS):
        left = [trial for trial in left if not _is_done(trial, hosts, made)]
        if not hosts.wanted:
            break
        hosts.ask()
    for trial in left:
        trial.result.untried["packets whose path does not end"] += 1


def _is_done(trial: Trial, hosts: Hosts, made: World) -> bool:
    walk = LiveWalk(made, wires, hosts=hosts)
    try:
        trial.live = journey(made, trial.start, trial.packet, walk)
    except Waiting:
        return False
    except NotAsked as why:
        trial.result.untried[str(why)] += 1
        return True
    trial.walk = walk
    return True


def _judge(trial: Trial, paper: World, made: World) -> None:
    live, walk, result = trial.live, trial.walk, trial.result
    if live is None or walk is None:
        return
    if not walk.path:
        result.untried["packets that no host gets which was asked"] += 1
        return
    result.tried += 1
    for host in sorted(walk.on_paper):
        result.untried[f"{host}, which counts as on paper"] += 1
    if (key := _broken(trial, live, paper, made)) is None:
        return
    packet = described(replace(trial.packet, source=live.source or trial.paper.found.source))
    result.faults.append(Fault(key, packet, f"{outcome(made, live)}{_by(live, made)}", _on_paper(trial, paper)))
    result.deciding.append(_deciding(key, trial, walk))


def _broken(trial: Trial, live: Journey, paper: World, made: World) -> str | None:
    """The key of the promise that does not hold."""
    expect, place, said = trial.expect, trial.place, trial.paper.found
    ways = {way for name in expect.leaves_by if place for way in devices(name, place, paper)}
    one = replace(trial.paper, packet=trial.packet, found=live, box=_only(trial.paper.box, trial.packet))
    keys = (broken.key for broken in wrong(expect, one, made, ways, place))
    if broken := next((key for key in keys if key != "mtu"), None):
        return "arrives" if broken == "to" else broken
    if expect.only is not None and said.answered and not live.answered:
        return "only"
    if ways and place and _leaves(said, place) and not _leaves(live, place):
        return "leaves_by"
    never = {way for name in expect.never_by if place for way in devices(name, place, paper)}
    if never & set(live.left):
        return "never_by"
    keys = (key for key in ("arrives", "only", "leaves_by", "never_by") if getattr(expect, key))
    return next(keys, "arrives") if live.unsure else None


def _only(box: Box, packet: Packet) -> Box:
    return replace(box, dport=((packet.dport, packet.dport),))


def _leaves(found: Journey, place: Place) -> bool:
    return any(at[0] == place[0] for at, _ in found.left)


def _by(found: Journey, made: World) -> str:
    left = dict.fromkeys(f"{made.stacks[place].name} by {device}" for place, device in found.left)
    return "".join(f", leaves {one}" for one in left)


def _on_paper(trial: Trial, paper: World) -> str:
    found = trial.paper.found
    return f"{outcome(paper, found)}{_by(found, paper)}"


def _deciding(key: str, trial: Trial, walk: LiveWalk) -> tuple[Question, Answer] | None:
    """The first answer that is another one than on paper, or the last one."""
    if key == "source":
        changed = (one for one in walk.path if one[0].packet.source not in (0, one[1].packet.source))
        return next(changed, walk.path[-1])
    said = trial.paper.found
    ways = {*said.left, *said.returned}
    ends = {end.place for end in (said.there, said.back) if end and end.kind == "host"}
    for question, answer in walk.path:
        place = question.place
        same = (place, answer.device) in ways if answer.kind == "left" else answer.kind == "got" and place in ends
        if not same:
            return question, answer
    return walk.path[-1] if walk.path else None
