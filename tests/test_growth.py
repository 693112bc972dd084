"""Whatever a topology has many of, no line of netc runs more often than n log n. Lines are counted, and no clock."""

from __future__ import annotations

import gc
import sys
from collections import Counter
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

import pytest

import netc
from bench.tables import TABLES
from netc import workers
from netc.pipeline import understand

LEAST = 16
"""Of the table, and then twice and four times as many."""
GROWS = 2.5
"""From twice to four times as many, a share of n log n grows by 2.3 times its growth before; one of n² by 4."""
HOME = netc.__file__.rpartition("/")[0]


def counted(work: Callable[[], object]) -> Counter[CodeType]:
    """How many lines each function of netc ran, and what is not Python's that it called."""
    found: Counter[CodeType] = Counter()

    def line(frame: FrameType, _event: str, _arg: Any) -> Any:
        if not frame.f_code.co_filename.startswith(HOME):
            return None
        found[frame.f_code] += 1
        return line

    def call(frame: FrameType, event: str, _arg: Any) -> None:
        if event == "c_call" and frame.f_code.co_filename.startswith(HOME):
            found[frame.f_code] += 1

    before = sys.gettrace(), sys.getprofile()
    gc.disable()
    sys.setprofile(call)
    sys.settrace(line)
    try:
        work()
    finally:
        sys.settrace(before[0])
        sys.setprofile(before[1])
        gc.enable()
    return found


def grown(at: Callable[[int], Callable[[], object]]) -> list[str]:
    """Functions of which the work grows too fast."""
    at(4 * LEAST)()  # so that what is remembered of names and addresses is
    least, twice, much = (counted(at(times * LEAST)) for times in (1, 2, 4))
    return [
        f"{code.co_filename.removeprefix(HOME)}:{code.co_firstlineno} {code.co_qualname}: "
        f"{least[code]}, {twice[code]}, {count}"
        for code, count in much.items()
        if count > max(6 * LEAST, 2.1 * twice[code]) and count - twice[code] > GROWS * (twice[code] - least[code])
    ]


@pytest.mark.parametrize("table", TABLES)
def test_work_grows_as_what_there_is(table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_processors", lambda: 1)

    assert grown(lambda n: lambda: understand(TABLES[table](n), "topo.toml", str)) == []


def test_what_grows_faster_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were each set compared with all others, it would be told."""
    monkeypatch.setattr(sys.modules[__name__], "HOME", __file__)

    def squared(n: int) -> int:
        return sum(a < b for a in range(n) for b in range(n))

    def sorted_first(n: int) -> list[int]:
        return sorted(range(n), key=lambda one: -one)

    assert "squared" in "".join(grown(lambda n: lambda: squared(n)))
    assert grown(lambda n: lambda: sorted_first(n)) == []
