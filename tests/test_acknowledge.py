"""Claims about warnings: when they fail, and how an author says that they are as meant."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from examples import EXAMPLES, Ran, netc, tree

UNUSED = """\
version = 1
network.name = "x"
hosts.a = { id = 1 }
sets.office = { prefixes = "203.0.113.0/24" }
"""
KNOWN = """
[[acknowledge]]
code = "NC1404"
at = "sets.office"
reason = "the rules come later"
"""


@pytest.fixture
def topo(tmp_path: Path) -> Path:
    path = tmp_path / "topo.toml"
    path.write_text(UNUSED)
    return path


def test_a_warning_does_not_stop_a_build(topo: Path, tmp_path: Path) -> None:
    ran = netc("build", topo, "-o", tmp_path / "out")

    assert ran.code == 0
    assert "warning[NC1404]" in ran.err
    assert tree(tmp_path / "out")
    assert netc("check", topo).out == f"{topo}: 1 host, no errors\n"


def test_strict_treats_a_warning_as_an_error(topo: Path, tmp_path: Path) -> None:
    check, build = netc("check", topo, "--strict"), netc("build", topo, "-o", tmp_path / "out", "--strict")

    assert (check.code, check.out) == (1, "")
    assert (build.code, build.out) == (1, "")
    assert "warning[NC1404]" in check.err
    assert check.err.endswith("netc: --strict treats warnings as errors\n")
    assert not (tmp_path / "out").exists()


def test_an_acknowledged_warning_is_not_reported(topo: Path) -> None:
    topo.write_text(UNUSED + KNOWN)

    assert netc("check", topo, "--strict") == Ran(0, f"{topo}: 1 host, nothing wrong (1 acknowledged)\n", "")
    assert netc("check", topo, "--format", "github").out == ""


def test_json_and_sarif_have_acknowledged_warnings(topo: Path) -> None:
    topo.write_text(UNUSED + KNOWN)
    document = json.loads(netc("check", topo, "--format", "json").out)
    (result,) = json.loads(netc("check", topo, "--format", "sarif").out)["runs"][0]["results"]

    assert (document["warnings"], document["problems"][0]["acknowledged"]) == (0, "the rules come later")
    assert result["suppressions"] == [{"kind": "inSource", "justification": "the rules come later"}]


@pytest.mark.parametrize("change", ['"NC1404"', '"sets.office"'])
def test_an_acknowledgement_matches_one_code_at_one_place(change: str, topo: Path) -> None:
    other = {'"NC1404"': '"NC1403"', '"sets.office"': '"sets.offices"'}[change]
    topo.write_text(UNUSED + KNOWN.replace(change, other))
    ran = netc("check", topo, "--strict")

    assert ran.code == 1
    assert "warning[NC1404]" in ran.err
    assert "warning[NC2801]" in ran.err


def test_an_acknowledgement_without_its_warning_is_reported(topo: Path) -> None:
    topo.write_text(UNUSED.replace("id = 1", 'id = 1, firewall = { allow = { from = "office" } }') + KNOWN)
    ran = netc("check", topo, "--strict")

    assert ran.code == 1
    assert "warning[NC2801]" in ran.err
    assert "NC1404]" not in ran.err


def test_an_error_elsewhere_makes_no_acknowledgement_unused(topo: Path) -> None:
    topo.write_text(UNUSED.replace("id = 1", "id = 0") + KNOWN)
    ran = netc("check", topo)

    assert ran.code == 1
    assert "error[NC0105]" in ran.err
    assert "NC2801" not in ran.err


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_examples_pass_strict(example: Path) -> None:
    assert netc("check", example, "--strict").code == 0
