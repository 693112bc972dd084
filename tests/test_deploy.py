"""`netc deploy` as far as it comes without hosts: what it is asked, what it tries first, and how it ends."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from examples import ROOT, netc
from netc.deploy.host import Outcome, Result
from netc.deploy.ssh import LOST, Ssh, plain

MESH = ROOT / "examples" / "mesh.toml"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--host", "amz"), "no host is called 'amz'"),
        (("--host", "ams", "--canary", "fra"), "the canary fra is none of the hosts that are named"),
        (("--ssh", "ssh 'x"), "No closing quotation"),
        (("--key", "/nowhere"), "is no file with a key"),
        (("--limit", "0"), "limit"),
        (("--within", "0"), "within"),
    ],
)
def test_wrong_use_touches_nothing(words: tuple[str, ...], says: str, tmp_path: Path) -> None:
    ssh, called = stand_in(tmp_path, "exit 255")
    ran = netc("deploy", MESH, "--ssh", ssh, *words)
    assert (ran.code, says in ran.err) == (2, True), ran.err
    assert not called.exists()


def stand_in(folder: Path, does: str) -> tuple[Path, Path]:
    """A command, and what it was called with."""
    ssh, called = folder / "ssh", folder / "called"
    ssh.write_text(f'#!/bin/sh\necho "$*" >>{called}\n[ "$1" != -G ] || exit 0\n{does}\n')
    ssh.chmod(0o755)
    return ssh, called


def test_a_host_that_is_not_reached_is_the_last_that_is_tried(tmp_path: Path) -> None:
    ssh, called = stand_in(tmp_path, "echo 'no way \033[2J' >&2; exit 255")
    ran = netc("deploy", MESH, "--ssh", ssh, "--canary", "tyo")
    assert ran.code == 1
    lines = ran.out.splitlines()
    assert re.split("  +", lines[1]) == ["tyo", "not reached", "-", "-", "no way ?[2J"]
    assert [line.split()[1:3] for line in lines[2:]] == [["not", "begun"]] * 4
    tried = [line for line in called.read_text().splitlines() if not line.startswith("-G")]
    assert [line.split(" -- ")[1].split()[0] for line in tried if " -- " in line] == ["tyo"]


def test_what_a_host_says_of_itself_is_looked_at(tmp_path: Path) -> None:
    ssh, _ = stand_in(tmp_path, "printf '/tmp/x\\n\\033[2Jx\\n'")
    ran = netc("deploy", MESH, "--ssh", ssh, "--host", "ams")
    assert ran.code == 1
    assert "not reached" in ran.out
    assert "\033" not in ran.out + ran.err


def test_a_command_that_is_not_there_is_no_connection() -> None:
    said = Ssh(("/nowhere/ssh",)).run("edge", "true")
    assert (said.status, said.last) == (LOST, "/nowhere/ssh cannot be started: No such file or directory")


def test_options_of_ssh_stand_before_the_host(tmp_path: Path) -> None:
    ssh, called = stand_in(tmp_path, "exit 0")
    Ssh((str(ssh), "-F", "x")).run("edge", 'echo "$1"', ("it's",), fresh=True)
    words = called.read_text().strip()
    assert words.startswith("-F x -T ")
    assert "-S none -- edge bash -c " in words


@pytest.mark.parametrize(
    ("value", "name"),
    [("hub", "hub"), ("root@hub:22", "hub"), ("a,ssh://root@hub", "hub"), ("none", None), ("[2001:db8::1]:22", "")],
)
def test_the_last_jump_is_who_leads_there(value: str, name: str | None, tmp_path: Path) -> None:
    ssh = tmp_path / "ssh"
    ssh.write_text(f"#!/bin/sh\necho user root\necho proxyjump {value}\n")
    ssh.chmod(0o755)
    assert (Ssh((str(ssh),)).jump("edge") or "").partition("[")[0] == (name or "")


def test_words_of_hosts_are_not_for_the_terminal() -> None:
    assert plain("a\x1b[31m\tü\n".encode()) == "a?[31m?ü"
    assert plain(b"\xff") == "\ufffd"


def test_all_outcomes_are_told_of() -> None:
    text = (ROOT / "docs/deploy.md").read_text()
    assert [outcome for outcome in Outcome if f"| `{outcome}` |" not in text] == []
    assert Result("x", Outcome.UNKNOWN).now == ""
