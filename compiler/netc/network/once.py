"""A cache for functions of a whole network that are called again and again."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

Given = ParamSpec("Given")
Answer = TypeVar("Answer")

HELD = 2
"""Values that a function is called with in turns: a network, and the one before it was settled."""


def once(function: Callable[Given, Answer]) -> Callable[Given, Answer]:
    """Caches answers by the last argument, a frozen value that is compared by identity, and by the arguments before it.
    The cache holds only the newest HELD of these values, because it would keep all others in memory."""
    memory: list[tuple[object, dict[object, Answer]]] = []

    @wraps(function)
    def remembered(*given: Given.args, **named: Given.kwargs) -> Answer:
        *rest, value = given
        answers = next((answers for held, answers in memory if held is value), None)
        if answers is None:
            answers = {}
            memory.insert(0, (value, answers))
            del memory[HELD:]
        key = tuple(rest)
        if key not in answers:
            answers[key] = function(*given, **named)
        return answers[key]

    return remembered
