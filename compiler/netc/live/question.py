"""What a host is asked, and what it answers: one packet that comes to one of its network stacks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal

from msgspec import Struct
from netaddr import IPAddress

from netc.language.values import Family
from netc.walk.packet import NAMES, Flow, Packet, turned
from netc.walk.stack import Place

FIRST = 61000
"""The source port of every packet, until a host numbers those that it sends (`host.bash`)."""
AT_ONCE = 900
"""Packets that a host sends in one go."""


class Question(Struct, frozen=True):
    """What becomes of a packet. `in`: it comes by the interface `by`. `out`: a program sends it, whose user and group
    are `by`; with source 0 the kernel chooses. `after`: it answers this one."""

    place: Place
    way: Literal["in", "out"]
    by: str
    packet: Packet
    after: Question | None = None


class Answer(Struct, frozen=True):
    """`got`: the stack itself, by `device`. `left`: by `device`, towards `next_hop`. `lost`: it comes out nowhere.
    `unasked`: nobody knows, and `why` says why. `began` is the source that the packet was sent from."""

    kind: Literal["got", "left", "lost", "unasked"]
    packet: Packet
    device: str = ""
    next_hop: int = 0
    began: int = 0
    why: str = ""

    def is_answered_by(self, packet: Packet) -> bool:
        flow: Flow = self.packet.tuple_
        return self.kind in ("got", "left") and packet.family == self.packet.family and turned(flow) == packet.tuple_


Addresses = dict[tuple[Family, int], int]
"""Where paper has a stand-in, the address that the host really has."""


def line(number: int, question: Question, real: Addresses) -> str:
    """As `host.bash` reads it."""
    first = question.after or question
    packet = first.packet
    words = [number, first.place[1] or "-", first.way, first.by, packet.family, NAMES[packet.protocol]]
    words += [_ip(packet, packet.source, real) if packet.source else "-", _ip(packet, packet.to, real)]
    words += ["-", packet.dport]
    if question.after:
        back = question.packet
        words += [question.way, question.by if question.way == "in" else "-"]
        words += [_ip(back, back.source, real), _ip(back, back.to, real), back.sport]
    return " ".join(map(str, words))


def _ip(packet: Packet, number: int, real: Addresses) -> str:
    return str(IPAddress(real.get((packet.family, number), number), packet.family))


# ---- answers ---------------------------------------------------------------------------------------------------

Sets = dict[tuple[int, str], list[list[str]]]
"""By the phase and the name of a set, the words of its elements."""


def sets(lines: Sequence[str]) -> Sets:
    found: Sets = {}
    phase, name = 0, ""
    for text in lines:
        if heading := re.fullmatch(r"phase ([12])", text):
            phase = int(heading[1])
        elif text.startswith("set "):
            name = text.removeprefix("set ")
        elif re.match(r"\s*(elements = \{ )?\d+ \. \d+ \. ", text):
            kept = found.setdefault((phase, name), [])
            for element in text.replace("elements = {", "").strip(" \t{}").split(","):
                if element.strip(" \t{}"):
                    kept.append([word.strip(' "') for word in element.strip(" \t{}").split(" . ")])
    return found


def read(number: int, question: Question, known: Sets, paper: Addresses) -> Answer:
    """`paper`: the stand-ins of real addresses."""
    phase = 2 if question.after else 1
    column = 1 if question.after else 0
    port = str(FIRST + number)

    def own(name: str) -> Iterator[list[str]]:
        return (words for words in known.get((phase, name), ()) if len(words) > 2 and words[column] == port)

    packet = question.packet
    began = next((_number(words[2], packet, paper) for words in own("begun")), packet.source)
    if question.way == "in" and next(own("came"), None) is None:
        return Answer("unasked", packet, why=f"no packet came into the copy by {question.by}")
    ends = next(own("ends"), None)
    got, left = next(own("got"), None), next(own("way"), None)
    if ends is None or not (got or left):
        return Answer("lost", packet, began=began)
    sport, dport = (FIRST if int(word) == FIRST + number else int(word) for word in ends[:2])
    source, to = (_number(word, packet, paper) for word in ends[2:4])
    seen = Packet(packet.family, packet.protocol, source, to, sport, dport)
    if got:
        return Answer("got", seen, got[2], began=began)
    assert left is not None
    marked = Packet(packet.family, packet.protocol, source, to, sport, dport, int(left[3], 16))
    return Answer("left", marked, left[2], _number(left[4], packet, paper), began)


def _number(text: str, packet: Packet, paper: Addresses) -> int:
    number = int(IPAddress(text))
    return paper.get((packet.family, number), number)
