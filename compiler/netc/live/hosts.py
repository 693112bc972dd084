"""Asks hosts over ssh, all at the same time. What a host answers is not trusted: it has the form that `host.bash`
prints, or counts as no answer."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from netaddr import AddrFormatError

from netc.deploy.carrier import Carrier, plain
from netc.emit.render import plain as template
from netc.language.names import HostName
from netc.live.question import AT_ONCE, FIRST, Addresses, Answer, Question, line, read, sets
from netc.walk.stack import Place

SECONDS = 120
"""Until a host counts as one that does not answer."""
HOSTS_AT_ONCE = 32
BUSY = "its answer is not that of a host that netc asks"


class Waiting(Exception):
    """The answer is not there yet."""


class NotAsked(Exception):
    """Why a host cannot be asked."""


RUN = 'text=$(head -c "$1") && exec bash -c "$text" netc "${@:2}"'
"""The program comes by standard input, before the questions: it is in no file there, and logs of sudo stay short."""


def program() -> bytes:
    return template("bash/walk.bash").encode() + Path(__file__).with_name("host.bash").read_bytes()


def said(carrier: Carrier, host: str, verb: str, given: Sequence[str]) -> list[str] | str:
    """The lines that a host prints, or why there are none."""
    text, code = "".join(f"{one}\n" for one in given), program()
    answer = carrier.run(host, RUN, (str(len(code)), verb), code + text.encode(), limit=SECONDS)
    lines = ["\t".join(plain(word.encode()) for word in one.split("\t")) for one in answer.out.split("\n")][:-1]
    if answer.status != 0 or not lines or lines[-1] != "end":
        return answer.last or f"the questions ended with status {answer.status}"
    return lines


def by_space(lines: Iterable[str]) -> dict[str, list[str]]:
    """What a host prints of each of its network namespaces; `-` is its own."""
    found: dict[str, list[str]] = {}
    kept: list[str] = []
    for one in lines:
        if one.startswith("space "):
            kept = found.setdefault(one.removeprefix("space "), [])
        else:
            kept.append(one)
    return found


def _about(number: int, what: str, lines: Iterable[str]) -> str:
    """What a host says of one packet."""
    head = f"{what} {number} "
    return next((one.removeprefix(head) for one in lines if one.startswith(head)), "")


def unasked(lines: Iterable[str]) -> str:
    """What of a stack could not be copied; empty if all of it was."""
    rows = [one.split("\t") for one in lines if one.startswith("unasked\t")]
    return "; ".join(f"{row[1]}: {row[2]}" for row in rows if len(row) == 3)


@dataclass
class Hosts:
    """`why_not`: hosts and stacks that could not be asked. `real` and `paper`: addresses for which paper has stand-ins,
    and the reverse. An answer is kept: each question is asked once."""

    carrier: Carrier
    names: Collection[HostName]
    why_not: dict[Place, str] = field(default_factory=dict)
    real: Addresses = field(default_factory=dict)
    paper: Addresses = field(default_factory=dict)
    answers: dict[Question, Answer] = field(default_factory=dict)
    wanted: dict[Question, None] = field(default_factory=dict)

    def of(self, question: Question) -> Answer:
        """Raises Waiting, NotAsked."""
        for place in ((question.place[0], None), question.place):
            if why := self.why_not.get(place):
                raise NotAsked(f"{'/'.join(filter(None, place))}: {why}")
        answer = self.answers.get(question)
        if answer is None:
            self.wanted[question] = None
            raise Waiting
        if answer.kind == "unasked":
            raise NotAsked(f"{'/'.join(filter(None, question.place))}: {answer.why}")
        return answer

    def ask(self) -> None:
        """All that is wanted."""
        for _, batch, lines in self._called("ask", self.wanted):
            if isinstance(lines, str):
                self.answers |= {one: Answer("unasked", one.packet, why=lines) for one in batch}
                continue
            try:
                self._heard(batch, by_space(lines))
            except (ValueError, IndexError, AddrFormatError):
                self.answers |= {one: Answer("unasked", one.packet, why=BUSY) for one in batch}
        self.wanted = {}

    def _heard(self, batch: Sequence[Question], spaces: Mapping[str, list[str]]) -> None:
        known = {space: sets(lines) for space, lines in spaces.items()}
        for number, one in enumerate(batch):
            space = one.place[1] or "-"
            lines = spaces.get(space, [])
            why = _about(number, "nobody", lines) or unasked(lines)
            missing = _about(number, "missing", lines)
            if "absent" in lines:
                self.answers[one] = Answer("lost", one.packet, why=f"there is no namespace {space}")
            elif missing:
                self.answers[one] = Answer("lost", one.packet, why=missing)
            elif why or not any(text == "phase 2" for text in lines):
                self.answers[one] = Answer("unasked", one.packet, why=why or BUSY)
            else:
                self.answers[one] = read(number, one, known[space], self.paper)

    def reasons(self, questions: Iterable[Question]) -> dict[Question, tuple[str, str]]:
        """The rule that dropped each, if one did, and the route that the host has for it, in the host's own words."""
        found: dict[Question, tuple[str, str]] = {}
        for _, batch, lines in self._called("why", questions):
            for number, one in enumerate(batch) if not isinstance(lines, str) else ():
                port = str(FIRST + number)
                column = 2 if one.after else 1
                drops = [text.split(" ", 3) for text in lines if text.startswith("drop ") and "netc_walk" not in text]
                rule = next((words[3] for words in drops if len(words) == 4 and words[column] == port), "")
                route = next((text for text in lines if text.startswith(f"route {number} ")), "")
                found[one] = rule, route.removeprefix(f"route {number} ").strip()
        return found

    def _called(
        self, verb: str, questions: Iterable[Question]
    ) -> Iterator[tuple[HostName, list[Question], list[str] | str]]:
        by_host: dict[HostName, list[Question]] = {}
        for one in questions:
            by_host.setdefault(one.place[0], []).append(one)
        batches = [
            (host, asked[start : start + AT_ONCE])
            for host, asked in by_host.items()
            for start in range(0, len(asked), AT_ONCE)
        ]

        def call(one: tuple[HostName, list[Question]]) -> list[str] | str:
            host, batch = one
            return said(self.carrier, host, verb, [line(n, asked, self.real) for n, asked in enumerate(batch)])

        with ThreadPoolExecutor(min(HOSTS_AT_ONCE, len(batches) or 1)) as pool:
            for (host, batch), lines in zip(batches, pool.map(call, batches), strict=True):
                yield host, batch, lines
