"""`netc status` with a stand-in for ssh. `tests/live/test_deploy.py` asks hosts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from examples import ROOT, netc
from test_deploy import stand_in

MESH = ROOT / "examples" / "mesh.toml"
WELL: dict[str, Any] = {
    "generation": "0" * 16,
    "pending": None,
    "parts": [{"name": "firewall", "state": "up"}],
    **{key: [] for key in ("broken", "sessions", "anycast", "failed", "host", "dropped", "unasked", "wireguard")},
}


def asked(folder: Path, answer: object, *options: str, status: int = 0) -> tuple[int, list[str]]:
    """The exit code, and the lines after the table's head."""
    text = answer if isinstance(answer, str) else json.dumps(answer)
    (folder / "answer").write_text(text)
    ssh, _ = stand_in(folder, f"cat {folder}/answer; exit {status}")
    ran = netc("status", MESH, "--ssh", ssh, "--host", "ams", *options)
    return ran.code, ran.out.splitlines()[1:]


def test_a_host_that_waits_or_has_another_generation_is_told(tmp_path: Path) -> None:
    pending = {"generation": "1" * 16, "reverts_at": 5, "phase": "complete"}
    code, lines = asked(tmp_path, WELL | {"pending": pending})
    assert (code, lines[0].split()[-1], lines[2]) == (1, "complete", f"ams: {'1' * 16} waits: complete")

    code, lines = asked(tmp_path, WELL)
    assert (code, lines[2].startswith(f"ams: it has {'0' * 16}, and the topology compiles to ")) == (1, True)


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("parts", [{"name": "bird", "state": "half"}], "part bird is half"),
        ("broken", [{"part": "bird", "what": "no route"}], "part bird is broken: no route"),
        ("failed", ["netc-bird.service"], "failed: netc-bird.service"),
        ("sessions", [{"name": "up4", "kind": "BGP", "state": "Active"}], "session up4 is Active"),
        ("anycast", [{"service": "dns", "state": "down"}], "anycast service dns is down"),
        ("dropped", [{"table": "forwards.a", "packets": "IPv4", "by": "ip x"}], "packets of forwards.a (IPv4) are"),
        ("unasked", [{"what": "rules", "why": "no nft"}], "not asked: rules: no nft"),
        ("host", [{"what": "mtu", "topology": "1500", "host": "1450", "then": "odd: x"}], "mtu is 1450, and the"),
    ],
)
def test_what_is_not_well_is_told_in_words(tmp_path: Path, key: str, value: object, told: str) -> None:
    code, lines = asked(tmp_path, WELL | {key: value}, status=1)
    assert code == 1
    assert lines[-1].startswith(f"ams: {told}")


def test_a_host_of_an_earlier_release_has_fewer_keys(tmp_path: Path) -> None:
    known = {key: WELL[key] for key in ("generation", "pending", "parts")}
    assert asked(tmp_path, known)[1][0].split("  ")[0] == "ams"
    assert "1 up" in asked(tmp_path, known)[1][0]


def test_peers_that_were_never_heard_are_counted(tmp_path: Path) -> None:
    peers = [{"interface": "wg0", "peer": "a", "handshake_age": age} for age in (None, 10, 200)]
    assert "  1 of 3 heard  " in asked(tmp_path, WELL | {"wireguard": peers})[1][0]


@pytest.mark.parametrize(
    "answer",
    ["{", "[]", "null", "{}", json.dumps(WELL | {"parts": "up"}), "[" * 100_000, json.dumps(WELL | {"failed": [1]})],
)
def test_an_answer_of_another_form_is_none(tmp_path: Path, answer: str) -> None:
    assert asked(tmp_path, answer) == (1, ["ams   its answer is not that of `netc-host status --json`"])


def test_what_a_host_says_controls_no_terminal_and_starts_no_line(tmp_path: Path) -> None:
    evil = "a\x1b[2J\n::error::x"
    for options in ((), ("--json",)):
        code, lines = asked(tmp_path, WELL | {"failed": [evil], "generation": evil}, *options)
        assert code == 1
        assert not [line for line in lines if "\x1b" in line or line.lstrip().startswith("::error")]


def test_a_host_without_netc_says_so(tmp_path: Path) -> None:
    ssh, _ = stand_in(tmp_path, "echo 'netc is not installed' >&2; exit 3")
    ran = netc("status", MESH, "--ssh", ssh)
    assert (ran.code, ran.out.splitlines()[1]) == (1, "ams   netc is not installed")
