"""The name that somebody meant, of those that there are."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from difflib import get_close_matches


class Names:
    """Names that there are, asked for the one that somebody meant: by as many wrong words as there are names."""

    NEAR = 8
    """Names on each side of a word among those that begin alike, and as many that end alike."""

    def __init__(self, known: Iterable[str]) -> None:
        self._known = frozenset(known)
        self.every: Sequence[str] = sorted(self._known)
        self._turned: list[str] = []

    def __contains__(self, name: str) -> bool:
        return name in self._known

    def did_you_mean(self, word: str) -> str:
        """A hint that names the nearest of them, or nothing."""
        close = get_close_matches(word[:100].lower(), self._near(word[:100].lower()), n=1, cutoff=0.6)
        return f"did you mean `{close[0]}`?" if close else ""

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


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint that names the nearest of `known`, or nothing."""
    return Names(known).did_you_mean(word)
