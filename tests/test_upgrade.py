"""What an earlier release took, this one takes: its topologies compile, and into a folder that it has written."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from examples import differences, netc, tree
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
