"""What an earlier release took, this one takes: its topologies compile, and into a folder that it has written."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from examples import Ran, differences, netc, tree
from netc.language.changed import Change
from upgrade.kept import HERE, RELEASES, TOPOLOGIES, each_release, unpacked


@each_release
@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_a_topology_compiles_as_it_was_written_then(tmp_path: Path, release: str, topology: str) -> None:
    kept = unpacked(release, topology, tmp_path)
    into, fresh = (netc("build", kept / "topo.toml", "-o", kept / folder) for folder in ("out", "fresh"))

    assert (into.code, fresh.code) == (0, 0), into.err
    assert differences(tree(kept / "fresh"), tree(kept / "out")) == []


def test_what_is_kept_says_where_it_is_from() -> None:
    assert "315c900" in RELEASES
    for release in RELEASES:
        said = tomllib.loads((HERE / release / "RELEASE").read_text())
        assert said.keys() == {"commit", "version"}
        assert re.fullmatch(f"{release}[0-9a-f]{{33}}", said["commit"])
        assert (HERE / release / "trees.tar.xz").stat().st_size < 300_000


TOPOLOGY = """
version = 1
network.name = "lab"
hosts.a = { id = 1, wan = "eth0", addresses = "198.51.100.1/24", firewall = {} }
hosts.b = { id = 2, wan = "eth0", addresses = "198.51.100.2/24", firewall = { input = "drop" } }
"""
CHANGE = Change("0.1.0", ("hosts", "*", "firewall"), "input", "What nobody allows is dropped.")


@pytest.fixture
def later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """`netc build topo.toml -o out`, by a netc with a default that is another since this version."""
    monkeypatch.setattr("netc.language.changed.CHANGES", (CHANGE,))
    (tmp_path / "topo.toml").write_text(TOPOLOGY)
    return lambda *options: netc("build", tmp_path / "topo.toml", "-o", tmp_path / "out", *options)


def say_version(folder: Path, version: str) -> None:
    (folder / ".gitattributes").write_text(f"# Compiled by netc {version}, and so on\n")


def test_who_built_before_a_default_changed_is_told(later: Callable[..., Ran], tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert "NC0125" not in later().err, "nobody built before"

    for said in (None, "0.0.9"):
        if said:
            say_version(out, said)
        for options in ((), ("--host", "a"), ("--check",)):
            (out / "a" / "MANIFEST").touch()
            ran = later(*options)
            assert ran.code == 0
            assert ran.err.count("warning[NC0125]") == 1
            assert "means something else since netc 0.1.0: What nobody allows is dropped." in ran.err
            assert "hosts.a.firewall" in ran.err
            assert "hosts.b.firewall" not in ran.err
        assert later("--strict", "--check").code == 1

    for said in ("0.1.0", "0.10"):
        say_version(out, said)
        assert "NC0125" not in later("--host", "a").err
