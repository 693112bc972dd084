"""Claims about what authors are told: every topology in `mistakes/` says exactly what its `.txt` holds."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from examples import ROOT, netc

DIAGNOSTICS = ROOT / "tests" / "diagnostics"
CASES = tuple(sorted(path.stem for path in DIAGNOSTICS.glob("*.toml")))
CODE = re.compile(r"NC\d{4}")
SECRET = "TOPSECRET"
"""Stands in every secret of the cases."""


WITHOUT_CASE = {"NC1401", "NC0125"}
"""What the first would catch, other checks refuse before it: tests/test_lockout.py takes them away. The second is about
two versions of netc: tests/test_upgrade.py has them."""


@cache
def said(case: str, folder: Path = DIAGNOSTICS) -> str:
    with pytest.MonkeyPatch.context() as here:
        here.chdir(folder)
        before = Path(f"{case}.before")
        words = (
            ("plan", "--migrate", before, f"{case}.toml", *moved(before))
            if before.exists()
            else ("check", f"{case}.toml")
        )
        ran = netc(*words)

    assert ran.code == (1 if "error[" in ran.err else 0)
    return ran.err + ran.out


def moved(before: Path) -> Iterator[str]:
    """What the first line of the other topology of a migration says of who has changed: `# moved: a b`."""
    for host in before.read_text().partition("\n")[0].removeprefix("# moved:").split():
        yield from ("--moved", host)


@pytest.mark.parametrize("case", CASES)
def test_the_diagnostics_of_a_case_have_exactly_this_text(case: str, update: bool) -> None:
    expected = DIAGNOSTICS / f"{case}.txt"
    if update:
        expected.write_text(said(case))

    assert expected.exists(), "`pytest --update` writes it"
    assert said(case) == expected.read_text()


def test_every_text_has_its_topology() -> None:
    assert {path.stem for suffix in ("txt", "before") for path in DIAGNOSTICS.glob(f"*.{suffix}")} <= set(CASES)


@pytest.mark.parametrize("case", CASES)
def test_a_case_is_named_after_a_code_that_it_shows(case: str) -> None:
    assert f"[{case[:6]}]" in said(case)


def test_every_code_has_a_case() -> None:
    shown = {code for case in CASES for code in CODE.findall(said(case))}

    assert codes() - shown == WITHOUT_CASE


def codes() -> set[str]:
    """Every code that stands in the compiler as a string."""
    return {
        node.value
        for module in (ROOT / "compiler" / "netc").rglob("*.py")
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and CODE.fullmatch(node.value)
    }


@pytest.mark.parametrize("case", CASES)
def test_a_secret_is_never_shown(case: str) -> None:
    assert SECRET not in said(case)


def test_some_cases_hold_secrets() -> None:
    assert sum(SECRET in path.read_text(errors="replace") for path in DIAGNOSTICS.iterdir()) >= 10
