"""A long build shows how far it is, to somebody who looks at a terminal; and to nobody else."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from examples import ROOT

MESH = ROOT / "examples/mesh.toml"
BUILD = """
import sys
from netc.cli import app, progress
progress.PATIENCE = float(sys.argv[1])
app(args=["build", sys.argv[2], "-o", sys.argv[3]], prog_name="netc")
"""
COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-9;]*m")
HIDDEN, SHOWN = "\x1b[?25l", "\x1b[?25h"
"""The cursor (DECTCEM)."""


def on_a_terminal(out: Path, patience: float = -1, topo: Path = MESH, **environment: str) -> str:
    """What a build says on stderr, when that is a terminal."""
    ours, theirs = pty.openpty()
    words = [sys.executable, "-c", BUILD, str(patience), str(topo), str(out)]
    own = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "CI")}
    settings = own | {"TERM": "xterm-256color", "COLUMNS": "80"} | environment
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=theirs, env=settings) as running:
        os.close(theirs)
        said = bytearray()
        try:
            while data := os.read(ours, 65536):
                said += data
        except OSError:
            pass  # Linux says so when nobody has the other end any more (pty(7))
        running.wait()
    os.close(ours)
    assert bool(running.returncode) == (topo != MESH)
    return said.decode()


def test_a_long_build_shows_how_many_hosts_are_done(tmp_path: Path) -> None:
    said = on_a_terminal(tmp_path / "out")

    assert "hosts" in said
    assert "/5" in said
    assert COLOUR.search(said)


def test_the_bar_is_erased_and_the_cursor_restored_at_the_end(tmp_path: Path) -> None:
    said = on_a_terminal(tmp_path / "out")

    assert said.rindex(SHOWN) > said.rindex(HIDDEN)
    assert said.rstrip().endswith("\x1b[2K")


def test_a_build_that_is_refused_restores_the_cursor(tmp_path: Path) -> None:
    topo = tmp_path / "topo.toml"
    topo.write_text(MESH.read_text())
    for host in tomllib.loads(MESH.read_text())["hosts"]:
        (tmp_path / "out" / host / "install").mkdir(parents=True)
    said = on_a_terminal(tmp_path / "out", topo=topo)

    assert "is in the way" in said
    assert said.count(HIDDEN) == said.count(SHOWN)


def test_a_short_build_shows_nothing(tmp_path: Path) -> None:
    assert on_a_terminal(tmp_path / "out", patience=3600) == ""


def test_a_terminal_that_cannot_move_its_cursor_is_left_alone(tmp_path: Path) -> None:
    assert on_a_terminal(tmp_path / "out", TERM="dumb") == ""


def test_no_color_disables_colours(tmp_path: Path) -> None:
    said = on_a_terminal(tmp_path / "out", NO_COLOR="1")

    assert "/5" in said
    assert not COLOUR.search(said)


@pytest.mark.parametrize("force", ["", "1"])
def test_a_pipe_gets_no_bar(tmp_path: Path, force: str) -> None:
    words = [sys.executable, "-c", BUILD, "-1", str(MESH), str(tmp_path / "out")]
    ran = subprocess.run(words, capture_output=True, text=True, check=True, env=os.environ | {"FORCE_COLOR": force})

    assert ran.stderr == ""
    assert "\x1b" not in ran.stdout
