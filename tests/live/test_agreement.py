"""What paper says of packets, kernels do: examples and random topologies, packets at the edges of classes."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from itertools import islice

import pytest

import night
from examples import ROOT
from live.agreement import agreed
from live.needs import LIVE, has_gre, missing, require
from mixed import Mixed, accepted, with_pairs, with_pairs_in
from netc.pipeline import understand

pytestmark = pytest.mark.live

DRAWN = 800 if night.is_night() else 40
PACKETS = 25
SYSTEMS = 80 if night.is_night() else 6
"""Those with an AS take longer: BIRD's routes are waited for."""
PLAIN = 40 if night.is_night() else 1
STOCK = {"gre", "ip6gre", "ipip", "sit", "6to4"}
"""Kinds of tunnels that not every kernel has."""
AS = {"bgp", "igp", "anycast"}


def example(name: str) -> Mixed:
    """With keys that somebody has, and without what only systemd makes."""
    folder = ROOT / "examples"
    text = re.sub(r"(?s)# All packets of this service.*", "", (folder / f"{name}.toml").read_text())
    text, private = with_pairs(text if has_gre() else without_gre(text))
    files = {path.name: with_pairs_in(path.read_text(), private) for path in folder.glob("*.[ct]*")}
    topology = tomllib.loads(text)
    for host in topology["hosts"].values():
        host.setdefault("tunnels", {})
    return Mixed(name, text, topology, files, understand(text, name, files.__getitem__).network, private)


def without_gre(text: str) -> str:
    """For a kernel that has none: with VXLAN there."""
    named = r'ends.\1.interface = "instead"\nends.\2.interface = "instead"'
    text = re.sub(
        r'kind = "gre"\nbetween = \["(.*)", "(.*)"\]',
        rf'kind = "vxlan"\nvni = 7\nbetween = ["\1", "\2"]\n{named}',
        text,
    )
    return text.replace('kind = "gre"', 'kind = "vxlan"').replace("remote = ", "vni = 8\nremote = ")


def drawn(seed: str, *, system: bool = False) -> Iterator[Mixed]:
    """With an AS or without."""
    return (made for made in accepted(seed, is_lab=True) if bool(AS & made.topology.keys()) == system)


def kinds(made: Mixed) -> Iterator[str]:
    for host in made.topology["hosts"].values():
        yield from (tunnel.get("kind", "wireguard") for tunnel in host.get("tunnels", {}).values())
    for what in ("links", "meshes"):
        yield from (each.get("kind", "wireguard") for each in made.topology.get(what, {}).values())


@pytest.mark.parametrize(
    "name",
    ["start", "slim-edge", "seedbox", "laptop", "laptop-iptables", "mesh", "first-peer", "dn42", "dn42-fake"]
    + (["uplinks"] if has_gre() else []),
)
def test_examples_do_what_paper_says(name: str) -> None:
    require(missing(LIVE))
    found = agreed(example(name), 60)
    print(found.figures)

    assert found.differences == []
    assert found.arrived > 10


@pytest.mark.parametrize("seed", [f"{night.seed()}-agree-{n}" for n in range(DRAWN)])
def test_random_topologies_do_what_paper_says(seed: str) -> None:
    require(missing(LIVE))
    found = agreed(next(islice(drawn(seed), 1)), PACKETS)
    print(found.figures)

    assert found.differences == []


@pytest.mark.parametrize("seed", [f"{night.seed()}-tunnels-{n}" for n in range(PLAIN if has_gre() else 0)])
def test_random_topologies_with_tunnels_of_stock_kernels_do_what_paper_says(seed: str) -> None:
    require(missing(LIVE))
    found = agreed(next(made for made in drawn(seed) if STOCK & set(kinds(made))), PACKETS)
    print(found.figures)

    assert found.differences == []


@pytest.mark.parametrize("seed", [f"{night.seed()}-system-{n}" for n in range(SYSTEMS)])
def test_random_systems_do_what_paper_says(seed: str) -> None:
    require(missing(LIVE))
    found = agreed(next(islice(drawn(seed, system=True), 1)), PACKETS)
    print(found.figures)

    assert found.differences == []
