"""`netc deploy` as far as it comes without hosts: what it is asked, what it tries first, and how it ends."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from msgspec import Struct

from examples import ROOT, netc
from live.needs import require
from netc.deploy.carrier import LIMIT, LOST, Said, plain
from netc.deploy.host import Deployer, Outcome, Result
from netc.deploy.ssh import Ssh

MESH = ROOT / "examples" / "mesh.toml"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--host", "amz"), "no host is called 'amz'"),
        (("--host", "ams", "--canary", "fra"), "the canary fra is none of the hosts that are named"),
        (("--ssh", "ssh 'x"), "No closing quotation"),
        (("--key", "/nowhere"), "is not a key file"),
        (("--limit", "0"), "limit"),
        (("--within", "0"), "within"),
        (("--through", "pyinfra"), "pyinfra does not use --ssh"),
        (("--through", "rsh"), "through"),
        (("--inventory", "x.py"), "--inventory needs pyinfra"),
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


def test_deploy_stops_at_a_host_that_it_cannot_reach(tmp_path: Path) -> None:
    ssh, called = stand_in(tmp_path, "echo 'no way \033[2J' >&2; exit 255")
    ran = netc("deploy", MESH, "--ssh", ssh, "--canary", "tyo")
    assert ran.code == 1
    lines = ran.out.splitlines()
    assert re.split("  +", lines[1]) == ["tyo", "not reached", "-", "-", "no way ?[2J"]
    assert [line.split()[1:3] for line in lines[2:]] == [["not", "begun"]] * 4
    tried = [line for line in called.read_text().splitlines() if not line.startswith("-G")]
    assert [line.split(" -- ")[1].split()[0] for line in tried if " -- " in line] == ["tyo"]


def test_the_answer_of_a_host_is_validated(tmp_path: Path) -> None:
    ssh, _ = stand_in(tmp_path, "printf '/tmp/x\\n\\033[2Jx\\n'")
    ran = netc("deploy", MESH, "--ssh", ssh, "--host", "ams")
    assert ran.code == 1
    assert "not reached" in ran.out
    assert "\033" not in ran.out + ran.err


@pytest.mark.parametrize(("platform", "kind"), [("linux", "/memfd:"), ("macos", "pipe:")])
def test_what_a_host_is_given_is_in_no_file_on_the_disk(
    platform: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if platform == "macos":
        monkeypatch.delattr(os, "memfd_create")
    ssh, _ = stand_in(tmp_path, "readlink /proc/self/fd/0; sha256sum")
    given = bytes(range(256)) * 4096  # more than a pipe takes at once
    said = Ssh((str(ssh),)).run("edge", "cat", given=given)
    behind, digest = said.out.splitlines()
    assert (said.status, behind.startswith(kind)) == (0, True), behind
    assert digest.split()[0] == hashlib.sha256(given).hexdigest()

    ssh, _ = stand_in(tmp_path, "exit 7")  # without reading it
    assert Ssh((str(ssh),)).run("edge", "cat", given=given).status == 7


def test_a_missing_ssh_command_counts_as_no_connection() -> None:
    said = Ssh(("/nowhere/ssh",)).run("edge", "true")
    assert (said.status, said.last) == (LOST, "/nowhere/ssh cannot be started: No such file or directory")


@pytest.mark.parametrize(
    ("does", "limit", "says"),
    [
        ("exec sleep 600", 0.5, "edge does not end: the time limit is over"),
        ("exec sleep 600 >&- 2>&-", 0.5, "edge does not end: the time limit is over"),
        ("sleep 5 & exit 0", 0.5, "edge does not end: the time limit is over"),
        ("exec yes", 600, "edge wrote more than 4 MiB: netc closed the connection"),
        ("exec yes >&2", 600, "edge wrote more than 4 MiB: netc closed the connection"),
        ("exec cat /dev/zero >&2", 600, "edge wrote more than 4 MiB: netc closed the connection"),
    ],
)
def test_a_host_without_an_end_counts_as_no_connection(does: str, limit: float, says: str, tmp_path: Path) -> None:
    ssh, _ = stand_in(tmp_path, does)
    begun: list[subprocess.Popen[bytes]] = []

    class Recorded(subprocess.Popen[bytes]):
        def __init__(self, *words: Any, **options: Any) -> None:
            super().__init__(*words, **options)
            begun.append(self)

    with mock.patch("subprocess.Popen", Recorded):
        said = Ssh((str(ssh),)).run("edge", "true", limit=limit)
    assert (said.status, said.out, said.last) == (LOST, "", says)
    assert [process.returncode is not None for process in begun] == [True], "ssh is still there"


def test_every_script_of_a_host_that_hangs_ends() -> None:
    """Each call has a limit, and the longest is what the host itself takes for its rollback."""
    limits: list[float] = []

    class Hanging(Struct):
        def run(self, *_: object, limit: float = LIMIT, **__: object) -> Said:
            limits.append(limit)
            return Said(0, "/var/tmp/netc-deploy.x\nnone\n", "") if len(limits) == 1 else Said(LOST, "", "no end")

        def jump(self, _: str) -> None: ...

    deployer = Deployer(Hanging(), 1, lambda *_: None, {})
    with mock.patch("netc.deploy.host.PATIENCE", 0):
        assert deployer.install("edge", "0123456789abcdef", {}).outcome is Outcome.UNKNOWN
        assert deployer.back("edge", "0123456789abcdef", "none").outcome is Outcome.UNKNOWN
    assert limits[0] == LIMIT
    assert max(limits[1:]) == 60, limits


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
def test_jump_returns_the_last_host_of_proxyjump(value: str, name: str | None, tmp_path: Path) -> None:
    ssh = tmp_path / "ssh"
    ssh.write_text(f"#!/bin/sh\necho user root\necho proxyjump {value}\n")
    ssh.chmod(0o755)
    assert (Ssh((str(ssh),)).jump("edge") or "").partition("[")[0] == (name or "")


def test_control_characters_from_hosts_are_replaced() -> None:
    assert plain("a\x1b[31m\tü\n".encode()) == "a?[31m?ü"
    assert plain(b"\xff") == "\ufffd"


def test_sudo_runs_commands_as_root(tmp_path: Path) -> None:
    ssh, called = stand_in(tmp_path, "exit 0")
    Ssh((str(ssh),), sudo=True).run("edge", "true")
    assert " -- edge sudo -n -- bash -c true netc" in called.read_text()


# ---- through pyinfra: in a process of its own, since parts of Python are not the same after it

HAS_PYINFRA = "" if find_spec("pyinfra") else "could not run: pip install 'netc[deploy]'"


def python(script: str, *words: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    path = {"PYTHONPATH": str(ROOT / "compiler"), "HOME": str(folder)}
    return subprocess.run(
        [sys.executable, "-c", script, *words], capture_output=True, text=True, check=False, env=os.environ | path
    )


def test_without_pyinfra_deploy_prints_how_to_install_it(tmp_path: Path) -> None:
    script = "import sys; sys.modules['gevent'] = sys.modules['pyinfra'] = None; from netc.cli import main; main()"
    ran = python(script, "deploy", MESH, "--through", "pyinfra", folder=tmp_path)
    assert ran.returncode == 2
    assert "hint: pip install 'netc[deploy]'" in ran.stderr


INVENTORIES = {
    "hosts = ['fra', 'sfo', 'tyo', 'nyc']": "has no host for ams",
    "hosts = [('a', {'netc_host': 'ams'}), 'ams']": "a and ams are both ams",
    "hosts = [": "SyntaxError",
    "1 / 0": "division by zero",
}


@pytest.mark.parametrize("inventory", INVENTORIES)
def test_an_inventory_without_the_hosts_touches_nothing(inventory: str, tmp_path: Path) -> None:
    require(HAS_PYINFRA)
    file = tmp_path / "inventory.py"
    file.write_text(inventory)
    script = "from netc.cli import main; main()"
    ran = python(script, "deploy", MESH, "--through", "pyinfra", "--inventory", file, folder=tmp_path)
    assert (ran.returncode, INVENTORIES[inventory] in ran.stderr) == (2, True), ran.stderr
    assert ran.stdout == ""


SAME = r"""
import json, sys
from pathlib import Path
from netc.deploy.by_pyinfra import pyinfra
from netc.deploy.ssh import Ssh

folder = Path(sys.argv[1])
carriers = Ssh((str(folder / "ssh"),)), pyinfra({"edge"}, folder / "inventory.py", sudo=False)
runs = [
    ('printf "%s\\n" "$@"; od -c', ("it's", "$x", "a  b"), bytes(range(256))),
    ("printf nothing-after", (), b""),
    ("echo out; echo one >&2; echo >&2; printf 'two \\033[2J\\n' >&2; exit 75", (), b"unread\n" * 9999),
    ("kill -9 $$", (), b""),
    ("true", (), b""),
]
for script, words, given in runs:
    said = []
    for carrier in carriers:
        heard = []
        said.append(repr((carrier.run("edge", script, words, given, hear=heard.append), list(filter(None, heard)))))
    print(json.dumps(said))
"""


def test_pyinfra_and_ssh_return_the_same_for_a_script(tmp_path: Path) -> None:
    require(HAS_PYINFRA)
    (tmp_path / "ssh").write_text('#!/bin/sh\nwhile [ $1 != -- ]; do shift; done\nexec sh -c "$3"\n')
    (tmp_path / "ssh").chmod(0o755)
    (tmp_path / "inventory.py").write_text("hosts = [('@local', {'netc_host': 'edge'})]\n")
    ran = python(SAME, tmp_path, folder=tmp_path)
    pairs = [json.loads(line) for line in ran.stdout.splitlines()]
    assert len(pairs) == 5, ran.stderr
    for by_ssh, by_pyinfra in pairs:
        assert by_ssh == by_pyinfra


def test_pyinfra_is_imported_on_request_only(tmp_path: Path) -> None:
    """What it does to Python's own library is for that run alone."""
    script = (
        "import sys; sys.argv[0] = 'netc'; from netc.cli import app; app(standalone_mode=False); "
        "print(sorted({'gevent', 'pyinfra', 'paramiko'} & {name.split('.')[0] for name in sys.modules}))"
    )
    for words in (("check", MESH), ("deploy", MESH, "--ssh", "false"), ("keys", MESH, "--ssh", "false")):
        ran = python(f"try:\n    exec({script!r})\nexcept SystemExit:\n    pass", *words, folder=tmp_path)
        assert ran.stdout.splitlines()[-1] == "[]", ran.stderr


def test_all_outcomes_are_documented() -> None:
    text = (ROOT / "docs/how-to/deploy.md").read_text()
    assert [outcome for outcome in Outcome if f"| `{outcome}` |" not in text] == []
    assert Result("x", Outcome.UNKNOWN).now == ""
