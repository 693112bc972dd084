"""Text that netc did not write starts no line of its own, controls no terminal, and is no command to a CI runner."""

from __future__ import annotations

import re
import shutil
from hashlib import sha256
from pathlib import Path

import pytest

from examples import EXAMPLES, ROOT, Ran, netc
from test_import import COLUMNS, NAT, PARIS, TOKYO, mesh

VERBS = sorted((ROOT / "compiler/netc/cli").glob("*.py"))
HARM = (
    "::error::forged",
    " ::set-output name=x::y",
    "##[error]forged",
    "x ##vso[task.setvariable variable=x]y",
    "\x1b[2J",
    "\x9b2J",
    "a\r::error::forged",
    "a\u2028::error::forged",
    "\u202egnp.exe",
)
COMMAND = re.compile(r"^\s*::\w|##\[|##vso\[|[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u202e]", re.MULTILINE)


def is_harmless(ran: Ran) -> bool:
    return not COMMAND.search(ran.out + ran.err)


def test_every_verb_prints_by_the_one_printer() -> None:
    """Only `report` writes by itself: what makes its text escapes all that comes from a topology."""
    writes = re.compile(r"typer\.(?:secho|echo)|\bprint\(|std(?:out|err)\.(?:buffer|write)")
    found = [
        f"{path.name}: {line.strip()}"
        for path in VERBS
        for line in path.read_text().splitlines()
        if writes.search(line)
    ]
    assert found == [
        r'printer.py: typer.echo("\x1b[2J\x1b[H", nl=False)',  # clears a terminal
        "printer.py: typer.echo(as_line(line), err=err)",
        "topology.py: sys.stderr.write(render_text(diagnostics, str(topo), text, colour=_has_colours()))",
        "topology.py: sys.stdout.write(render(form, diagnostics, str(topo), text))",
    ]


@pytest.mark.parametrize("harm", [harm for harm in HARM if "/" not in harm])
def test_names_in_an_output_folder_are_harmless(harm: str, tmp_path: Path) -> None:
    """Somebody's pull request brings the folder, and CI runs `build --check` on it."""
    topo, out = tmp_path / "topo.toml", tmp_path / "out"
    shutil.copy(next(path for path in EXAMPLES if path.stem == "slim-edge"), topo)
    assert netc("build", topo, "-o", out).code == 0
    for folder in (out / harm, next(out.glob("*/"))):
        (folder / harm).mkdir(parents=True)
        (folder / harm / "x").write_text("x\n")
        line = f"{sha256(b'x').hexdigest()}  0644  {harm}/x\n"
        manifest = folder / "MANIFEST"
        manifest.write_text(manifest.read_text() + line if manifest.exists() else line)
    ran = netc("build", topo, "-o", out, "--check")
    assert ran.code == 1
    assert is_harmless(ran), ran.out + ran.err


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("harm", [*HARM, "9" * 5000, "9" * 140_000, "\uff11", "-1", "10.1.0.2/" + "9" * 5000])
def test_any_cell_of_wg_meshconf_is_harmless(
    column: str, harm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = mesh(TOKYO, PARIS | {column: harm}, NAT)
    assert ran.code in (0, 1), ran.err
    assert is_harmless(ran), ran.err
    assert len(ran.err) < 5000
    assert Path("topo.toml").exists() == (ran.code == 0)


@pytest.mark.parametrize("harm", HARM)
@pytest.mark.parametrize("form", ["text", "github"])
def test_a_topology_is_harmless_in_a_report(form: str, harm: str, tmp_path: Path) -> None:
    topo = tmp_path / "topo.toml"
    topo.write_text(f"version = 2 # {harm.translate({0x1B: None, 0x9B: None, 0x0D: None})}\nhosts.'{harm}'.id = 1\n")
    ran = netc("check", topo, "--format", form)
    assert ran.code == 1
    ours = re.sub(r"(?m)^::(?:error|warning|notice) ", "", ran.out)
    assert not COMMAND.search(ours + ran.err), ours + ran.err
