"""The bench counts right, says what it could not measure, and ends in 1 when a bar is missed. Nothing is timed here."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest

from bench import __main__ as bench
from bench import inputs
from bench.curves import Curve, Point, drawn
from bench.figure import NETC, Bar, Command, Figure, Missing, NotMeasured, alternate, beside, measured
from bench.report import as_json, markdown, missed
from examples import compiled

SLOW = Figure("work", "netc", "peer", 3.0, 2.0, "s", Bar("most", 1.2))
FAST = Figure("work", "netc", "peer", 1.0, 2.0, "s", Bar("most", 1.2))


@pytest.mark.parametrize(
    ("figure", "ratio", "holds"),
    [
        (SLOW, 1.5, False),
        (FAST, 0.5, True),
        (Figure("", "", "", 2.0, 2.0, "s", Bar("most", 1)), 1.0, True),
        (Figure("", "", "", 9.0, 10.0, "Gbit/s", Bar("least", 0.98)), 0.9, False),
        (Figure("", "", "", 9.9, 10.0, "Gbit/s", Bar("least", 0.98)), 0.99, True),
        (Figure("", "", "", 301.0, 1.0, "MiB", Bar("most", 300, of="value")), 301.0, False),
        (Figure("", "", "", 299.0, None, "MiB", Bar("most", 300, of="value")), None, True),
        (Figure("", "", "", 1.0, None, "s", Bar("most", 1)), None, False),
        (Figure("", "", "", 1.0, 2.0, "s"), 0.5, None),
    ],
)
def test_a_bar_limits_the_ratio_or_the_figure_of_netc(figure: Figure, ratio: float | None, holds: bool | None) -> None:
    assert figure.ratio == (pytest.approx(ratio) if ratio is not None else None)
    assert figure.holds is holds


def test_runs_alternate() -> None:
    said: list[str] = []
    alternate({"a": lambda: said.append("a"), "b": lambda: said.append("b")}, runs=3)

    assert "".join(said) == "ababab"


ALLOCATES = "import sys; data = bytearray(int(sys.argv[1]) << 20)"


def test_memory_is_that_of_the_largest_process_of_a_tree_and_not_ours() -> None:
    ours = bytearray(200 << 20)
    argv = [sys.executable, "-c", ALLOCATES]
    small = measured(Command([*argv, "0"]))
    below = measured(Command(["sh", "-c", '"$@" 100; "$@" 50; "$@" 0', "sh", *argv]))
    assert len(ours)

    assert small.memory < 60
    assert 100 < below.memory < 160


def test_a_command_runs_in_its_folder_and_its_output_is_kept(tmp_path: Path) -> None:
    said: list[str] = []
    command = Command(
        ["sh", "-c", "pwd; echo this"],
        folder=tmp_path,
        before=lambda: said.append("before"),
        output=tmp_path / "said",
    )
    beside("work", {"a": command}, runs=2)

    assert (tmp_path / "said").read_text() == f"{tmp_path}\nthis\n"
    assert said == ["before", "before"]


def test_a_command_that_fails_gives_no_figure() -> None:
    with pytest.raises(NotMeasured, match="work: sh failed: what went wrong"):
        beside("work", {"a": ["sh", "-c", "echo what went wrong >&2; exit 3"]}, runs=1)
    with pytest.raises(NotMeasured, match="No such file or directory: 'nothing-of-this-name'"):
        beside("work", {"a": ["nothing-of-this-name"]}, runs=1)
    with pytest.raises(RuntimeError, match=r"work: .* failed: "):
        beside("work", {"netc": [*NETC, "check", "/nothing"]}, runs=1)


def test_a_report_lists_missed_bars_and_what_was_not_measured() -> None:
    rows = {"one": (SLOW, FAST), "two": (Missing("throughput", "that needs root"),)}
    text = markdown(rows, {"commit": "abc"}, "growth.svg")

    assert "| work | netc | 3.00 s | peer | 2.00 s | 1.5 | at most 1.2× | **MISSED** |" in text
    assert "| work | netc | 1.00 s | peer | 2.00 s | 0.5 | at most 1.2× | holds |" in text
    assert "- not measured: throughput: that needs root" in text
    assert "(growth.svg)" in text
    assert missed(rows) == ["work"]
    assert missed({"one": (FAST,)}) == []
    data = json.loads(as_json(rows, {}))
    assert [one["holds"] for one in data["subjects"]["one"]] == [False, True]
    assert data["subjects"]["two"] == [{"work": "throughput", "why": "that needs root", "broken": False}]
    assert missed({"one": (Missing("growth", "netc failed", broken=True),)}) == ["growth"]


def subject(figures: list[Figure], error: Exception | None = None) -> SimpleNamespace:
    def taken() -> Iterator[Figure]:
        yield from figures
        if error:
            raise error

    return SimpleNamespace(__name__="bench.faked", figures=taken)


@pytest.mark.parametrize(
    ("module", "code", "words"),
    [
        (subject([FAST]), 0, "holds"),
        (subject([FAST, SLOW]), 1, "MISSED"),
        (subject([FAST], NotMeasured("that needs root")), 0, "not measured: faked: that needs root"),
        (subject([FAST], ValueError("oh")), 1, "not measured: faked: it broke: ValueError: oh"),
    ],
)
def test_the_command_writes_a_report_and_exits_with_its_result(
    module: SimpleNamespace, code: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "bench.faked", module)
    monkeypatch.setattr(bench, "SUBJECTS", ("faked",))
    monkeypatch.setattr(bench, "CACHE", tmp_path)

    assert bench.main([]) == code
    assert words in (tmp_path / "report.md").read_text()
    assert json.loads((tmp_path / "report.json").read_text())["subjects"]["faked"]
    assert bench.main(["nobody"]) == 2


@pytest.mark.parametrize("name", bench.SUBJECTS)
def test_every_subject_gives_figures(name: str) -> None:
    assert callable(import_module(f"bench.{name}").figures)


def test_netc_and_wg_meshconf_get_the_same_mesh() -> None:
    trees = compiled(inputs.mesh(20))
    rows = [line.split(",") for line in inputs.database(20).splitlines()]

    assert len(trees) == len(rows) - 1 == 20
    assert all(len(row) == len(rows[0]) for row in rows)
    conf = next(file.text for file in trees["h1"] if file.path.endswith("wireguard/wg-m.conf"))
    for name, address, endpoint, *_ in rows[2:]:
        assert f"# {name}\n" in conf
        assert f"AllowedIPs = {address}\n" in conf
        assert f"Endpoint = {endpoint}:51820\n" in conf


@pytest.mark.parametrize("text", [inputs.hub(5), inputs.fleet(3)])
def test_topologies_that_are_measured_compile(text: str) -> None:
    assert compiled(text)


def test_generated_prefixes_are_distinct() -> None:
    lines = inputs.prefixes(70_000).splitlines()

    assert len(set(lines)) == 70_000


def test_curves_are_drawn_as_svg() -> None:
    points = tuple(Point(n, 0.4 + n / 100, 40 + n / 10, n / 50) for n in (125, 250, 500, 1000))
    picture = ElementTree.fromstring(drawn([Curve("hosts", points), Curve("links", points)]))

    assert picture.tag.endswith("svg")
    assert len(picture.findall("{*}polyline")) == 6
