"""Curves as an SVG: a panel for each kind of growth, both axes logarithmic, so that twice as much is the same step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import log2

WIDTH, HEIGHT, MARGIN = 300, 220, 46
Series = tuple[str, str, Callable[["Point"], float]]


@dataclass(frozen=True, slots=True)
class Point:
    """Memory and output in MiB."""

    number: int
    seconds: float
    memory: float
    output: float


@dataclass(frozen=True, slots=True)
class Curve:
    kind: str
    points: tuple[Point, ...]
    size: str = "out"
    """What `output` is the size of."""


SERIES: tuple[Series, ...] = (
    ("time", "#1f6feb", lambda point: point.seconds),
    ("memory", "#d1242f", lambda point: point.memory),
    ("output", "#6e7781", lambda point: point.output),
)
"""Each as a multiple of its own first point."""


def drawn(curves: Sequence[Curve]) -> str:
    lines = [line for index, curve in enumerate(curves) for line in _panel(curve, index * (WIDTH + MARGIN) + MARGIN)]
    size = f'width="{len(curves) * (WIDTH + MARGIN) + MARGIN}" height="{HEIGHT + 3 * MARGIN}"'
    style = 'font-family="sans-serif" font-size="11" fill="#24292f"'
    return "\n".join(
        (f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>', _box(), *lines, *_legend(), "</svg>", "")
    )


def _box() -> str:
    return '<rect width="100%" height="100%" fill="#ffffff"/>'


def _panel(curve: Curve, left: float) -> Iterator[str]:
    first, last = curve.points[0], curve.points[-1]
    across = log2(last.number / first.number)
    up = max(1.0, *(log2(value(point) / value(first)) for _, _, value in SERIES for point in curve.points))

    def place(number: float, times: float) -> tuple[float, float]:
        x = left + WIDTH * log2(number / first.number) / across
        return x, MARGIN + HEIGHT * (1 - max(0.0, log2(times)) / up)

    yield f'<text x="{left + WIDTH / 2}" y="{MARGIN - 18}" text-anchor="middle" font-weight="bold">{curve.kind}</text>'
    yield f'<rect x="{left}" y="{MARGIN}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#d0d7de"/>'
    for point in curve.points:
        x, _ = place(point.number, 1)
        yield f'<text x="{x:.1f}" y="{MARGIN + HEIGHT + 16}" text-anchor="middle">{point.number:,}</text>'
    for step in range(int(up) + 1):
        _, y = place(first.number, 2**step)
        yield f'<line x1="{left}" x2="{left + WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="#eaeef2"/>'
        yield f'<text x="{left - 4}" y="{y + 4:.1f}" text-anchor="end">{2**step}×</text>'
    for _, colour, value in SERIES:
        path = [place(point.number, value(point) / value(first)) for point in curve.points]
        dots = " ".join(f"{x:.1f},{y:.1f}" for x, y in path)
        yield f'<polyline points="{dots}" fill="none" stroke="{colour}" stroke-width="2"/>'
    low, high = (f"{p.seconds:.2f} s, {p.memory:.0f} MiB, {p.output:.1f} MiB {curve.size}" for p in (first, last))
    yield f'<text x="{left}" y="{MARGIN + HEIGHT + 34}">{low}</text>'
    yield f'<text x="{left + WIDTH}" y="{MARGIN + HEIGHT + 50}" text-anchor="end">{high}</text>'


def _legend() -> Iterator[str]:
    for index, (name, colour, _) in enumerate(SERIES):
        x, y = MARGIN + 90 * index, HEIGHT + 3 * MARGIN - 14
        yield f'<line x1="{x}" x2="{x + 20}" y1="{y - 4}" y2="{y - 4}" stroke="{colour}" stroke-width="2"/>'
        yield f'<text x="{x + 26}" y="{y}">{name}</text>'
