"""The steps of a part, collected from its facts in the order in which `up` runs them, and what else scripts need."""

from __future__ import annotations

from collections.abc import Iterator

from netc.plan.facts.fact import Change, Verb
from netc.plan.host_plan import Part
from netc.plan.step import Command, Step


def steps(part: Part) -> tuple[Step, ...]:
    """`up` runs them in this order, `down` in the reverse of it."""
    return tuple(step for fact in part.facts for step in fact.steps())


def asks(part: Part) -> Iterator[Command]:
    """What must hold before anything is touched: programs, then names that have to be free, then secrets."""
    yield from dict.fromkeys(command for fact in part.facts for command in fact.needs())
    for fact in part.facts:
        yield from fact.asks()
    for fact in part.facts:
        yield from (("secret", secret.key) for secret in fact.secrets())


def questions(part: Part) -> tuple[Command, ...]:
    """What `check` asks, each once: whether its steps hold, and what else its facts ask."""
    held = (asked for step in steps(part) for asked in step.holds)
    return tuple(dict.fromkeys((*held, *(asked for fact in part.facts for asked in fact.questions()))))


def reload(part: Part) -> Iterator[Command]:
    """What can change while the part is up; nothing where nothing can."""
    for fact in part.facts:
        yield from fact.reload()


def change(part: Part) -> Change:
    """What a new `up` asks of a part: a restart, as soon as one of its facts does."""
    asked = {fact.change for fact in part.facts} or {"restart"}
    ordered: tuple[Change, ...] = ("restart", "retire", "reload")
    return next(change for change in ordered if change in asked)


def libraries(part: Part, verb: Verb) -> tuple[str, ...]:
    """Shell that its script needs beside steps.bash, each once."""
    named = (library for fact in part.facts for library in fact.libraries() if verb in library.verbs)
    return tuple(dict.fromkeys(library.name for library in named))
