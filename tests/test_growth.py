"""Whatever a topology has many of, right or wrong, nothing of netc takes longer than n log n. No clock is asked: lines
are counted, and what C goes over (tests/weighed.py)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import CodeType

import pytest

import weighed
from bench.tables import TABLES, WRONG
from netc.diagnostic import InvalidTopology
from netc.language.nearest import Names
from netc.pipeline import understand

LEAST = 16
"""Of the table, and then twice and four times as many."""
GROWS = 2.5
"""From twice to four times as many, a share of n log n grows by 2.3 times its growth before; one of n² by 4."""
PRINTED = 2
"""Hosts whose files are made; all are planned."""


def grown(at: Callable[[int], Callable[[], object]], home: str = weighed.HOME) -> list[str]:
    """Functions of which the work grows too fast."""
    at(4 * LEAST)()  # so that what is remembered of names and addresses is
    least, twice, much = (weighed.counted(at(times * LEAST), (home,)) for times in (1, 2, 4))
    return [
        f"{code.co_filename.removeprefix(home)}:{code.co_firstlineno} {code.co_qualname}: "
        f"{least[code]}, {twice[code]}, {count}"
        for code, count in much.items()
        if count > max(6 * LEAST, 2.1 * twice[code]) and count - twice[code] > GROWS * (twice[code] - least[code])
    ]


@pytest.fixture
def _netc() -> Iterator[None]:
    with weighed.weighed():
        yield


def _built(text: str) -> list[str]:
    """All that `netc build` does with a topology but writing, and what each form of report says of it; the codes."""
    from netc.diagnostic import InvalidTopology
    from netc.emit import emit
    from netc.pipeline import plan, understand  # those that are counted
    from netc.report import Format, render

    try:
        checked = understand(text, "topo.toml", str)
    except InvalidTopology as mistakes:
        diagnostics = mistakes.diagnostics
    else:
        diagnostics, network = checked.notes, checked.network
        for number, host in enumerate(sorted(network.topology.hosts)):
            planned = plan(host, network)
            if number < PRINTED:
                emit(planned)
    for form in Format:
        render(form, diagnostics, "topo.toml", text)
    return [diagnostic.code for diagnostic in diagnostics if diagnostic.severity == "error"]


@pytest.mark.parametrize("table", [*TABLES, *WRONG])
@pytest.mark.usefixtures("_netc")
def test_work_grows_at_most_as_n_log_n(table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from netc import workers

    monkeypatch.setattr(workers, "_processors", lambda: 1)
    text = (TABLES | WRONG)[table]

    assert bool(_built(text(LEAST))) == (table in WRONG)
    assert grown(lambda n: lambda: _built(text(n))) == []


FAST = {
    "sort once": "def work(n): return sorted(range(n), key=lambda one: -one)",
    "look up": "def work(n): there = {*range(n)}; return [one for one in range(n) if one in there]",
    "add": "def work(n):\n  found = []\n  for one in range(n): found += [one]",
}
SLOW = {
    "lines": "def work(n): return sum(a < b for a in range(n) for b in range(n))",
    "sorted": "def work(n): names = [*range(n)]; return [sorted(names) for _ in names]",
    "set of": "def work(n): names = [*range(n)]; return [one in set(names) for one in names]",
    "in a list": "def work(n): names = [*range(n)]; return [one in names for one in names]",
    "in values": "def work(n): names = dict.fromkeys(range(n)); return [one in names.values() for one in names]",
    "subset": "def work(n): names = {*range(n)}; return [names <= set() | names for _ in names]",
    "spread": "def work(n): names = [*range(n)]; return [[*map(str, names)] for _ in names]",
    "joined": "def work(n): names = [*map(str, range(n))]; return [', '.join(names) for _ in names]",
    "united": "def work(n): names = {*range(n)}; return [names | {1} for _ in names]",
    "cut": "def work(n): names = [*range(n)]; return [names[at:] for at in names]",
    "equal": "def work(n): names = [*range(n)]; other = [*names]; return [names == other for _ in names]",
    "tuple": "def work(n):\n  found = ()\n  for one in range(n): found += (one,)",
    "index": "def work(n): names = [*range(n)]; return [names.index(one) for one in names]",
}


@pytest.mark.parametrize("way", [*FAST, *SLOW])
def test_faster_growth_is_found(way: str) -> None:
    """Also where it is one line, or one call."""
    space: dict[str, Callable[[int], object]] = {**weighed.HOOKS}
    code: CodeType = weighed.compiled((FAST | SLOW)[way], "/drawn.py")
    exec(code, space)

    assert bool(grown(lambda n: lambda: space["work"](n), "/drawn")) == (way in SLOW)


@pytest.mark.parametrize(
    "wrong", ["edge-frnakfurt-117", "egde-frankfurt-117", "edge-frankfurt-11x7", "edg-frankfurt-117"]
)
def test_a_hint_is_found_among_many_names(wrong: str) -> None:
    """Not all of them are compared."""
    names = Names(f"edge-{town}-{n}" for town in ("frankfurt", "oslo", "lisbon") for n in range(500))

    assert names.did_you_mean(wrong) == "did you mean `edge-frankfurt-117`?"


def test_each_forward_of_the_same_port_is_reported_once() -> None:
    with pytest.raises(InvalidTopology) as raised:
        understand(WRONG["forwards of one port"](20), "topo.toml", str)

    assert len(raised.value.diagnostics) == 19
    assert {diagnostic.also for diagnostic in raised.value.diagnostics} == {(("forwards", "f0", "ports", 0),)}
