"""How time, memory and output grow with hosts, links and prefixes. The bar: neither faster than the output."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from bench.curves import Curve, Point, drawn
from bench.figure import NETC, Bar, Command, Figure, away, beside, room
from bench.inputs import fleet, hub, listed, mesh
from bench.peers import CACHE

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


def figures() -> Iterator[Figure]:
    curves = []
    for kind, (make, numbers) in KINDS.items():
        points = tuple(_point(make, number) for number in numbers)
        curves.append(Curve(kind, points))
        first, last = points[0], points[-1]
        work, output = f"{first.number:,} to {last.number:,} {kind}", last.output / first.output
        for what, grows in (("time", last.seconds / first.seconds), ("memory", last.memory / first.memory)):
            yield Figure(work, f"{what} grows", "the output grows", grows, output, "×", Bar("most", 1))
    (CACHE / "growth.svg").write_text(drawn(curves))


def _point(make: Callable[[Path, int], Path], number: int) -> Point:
    with room() as name:
        topo, out = make(Path(name) / "topo", number), Path(name) / "out"
        clear = partial(away, out)
        command = Command([*NETC, "build", str(topo), "-o", str(out)], before=clear)
        cost = beside(f"{number}", {"netc": command}, RUNS)["netc"]
        size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    return Point(number, cost.seconds, cost.memory, size / (1 << 20))
