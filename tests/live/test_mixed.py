"""What netc accepts comes up, has all that it asks for, and goes down without a trace: random topologies."""

from __future__ import annotations

import pytest

import night
from live.mixed import tried
from live.needs import LIVE, missing, require
from mixed import accepted

pytestmark = pytest.mark.live

UP = 200 if night.is_night() else 5


@pytest.mark.parametrize("seed", [f"{night.seed()}-{n}" for n in range(UP)])
def test_a_random_topology_comes_up_and_goes_down(seed: str) -> None:
    require(missing(LIVE))
    assert tried(next(accepted(seed, is_lab=True))) == {}
