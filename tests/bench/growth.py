"""How time, memory and output grow with hosts, links and prefixes. The bar: neither faster than the output.

And how `netc check` grows with each table that a topology can have many of, beside the topology: n log n at most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from bench.curves import Curve, Point, drawn
from bench.figure import NETC, Bar, Command, Figure, away, beside, room
from bench.inputs import fleet, hub, listed, mesh
from bench.peers import CACHE
from bench.tables import FEW, TABLES, WRONG

RUNS = 3


def _written(text: Callable[[int], str]) -> Callable[[Path, int], Path]:
    def write(folder: Path, number: int) -> Path:
        folder.mkdir(parents=True)
        (folder / "topo.toml").write_text(text(number))
        return folder / "topo.toml"

    return write


KINDS: dict[str, tuple[Callable[[Path, int], Path], tuple[int, ...]]] = {
    "hosts of a mesh": (_written(mesh), (125, 250, 500, 1000)),
    "hosts with a firewall": (_written(fleet), (63, 125, 250, 500)),
    "links of a host": (_written(hub), (50, 100, 200, 400)),
    "prefixes of a list": (listed, (50_000, 100_000, 200_000, 400_000)),
}


SIZES, SMALL = (500, 1000, 2000, 4000), (30, 60, 120, 240)
"""Of a table; some can have no more than so many."""
DRAWN = ("acknowledged sets", "forwards", "publishes of a bridge")
FASTER = 1.25
"""From 500 to 4,000, n log n grows by so much more than n."""


def figures() -> Iterator[Figure]:
    curves: list[Curve] = []
    for kind, (make, numbers) in KINDS.items():
        points = tuple(_point(make, number) for number in numbers)
        curves.append(Curve(kind, points))
        first, last = points[0], points[-1]
        work, output = f"{first.number:,} to {last.number:,} {kind}", last.output / first.output
        for what, grows in (("time", last.seconds / first.seconds), ("memory", last.memory / first.memory)):
            yield Figure(work, f"{what} grows", "the output grows", grows, output, "×", Bar("most", 1))
    for kind in (*TABLES, *WRONG):
        points = tuple(_checked(kind, number) for number in (SMALL if kind in FEW else SIZES))
        if kind in DRAWN:
            curves.append(Curve(f"checked: {kind}", points, "of topology"))
        first, last = points[0], points[-1]
        work = f"{first.number:,} to {last.number:,} {kind}, checked"
        times, size = last.seconds / first.seconds, last.output / first.output
        yield Figure(work, "time grows", "the topology grows", times, size, "×", Bar("most", FASTER))
    (CACHE / "growth.svg").write_text(drawn(curves))


def _point(make: Callable[[Path, int], Path], number: int) -> Point:
    with room() as name:
        topo, out = make(Path(name) / "topo", number), Path(name) / "out"
        clear = partial(away, out)
        command = Command([*NETC, "build", str(topo), "-o", str(out)], before=clear)
        cost = beside(f"{number}", {"netc": command}, RUNS)["netc"]
        size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    return Point(number, cost.seconds, cost.memory, size / (1 << 20))


def _checked(kind: str, number: int) -> Point:
    """`output` is the size of the topology: a check has none."""
    with room() as name:
        topo = _written((TABLES | WRONG)[kind])(Path(name) / "topo", number)
        argv = [*NETC, "check", str(topo)]
        if kind in WRONG:  # which netc says by its exit code
            argv = ["sh", "-c", '"$@"; test $? = 1', "sh", *argv]
        cost = beside(f"{number} {kind}", {"netc": argv}, 1)["netc"]
        return Point(number, cost.seconds, cost.memory, topo.stat().st_size / (1 << 20))
