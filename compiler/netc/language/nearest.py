"""The name that was meant by one that there is not."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from difflib import get_close_matches


class Names:
    """Finds the existing name that a wrong word is meant to be. There may be as many wrong words as names."""

    NEAR = 8
    """Names on each side of a word among those that begin alike, and as many that end alike."""

    def __init__(self, known: Iterable[str]) -> None:
        self._known = frozenset(known)
        self.every: Sequence[str] = sorted(self._known)
        self._turned: list[str] = []

    def __contains__(self, name: str) -> bool:
        return name in self._known

    def did_you_mean(self, word: str, cutoff: float = 0.6) -> str:
        """A hint that names the nearest of them, or nothing."""
        close = self.nearest(word, cutoff)
        return f"did you mean `{close}`?" if close else ""

    def nearest(self, word: str, cutoff: float = 0.6) -> str:
        word = word[:100].lower()
        return next(iter(get_close_matches(word, self._near(word), n=1, cutoff=cutoff)), "")

    def _near(self, word: str) -> Sequence[str]:
        """All of a few. Of many those that are sorted beside it: what has one letter wrong is right before or behind
        it, most of the word."""
        if len(self.every) <= 2 * self.NEAR:
            return self.every
        self._turned = self._turned or sorted(name[::-1] for name in self.every)
        back = (name[::-1] for name in self._beside(word[::-1], self._turned))
        return sorted({*self._beside(word, self.every), *back})

    def _beside(self, word: str, names: Sequence[str]) -> Sequence[str]:
        at = bisect_left(names, word)
        return names[max(at - self.NEAR, 0) : at + self.NEAR]


def did_you_mean(word: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """A hint that names the nearest of `known`, or nothing."""
    return Names(known).did_you_mean(word, cutoff)
