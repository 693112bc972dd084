"""In a shared folder a stranger's link stands where netc would write: every command refuses to follow it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from examples import ROOT, netc

START = (ROOT / "examples" / "start.toml").read_text()
UNTIDY = START.replace(" = ", "   =   ")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can stand in for another user")
@pytest.mark.parametrize(
    ("linked", "command"),
    [
        ("topo.toml", ["fmt", "topo.toml"]),
        ("topo.toml", ["keys", "topo.toml", "--local", "own", "--replace"]),
        ("keys", ["keys", "own.toml", "--local", "keys", "--replace"]),
        ("out", ["bundle", "own.toml", "-o", "out"]),
        ("out/server.tar.gz", ["bundle", "own.toml", "-o", "out"]),
    ],
)
def test_no_command_writes_through_a_strangers_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, linked: str, command: list[str]
) -> None:
    shared, victim = tmp_path / "shared", tmp_path / "victim"
    shared.mkdir()
    shared.chmod(0o777)
    monkeypatch.chdir(shared)
    (shared / "own.toml").write_text(UNTIDY)
    link = shared / linked
    link.parent.mkdir(exist_ok=True)
    if linked in ("keys", "out"):
        victim.mkdir()
    else:
        victim.write_text(UNTIDY)
    link.symlink_to(victim)

    done = netc(*command)
    assert done.code == 0, done.err  # a link of one's own is followed
    link.unlink(missing_ok=True)
    link.symlink_to(victim)
    os.chown(link, 65534, 65534, follow_symlinks=False)
    if victim.is_file():
        victim.write_text(UNTIDY)
    else:
        shutil.rmtree(victim)
        victim.mkdir()

    done = netc(*command)
    assert done.code == 2
    assert "is a link that another user made" in done.err
    assert victim.is_dir() or victim.read_text() == UNTIDY
    assert victim.is_file() or not list(victim.iterdir())
