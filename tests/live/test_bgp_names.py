"""What an operator types into birdc, without quotes, and what BIRD logs of rejected routes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from live.compiled import compiled, install, script
from live.lab import Lab
from live.routers import birdc, faults, path, protocol_rows, start_bird
from live.test_bgp_operation import X4, Pair
from netc.lab.waiting import wait
from test_bird import HOSTILE, hostile

pytestmark = pytest.mark.live


def test_birdc_takes_every_name_without_quotes(lab: Lab, tmp_path: Path) -> None:
    host = install(lab, "a", compiled(hostile(), tmp_path))
    lab.switch("ext").plug(host, "ext0")
    host.run(script("loopback", "up"))
    log = start_bird(host)
    names = [row[0] for row in protocol_rows(host)[2:]]

    assert len(names) >= len(HOSTILE) + 5
    asked = "; ".join(f"echo == {name}; birdc -s /run/netc/bird.ctl show protocols all {name}" for name in names)
    said = re.split(r"(?m)^== ", host.run(["bash", "-c", asked]).stdout)[1:]
    assert [one for one in said if "Description:" not in one and not one.startswith("device1")] == []
    assert faults(log.said()) == []


def test_reasons_are_logged_on_demand_and_not_by_default(lab: Lab, tmp_path: Path) -> None:
    pair = Pair(lab, tmp_path, system='refuse = "172.20.9.0/24"')
    pair.up()
    assert path(pair.a, "172.20.9.0/24") is None
    assert "rejected from" not in pair.log.said()

    pair.change("log_rejects = true", system='refuse = "172.20.9.0/24"')
    pair.a.run(script("bird", "reload"))
    pair.log.wait_for(r"rejected from peer_x: 172.20.9.0/24 (path 4242420001): a refused range")
    assert X4 not in pair.log.said().partition("rejected from")[2]

    pair.change("", system='refuse = "172.20.9.0/24"')
    pair.a.run(script("bird", "reload"))
    before = pair.log.said().count("rejected from")
    birdc(pair.a, "reload in peer_x")
    wait(lambda: path(pair.a, X4))
    assert pair.log.said().count("rejected from") == before
