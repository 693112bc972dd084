"""What tests are made with: draws, and waiting. Nothing is timed here."""

from __future__ import annotations

import pytest

import night
from netc.lab import waiting

EVERY = [f"moment {number}" for number in range(100)]


@pytest.fixture
def day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(night, "_seed", None)


@pytest.mark.usefixtures("day")
def test_a_run_by_day_draws_the_same_twentieth_each_time() -> None:
    chosen = night.some(EVERY)

    assert len(chosen) == 5
    assert chosen == night.some(EVERY)
    assert set(chosen) < set(EVERY)
    assert chosen == [each for each in EVERY if each in chosen]
    assert night.some(EVERY[1:]) != chosen
    assert (night.number(20_000), night.number(3)) == (1000, 1)
    assert (len(night.some(EVERY, least=9)), night.some(EVERY[:3]), night.some([])) == (9, night.some(EVERY[:3]), [])
    assert len(night.some(EVERY[:3])) == 1


def test_a_run_by_night_draws_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(night, "_seed", "7")

    assert night.some(EVERY) == EVERY
    assert night.number(20_000) == 20_000
    assert night.seed() == "7"


def test_a_slow_machine_polls_as_often(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []
    monkeypatch.setattr(waiting.time, "sleep", lambda _: None)

    assert not waiting.within(3, lambda: looks.append(1))
    assert len(looks) == 31
    assert waiting.within(3, lambda: len(looks) > 40 or looks.append(1))
    with pytest.raises(waiting.Late, match="not within 3 s"):
        waiting.wait(lambda: False, 3)
