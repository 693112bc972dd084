"""All hosts: their order, how many change at the same time, and when to stop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from netc.deploy.host import FINE, Outcome, Result


def waves(groups: Sequence[Sequence[str]], canary: str | None, limit: int) -> Iterator[tuple[str, ...]]:
    """Hosts that are changed at the same time: the canary alone, then `limit` of a group at most."""
    if canary:
        yield (canary,)
    for group in groups:
        rest = [host for host in group if host != canary]
        for start in range(0, len(rest), limit):
            yield tuple(rest[start : start + limit])


def roll_out(order: Sequence[Sequence[str]], install: Callable[[str], Result]) -> list[Result]:
    """The result of every host, in order. After a wave in which a host is not confirmed, no other wave begins."""
    results: list[Result] = []
    for wave in order:
        if all(result.outcome in FINE for result in results):
            with ThreadPoolExecutor(len(wave)) as pool:
                results += pool.map(install, wave)
        else:
            results += (Result(host, Outcome.NOT_BEGUN) for host in wave)
    return results


def revert(results: Sequence[Result], back: Callable[[str, str, str], Result]) -> list[Result]:
    """Rolls back the confirmed hosts, the last one first. If one fails, it continues with the others."""
    after = {
        result.host: back(result.host, result.before, result.now)
        for result in reversed(results)
        if result.outcome is Outcome.CONFIRMED
    }
    return [after.get(result.host, result) for result in results]


def table(results: Sequence[Result]) -> str:
    rows = [("host", "outcome", "before", "now", "")]
    rows += ((r.host, str(r.outcome), r.before or "-", r.now or "-", r.why) for r in results)
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join((*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[4])).rstrip()
        for row in rows
    )
