"""Results of a lab in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netc.lab.promises import Result

SHOWN = 3
"""Packets that break one promise. Others are counted."""


def report(results: Sequence[Result]) -> Iterator[str]:
    """A line for each promise, and more for one that does not hold."""
    width = max((len(result.text) for result in results), default=0)
    for result in results:
        said = f"{result.state:13}  {result.text:{width}}  {_packets(result)}"
        yield said.rstrip()
        yield from (f"{'':13}  {line}" for line in faults(result))
        yield from (f"{'':13}  not tried: {line}" for line in untried(result))


def _packets(result: Result) -> str:
    return f"{result.tried} of {result.classes} classes of packets" if result.classes else ""


def faults(result: Result) -> Iterator[str]:
    for fault in result.faults[:SHOWN]:
        yield f"{fault.packet} breaks `{fault.key}`"
        yield f"  here:     {fault.here}"
        yield f"  on paper: {fault.paper}"
    if len(result.faults) > SHOWN:
        yield f"and {len(result.faults) - SHOWN} more"


def untried(result: Result) -> Iterator[str]:
    for why, count in sorted(result.untried.items()):
        yield f"{why} ({count})" if count > 1 else why


def total(results: Sequence[Result]) -> str:
    states = [result.state for result in results]
    counts = [f"{states.count(state)} {word}" for state, word in WORDS.items() if state in states]
    return f"{', '.join(counts)}; {sum(result.tried for result in results)} packets"


WORDS = {"holds": "hold", "does not hold": "do not hold", "not tried": "not tried"}
