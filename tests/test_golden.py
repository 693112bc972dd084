"""Every example compiles to exactly what `out/` holds. `pytest --update` writes it anew; git diff is the review."""

from __future__ import annotations

import re
import shutil
import stat
from hashlib import sha256
from pathlib import Path

import pytest

from examples import EXAMPLES, OUT, differences, netc, tree

each_example = pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)


@each_example
def test_an_example_compiles_to_what_out_holds(example: Path, tmp_path: Path, update: bool) -> None:
    if update:
        shutil.rmtree(OUT / example.stem, ignore_errors=True)
        assert netc("build", example, "-o", OUT / example.stem).code == 0
    ran = netc("build", example, "-o", tmp_path / "made")

    assert ran.code == 0, ran.err
    assert differences(tree(OUT / example.stem), tree(tmp_path / "made")) == []


@each_example
def test_a_manifest_lists_every_other_file_of_its_host(example: Path, tmp_path: Path) -> None:
    netc("build", example, "-o", tmp_path / "made")
    hosts = sorted(path for path in (tmp_path / "made").iterdir() if path.is_dir())

    assert hosts
    for host in hosts:
        wanted = {
            str(path.relative_to(host)): (sha256(path.read_bytes()).hexdigest(), stat.S_IMODE(path.stat().st_mode))
            for path in host.rglob("*")
            if path.is_file() and path != host / "MANIFEST"
        }
        lines = (host / "MANIFEST").read_text().splitlines()
        found = [re.fullmatch(r"([0-9a-f]{64})  ([0-7]{4})  (\S+)(  [a-z]+:\S+)?", line) for line in lines]
        listed = {line[3]: (line[1], int(line[2], 8)) for line in found if line}

        assert listed == wanted
        assert len(lines) == len(wanted)
        assert [line.split("  ")[2] for line in lines] == sorted(wanted)


def test_out_holds_nothing_but_the_examples(update: bool) -> None:
    names = {example.stem for example in EXAMPLES}
    if update:
        for stranger in OUT.iterdir():
            if stranger.is_dir() and stranger.name not in names:
                shutil.rmtree(stranger)

    assert {path.name for path in OUT.iterdir()} == names


def test_files_that_reviews_fold_are_the_same_on_every_host() -> None:
    """All but MANIFEST, which follows from the files that it lists."""
    texts: dict[str, set[bytes]] = {}
    for example in EXAMPLES:
        for path, (_, text) in tree(OUT / example.stem).items():
            own = path.partition("/")[2]
            if own.startswith("files/usr/lib/netc/") or own == "files/usr/local/sbin/netc-host":
                texts.setdefault(own, set()).add(text)

    assert len(texts) > 1
    assert [path for path, found in texts.items() if len(found) > 1] == []


def test_only_scripts_are_executable() -> None:
    wrong = [
        path
        for example in EXAMPLES
        for path, (mode, text) in tree(OUT / example.stem).items()
        if (mode == 0o755) != text.startswith(b"#!")
    ]

    assert wrong == []


def head(path: Path) -> str:
    return "\n".join(path.read_text().splitlines()[:3])


def test_every_file_names_its_host_or_says_that_it_is_shared() -> None:
    """In its first lines: this host's, compiled from the topology, or the same everywhere. MANIFEST has checksums."""
    said = ("Compiled by netc", "The same on every host: reviewed once for each release of netc.")
    files = [path for path in OUT.rglob("*") if path.is_file() and path.name != "MANIFEST"]
    silent = [path for path in files if not any(each in head(path) for each in said)]

    assert len(files) > 100
    assert silent == []
    same = {path.relative_to(OUT) for path in files if said[1] in head(path)}
    assert same == {path.relative_to(OUT) for path in files if re.search(r"/usr/(lib/netc|local/sbin)/", str(path))}
