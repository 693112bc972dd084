"""Whatever the locale is, and wherever the words go: the same bytes are compiled, and nothing ends in a traceback."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples import EXAMPLES, ROOT, compiled, tree

TEXT = {"read_text", "write_text", "open", "fdopen", "FileSystemLoader"}
"""Calls that make text of bytes, by the locale unless they are told."""
C = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
FOREIGN = """\
version = 1
network.name = "x"
hosts.a = { id = 1, größe = 1 }
"""


def netc(*words: str | Path, shell: str = "", **settings: str) -> subprocess.CompletedProcess[bytes]:
    """The command, in a process of its own, with what a shell says of its streams (`2>&-`)."""
    program = [sys.executable, "-c", "from netc.cli import main; main()", *map(str, words)]
    given = ["sh", "-c", f'exec "$@" {shell}', "sh", *program]
    return subprocess.run(given, capture_output=True, check=False, env=os.environ | settings)


def bare(text: str) -> Iterator[int]:
    """Lines with a call that leaves the encoding to the locale."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            of = ast.unparse(node.func.value) if isinstance(node.func, ast.Attribute) else ""
            given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            words = (str(one.value) for one in node.args if isinstance(one, ast.Constant))
            binary = any(re.fullmatch(r"[rwax]\+?b\+?", word) for word in words)
            of_files = name in TEXT and of not in ("os", "tarfile") and not binary
            of_programs = "True" in (given.get("text"), given.get("universal_newlines"))
            if (of_files or of_programs) and "encoding" not in given:
                yield node.lineno


def test_every_text_is_read_and_written_with_a_stated_encoding() -> None:
    modules = sorted((ROOT / "compiler").rglob("*.py"))
    found = [f"{path.name}:{line}" for path in modules for line in bare(path.read_text(encoding="utf-8"))]

    assert len(modules) > 200
    assert found == []


def test_a_call_without_an_encoding_is_found() -> None:
    calls = ("p.read_text()", "p.write_text('x')", "open('x')", "p.open('w')", "open(f, 'w')", "run([], text=True)")
    others = ("open('x', 'rb')", "os.open('x', 0)", "p.read_bytes()", "p.open('w', encoding='utf-8')", "run([])")

    assert list(bare("\n".join((*calls, *others)))) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("locale", [C, {"LC_ALL": "C"}, {}], ids=["ascii", "C", "as here"])
def test_a_build_makes_the_same_bytes_in_every_locale(locale: dict[str, str], tmp_path: Path) -> None:
    example = next(path for path in EXAMPLES if path.stem == "mesh")
    ran = netc("build", example, "-o", tmp_path / "out", **locale)
    wanted = {
        f"{host}/{file.path}": file.text
        for host, files in compiled(example.read_text("utf-8")).items()
        for file in files
    }
    made = {path: data.decode() for path, (_, data) in tree(tmp_path / "out").items() if path != ".gitattributes"}

    assert (ran.returncode, ran.stderr) == (0, b"")
    assert made == wanted


@pytest.mark.parametrize("verb", ["check", "build", "explain", "fmt"])
def test_text_that_the_locale_cannot_encode_causes_no_traceback(verb: str, tmp_path: Path) -> None:
    topo = tmp_path / "größe.toml"
    topo.write_text(FOREIGN, encoding="utf-8")
    rest = {"build": ["-o", tmp_path / "out"], "explain": []}.get(verb, [])
    ran = netc(verb, *(["hosts.a", topo] if verb == "explain" else [topo, *rest]), **C)

    assert b"Traceback" not in ran.stderr
    assert ran.returncode == (0 if verb == "fmt" else 1) or (verb, ran.returncode) == ("fmt", 1)


def test_pages_and_examples_are_read_in_every_locale(tmp_path: Path) -> None:
    pages = sorted(path.stem for path in (ROOT / "docs/diagnostics").glob("*.md") if not path.read_bytes().isascii())
    for words in (["explain", (pages or ["NC0126"])[0]], ["new", tmp_path / "topo.toml"], ["schema"]):
        ran = netc(*words, **C)
        assert (ran.returncode, ran.stderr) == (0, b""), words


@pytest.mark.parametrize("closed", ["2>&-", ">&-", "<&-", "<&- >&- 2>&-"])
def test_a_build_works_with_closed_output(closed: str, tmp_path: Path) -> None:
    example = next(path for path in EXAMPLES if path.stem == "mesh")
    for verb in ("build", "check"):
        ran = netc(verb, example, *(["-o", tmp_path / "out"] if verb == "build" else []), shell=closed)
        assert (ran.returncode, ran.stderr) == (0, b"")
    topo = tmp_path / "topo.toml"
    topo.write_text(FOREIGN, encoding="utf-8")

    assert (tmp_path / "out" / "ams" / "MANIFEST").is_file()
    assert netc("check", topo, shell=closed).returncode == 1
