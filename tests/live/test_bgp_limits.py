"""More routes than a neighbour should have are a mistake, of theirs or of ours, and go no further."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from live.compiled import script
from live.frr import FarEnd, far_ends
from live.lab import Host, Lab
from live.routers import birdc, path, protocols, start_bird
from live.test_bgp_operation import X4, Pair, since
from netc.lab.waiting import wait

pytestmark = pytest.mark.live

REFUSED = "".join(f"route 192.0.{n}.0/24 unreachable; " for n in range(6))
"""A leak of what nobody in DN42 lets in."""


def kept(host: Host) -> int:
    """Routes that x is remembered to have said, let in or not."""
    total = 0
    for which in ("", "filtered "):
        said = birdc(host, f"show route count {which}table master4 protocol peer_x")
        found = re.search(r"(?m)^(\d+) of", said)
        total += int(found[1]) if found else 0
    return total


def met(pair: Pair) -> None:
    """The session is there, whatever came by it."""
    for part in ("edge-ext0", "loopback"):
        pair.a.run(script(part, "up"))
    start_bird(pair.a)
    pair.x.start()
    pair.x.settled()


@far_ends
def test_a_receive_limit_counts_rejected_routes_and_blocks_the_excess(
    lab: Lab, tmp_path: Path, far_end: FarEnd
) -> None:
    pair = Pair(lab, tmp_path, "limit = { ipv4 = 5 }", far_end=far_end)
    pair.x.announce(REFUSED)
    met(pair)
    wait(lambda: kept(pair.a) == 5)
    assert kept(pair.a) == 5
    assert protocols(pair.a)["peer_x"] == "Established"
    assert re.search(r"Receive limit: +5 \[HIT\]", birdc(pair.a, "show protocols all peer_x"))

    began = since(pair.a)
    pair.change("limit = { ipv4 = 50 }")
    pair.a.run(script("bird", "reload"))
    wait(lambda: kept(pair.a) == 8)
    assert since(pair.a) == began
    assert path(pair.a, X4)


ROA4 = f"route {X4} max 24 as 4242420001;\n"


def test_a_session_over_its_limit_ends_if_the_action_is_disable(lab: Lab, tmp_path: Path) -> None:
    pair = Pair(lab, tmp_path, 'limit = { ipv4 = 6, action = "disable" }', 'roa = { ipv4 = "/etc/bird/roa4.conf" }')
    pair.a.write("/etc/bird/roa4.conf", ROA4)
    pair.up()
    leak = f"protocol static leak {{ ipv4; {REFUSED} }}\n"
    pair.x.host.write("/run/netc/neighbour.conf", pair.x.config + leak)
    birdc(pair.x.host, "configure")
    wait(lambda: protocols(pair.a)["peer_x"] != "Established")
    wait(lambda: path(pair.a, X4) is None)
    assert "limit" in birdc(pair.a, "show protocols all peer_x")


def test_an_export_limit_ends_a_session_that_we_leak_into(lab: Lab, tmp_path: Path) -> None:
    """Told inside alone, it is leaked here by hand: a filter that says nothing stands for a mistake."""
    pair = Pair(lab, tmp_path, 'export_limit = { ipv4 = 1, action = "disable" }')
    met(pair)
    wait(lambda: path(pair.x.host, "172.20.16.0/27") == "4242422547")

    conf = pair.a.read("/etc/netc/bird.conf")
    leak = "protocol static leak4 { ipv4; route 172.20.5.0/24 unreachable; }\n"
    end = conf.index("[ 172.20.16.0/27 ]", conf.index("function export_customers"))
    leaky = conf[:end] + "[ 172.20.0.0/16+ ]" + conf[end + len("[ 172.20.16.0/27 ]") :]
    pair.a.write("/etc/netc/bird.conf", leaky + leak)
    birdc(pair.a, "configure")
    wait(lambda: protocols(pair.a)["peer_x"] != "Established")
    assert path(pair.x.host, "172.20.5.0/24") is None
