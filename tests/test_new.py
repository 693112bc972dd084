"""`netc new` writes a topology that compiles, and never over what is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from examples import EXAMPLES, netc


@pytest.mark.parametrize("example", [path.stem for path in EXAMPLES])
def test_a_new_topology_compiles_where_it_was_written(example: str, tmp_path: Path) -> None:
    topo = tmp_path / "net.toml"
    ran = netc("new", topo, "--example", example)

    assert (ran.code, ran.err) == (0, "")
    assert f"{topo} is written\n" in ran.out
    assert netc("check", topo).code == 0


def test_new_without_arguments_writes_the_start_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert netc("new").code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["topo.toml"]
    assert Path("topo.toml").read_text().startswith("# A starting point")


@pytest.mark.parametrize("there", ["net.toml", "azire-se.conf"])
def test_an_existing_file_is_not_overwritten(there: str, tmp_path: Path) -> None:
    (tmp_path / there).symlink_to("nowhere")
    ran = netc("new", tmp_path / "net.toml", "--example", "seedbox")

    assert (ran.code, ran.out) == (2, "")
    assert "exists already" in ran.err
    assert [path.name for path in tmp_path.iterdir()] == [there]


def test_an_unknown_example_is_wrong_use(tmp_path: Path) -> None:
    ran = netc("new", tmp_path / "net.toml", "--example", "seedbx")

    assert ran.code == 2
    assert "did you mean `seedbox`?" in ran.err


def test_a_missing_folder_is_wrong_use(tmp_path: Path) -> None:
    assert netc("new", tmp_path / "no" / "net.toml").code == 2
