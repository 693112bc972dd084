"""How long an external session is away after its link was: BIRD's own waits are a minute and more."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from live.frr import FarEnd, far_ends
from live.lab import Host, Lab
from live.routers import THERE, birdc, protocols
from live.test_bgp_operation import Pair
from netc.lab.waiting import wait

pytestmark = pytest.mark.live

MOST = 15.0
"""Seconds."""

SILENT = "table inet cut { chain in { type filter hook input priority -300; iifname ext0 drop; }; }"


def lose_carrier(far: Host) -> Callable[[], None]:
    far.run(["ip", "link", "set", "ext0", "down"])

    def back() -> None:
        far.run(["ip", "link", "set", "ext0", "up"])
        far.run(["ip", "address", "replace", f"{THERE}/64", "dev", "ext0", "nodad"])

    return back


def lose_packets(far: Host) -> Callable[[], None]:
    """As on a tunnel, which has a carrier whatever happens on its way."""
    far.write("/tmp/cut.nft", SILENT)
    far.run(["nft", "-f", "/tmp/cut.nft"])
    return lambda: void(far.run(["nft", "delete", "table", "inet", "cut"]))


def void(_: object) -> None:
    pass


@pytest.mark.parametrize(
    ("lose", "more", "far"),
    [
        pytest.param(lose_carrier, "", "", id="carrier"),
        pytest.param(lose_packets, "", "hold time 9;", id="hold-time"),
        pytest.param(lose_packets, "bfd = true", "bfd on;", id="bfd"),
    ],
)
@far_ends
def test_an_external_session_is_back_within_15_s(
    lab: Lab, tmp_path: Path, lose: Callable[[Host], Callable[[], None]], more: str, far: str, far_end: FarEnd
) -> None:
    pair = Pair(lab, tmp_path, more, far=far, far_end=far_end)
    pair.x.config += "protocol bfd b1 { }\n"
    pair.up()
    took = []
    for _ in range(3):  # BIRD doubles its wait with each error
        wait(lambda: "bfd on" not in far or " Up " in birdc(pair.a, "show bfd sessions"))
        back = lose(pair.x.host)
        wait(lambda: protocols(pair.a)["peer_x"] != "Established", 60)
        back()
        began = time.monotonic()
        wait(lambda: protocols(pair.a)["peer_x"] == "Established", 120)
        took.append(time.monotonic() - began)
    print("an external session is back after a flap:", ", ".join(f"{one:.1f} s" for one in took))

    assert max(took) <= MOST
