"""A packet's path on which hosts decide: between stacks as on paper, in a stack as the host itself answers."""

from __future__ import annotations

from dataclasses import dataclass, field

from msgspec.structs import replace

from netc.language.names import HostName
from netc.live.hosts import Hosts, NotAsked
from netc.live.question import FIRST, Answer, Question
from netc.walk.kernel import MOST, End, Walk
from netc.walk.met import Met, Verdict
from netc.walk.packet import Owner, Packet
from netc.walk.routing import Found
from netc.walk.stack import SOMEWHERE, Place, Stack


@dataclass
class LiveWalk(Walk):
    """`path`: what was asked, in order. `on_paper`: hosts that nobody asked, which do as their plans say."""

    hosts: Hosts = field(kw_only=True)
    path: list[tuple[Question, Answer]] = field(default_factory=list)
    on_paper: set[HostName] = field(default_factory=set)
    here: dict[Place, list[tuple[Question, Answer]]] = field(default_factory=dict)

    def arrive(self, stack: Stack, name: str, packet: Packet, met: Met | None = None) -> End:
        if not self._is_asked(stack):
            return super().arrive(stack, name, packet, met)
        self.steps += 1
        if self.steps > MOST:
            return self.lost(stack, packet, Verdict("dropped", (), "it goes round in a ring"))
        self.say(stack, f"in by {name}{self._seen(packet)}", stack.devices[name].origin)
        return self._ask(stack, Question(stack.place, "in", name, _bare(packet), self._answered(stack, packet)))

    def send(self, stack: Stack, packet: Packet, owner: Owner | None, only: str | None = None) -> End:
        if not self._is_asked(stack):
            return super().send(stack, packet, owner, only)
        self.owner = owner
        if owner is None or owner.slice or only:
            raise NotAsked("packets of the kernel itself, or of a service's slice")
        by = f"{owner.user or 0}:{owner.group or 0}"
        return self._ask(stack, Question(stack.place, "out", by, _bare(packet), self._answered(stack, packet)))

    def _is_asked(self, stack: Stack) -> bool:
        if stack.place[0] in self.hosts.names:
            return True
        self.on_paper.add(stack.place[0])
        return False

    def _answered(self, stack: Stack, packet: Packet) -> Question | None:
        """The packet that this one answers."""
        for question, answer in self.here.get(stack.place, ()):
            if answer.is_answered_by(packet):
                return question
        return None

    def _ask(self, stack: Stack, question: Question) -> End:
        packet = question.packet
        if question.after is None and packet.sport != FIRST:
            raise NotAsked("answers that take another path than the question")
        if question.after is None and question.way == "out" and packet.source:
            raise NotAsked("programs that choose their source themselves")
        if question.after and question.after.after:
            raise NotAsked("packets that pass a host more than twice")
        answer = self.hosts.of(question)
        self.path.append((question, answer))
        self.here.setdefault(stack.place, []).append((question, answer))
        if question.way == "out" and self.began is None:
            self.began = answer.began
        return self._came_out(stack, question, answer)

    def _came_out(self, stack: Stack, question: Question, answer: Answer) -> End:
        if answer.kind == "lost":
            why = answer.why or (f"the answer is lost at {stack.name}" if question.after else "")
            return self.lost(stack, question.packet, Verdict("dropped", (), why))
        if answer.packet.source != question.packet.source and question.packet.source:
            source = self.shown(answer.packet.family, answer.packet.source)
            self.say(stack, f"source NAT: from {source}")
        if answer.kind == "got":
            self.say(stack, "reaches the host itself")
            return End("host", stack.place, answer.device, answer.packet)
        name = answer.device if answer.device in stack.devices or SOMEWHERE not in stack.devices else SOMEWHERE
        if name not in stack.devices:
            self.left.append((stack.place, name))
            self.unsure = f"it leaves {stack.name} by {name}, of which the topology says nothing"
            return self.lost(stack, answer.packet, Verdict("dropped", (), self.unsure))
        found = Found(name, (), next_hop=answer.next_hop)
        return self.wires.transmit(self, stack, stack.devices[name], answer.packet, found)


def _bare(packet: Packet) -> Packet:
    """As a wire carries it."""
    return replace(packet, mark=0)
