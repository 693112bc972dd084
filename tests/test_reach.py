"""Who is deployed to before whom: nothing is cut off by what was changed before it."""

from __future__ import annotations

import pytest

from netc.deploy.fleet import waves
from netc.network.interface import Network
from netc.network.reach import farthest_first
from netc.pipeline import understand

HOSTS = """
version = 1
network.name = "x"
[hosts]
hub = { id = 1, wan = "eth0", addresses = "198.51.100.1/24" }
home = { id = 2, endpoint = false }
shed = { id = 3, endpoint = false }
lone = { id = 4, endpoint = false }
edge = { id = 5, wan = "eth0", addresses = "198.51.100.5/24" }
"""
LINK = """
[links.{0}-{1}]
kind = "vxlan"
between = ["{0}", "{1}"]
ends.{0}.local = "198.51.100.{2}"
ends.{1}.local = "198.51.100.{3}"
ends.{0}.endpoint = "198.51.100.{2}"
ends.{1}.endpoint = "198.51.100.{3}"
"""
LINKS = LINK.format("hub", "home", 1, 2) + LINK.format("home", "shed", 2, 3) + LINK.format("hub", "edge", 1, 5)


def network(text: str) -> Network:
    return understand(text, "topo.toml", lambda name: name).network


def order(jumps: dict[str, str], links: str = LINKS) -> list[list[str]]:
    topology = network(HOSTS + links).topology
    names = {str(host): host for host in topology.hosts}
    groups = farthest_first(topology, {names[host]: names[jump] for host, jump in jumps.items()})
    return [[str(host) for host in group] for group in groups]


def test_hosts_behind_others_come_before_them() -> None:
    assert order({}, "") == [["hub", "home", "shed", "lone", "edge"]]
    assert order({}) == [["shed"], ["home"], ["hub", "lone", "edge"]]
    assert order({"hub": "edge"}) == [["shed"], ["home"], ["hub"], ["lone", "edge"]]


@pytest.mark.parametrize(
    "jumps",
    [
        {"lone": "edge"},
        {"hub": "edge"},
        {"edge": "lone", "hub": "edge"},
        {"edge": "shed"},
        {"hub": "edge", "home": "lone"},
    ],
)
def test_jump_hosts_come_after_the_hosts_behind_them(jumps: dict[str, str]) -> None:
    groups = order(jumps)
    place = {host: index for index, group in enumerate(groups) for host in group}
    assert sorted(place) == ["edge", "home", "hub", "lone", "shed"]
    for host, jump in jumps.items():
        assert place[host] < place[jump]


def test_an_order_exists_for_a_cycle_of_jump_hosts() -> None:
    groups = order({"hub": "edge", "edge": "hub"})
    assert sorted(host for group in groups for host in group) == ["edge", "home", "hub", "lone", "shed"]


def test_the_canary_comes_first_and_waves_have_at_most_the_given_size() -> None:
    assert list(waves([["a", "b", "c"], ["d", "e"]], "d", 2)) == [("d",), ("a", "b"), ("c",), ("e",)]
    assert list(waves([["a", "b"], []], None, 1)) == [("a",), ("b",)]
