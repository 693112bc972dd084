"""What editors are told is the language: taplo takes what netc takes, and refuses what has a wrong form."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

import night
from examples import EXAMPLES, ROOT, netc
from topologies import FULL, Table, document, topologies

DIAGNOSTICS = ROOT / "tests" / "diagnostics"
SHAPE = tuple(
    sorted(path for path in DIAGNOSTICS.glob("NC01*.toml") if path.stem < "NC012" or path.stem.startswith("NC0126"))
)

NOT_SEEN = {
    "NC0106-an-address-for-a-host": "an address has the form of a target, and only is no host's name",
    "NC0102-vni": "whether a key has to be there depends on another one",
    "NC0107-bridge": "the interface is called after the table",
    "NC0107-derived": "the name is derived",
    "NC0111-words": "a word has the form of a DNS name",
    "NC0111-import": "it is wrong in the imported file",
}
"""Of what is about form, only what one place of the text does not show."""


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Path:
    ran = netc("schema")
    assert (ran.code, ran.err) == (0, "")
    path = tmp_path_factory.mktemp("schema") / "netc.schema.json"
    path.write_text(ran.out)
    return path


def tool(name: str, *words: str | Path, folder: Path) -> str:
    """What a tool of this environment says (pyproject.toml), without colours."""
    path = Path(sys.executable).parent / name
    ran = subprocess.run((path, *words), capture_output=True, text=True, cwd=folder)
    return re.sub(r"\x1b\[[0-9;]*m", "", ran.stdout + ran.stderr)


def refused(schema: Path, files: Iterable[Path]) -> dict[str, list[str]]:
    """What taplo says of each file that it does not take."""
    said = tool("taplo", "lint", "--no-auto-config", "--schema", schema.as_uri(), *files, folder=schema.parent)
    assert "failed to load" not in said
    found: dict[str, list[str]] = {}
    for what, file in re.findall(r"^error: (.*)\n\s*┌─ (.*?)(?::\d+:\d+)?$", said, re.M):
        found.setdefault(Path(file).stem, []).append(what)
    return found


def test_an_editor_accepts_every_example(schema: Path) -> None:
    assert refused(schema, EXAMPLES) == {}


def test_an_editor_refuses_a_wrong_form(schema: Path) -> None:
    assert len(SHAPE) > 40
    assert {path.stem for path in SHAPE} - refused(schema, SHAPE).keys() == NOT_SEEN.keys()


def test_an_editor_accepts_the_right_form_with_errors_of_the_network(schema: Path) -> None:
    """Whatever is told of other things than form alone has the right form."""
    others = {path for path in DIAGNOSTICS.glob("*.toml") if path.stem >= "NC012"}
    only = {path for path in others if not re.search(r"\[NC0(00|1[01])", path.with_suffix(".txt").read_text())}
    forms = ("NC0126", "NC1802", "NC2001", "NC2501", "NC3004")  # codes of their own for forms

    assert len(only) > 150
    assert {stem for stem in refused(schema, sorted(only)) if not stem.startswith(forms)} == set()


def test_an_editor_accepts_every_topology_that_netc_accepts(schema: Path, tmp_path: Path) -> None:
    drawn: list[Table] = []

    @settings(max_examples=night.number(1200), suppress_health_check=list(HealthCheck), phases=[Phase.generate])
    @given(topologies())
    def draw(topology: Table) -> None:
        drawn.append(topology)

    draw()
    paths = [tmp_path / f"drawn-{number}.toml" for number in range(len(drawn) + 1)]
    for path, topology in zip(paths, [FULL, *drawn], strict=True):
        path.write_text(document(topology))

    assert len(paths) > 50
    assert refused(schema, paths) == {}


def test_an_editor_finds_the_schema_by_the_first_line(schema: Path, tmp_path: Path) -> None:
    """As docs/reference/language.md says; tombi is the other server that editors have for TOML."""
    (tmp_path / "netc.schema.json").write_text(schema.read_text())
    for path in (*EXAMPLES, *SHAPE):
        (tmp_path / path.name).write_bytes(
            b"#:schema ./netc.schema.json\n" + path.read_bytes().removeprefix(b"\xef\xbb\xbf")
        )

    files = sorted(tmp_path.glob("*.toml"))
    by_taplo = re.findall(r"┌─ (\S+)\.toml", tool("taplo", "lint", "--no-auto-config", *files, folder=tmp_path))
    by_tombi = re.findall(r"Error: .*\n\s+at (\S+)\.toml", tool("tombi", "lint", "--offline", *files, folder=tmp_path))

    for said in (by_taplo, by_tombi):
        refused = {Path(file).name for file in said}
        assert {path.stem for path in SHAPE} - refused == NOT_SEEN.keys()
        assert not {path.stem for path in EXAMPLES} & refused


def test_messages_name_what_is_wrong(schema: Path, tmp_path: Path) -> None:
    """A schema with `anyOf` or `$ref` would say that nothing fits (tamasfe/taplo#368), or forget the description."""
    path = tmp_path / "wrong.toml"
    path.write_text(
        'version = 1\nnetwork.name = "x"\n[hosts.a]\nid = 1\naddresses = ["10.0.0.1"]\nendpoint = true\nmtu = "1500"\n'
        'firewall.allow = [{ port = "22/tcp" }]\n'
    )
    said = "\n".join(refused(schema, [path])["wrong"])

    assert "any of the given" not in said
    assert '"10.0.0.1" does not match' in said
    assert '"1500" is not of type "integer"' in said
    assert "'port' was unexpected" in said
    assert not re.search(r'"(anyOf|\$ref|\$defs|const|prefixItems)"', schema.read_text())
    assert json.loads(schema.read_text())["$schema"].endswith("draft-04/schema#")
