"""What a run leaves for the next makes it faster and nothing else: without it, and when it is spoiled, the output is
the same."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from examples import EXAMPLES, ROOT, Ran, Tree, differences, netc, root_only, tree
from netc import pipeline, shipped
from netc.cli import build as verb
from netc.cli.again import Memory
from netc.cli.topology import kept
from netc.kept import MOST, Kept, fingerprint

MESH = ROOT / "examples/mesh.toml"
LISTED = """version = 1
network.name = "kept"
hosts.one = { id = 1, addresses = "198.51.100.1/24", firewall = { deny = "long" } }
hosts.two = { id = 2, addresses = "198.51.100.2/24" }
sets.long = { files = "long.txt" }
"""


@pytest.fixture
def store(tmp_path: Path) -> Kept:
    return Kept(tmp_path / "cache" / "netc")


def kept_file(store: Kept) -> Path:
    assert store.folder
    (path,) = store.folder.iterdir()
    return path


def test_what_was_kept_is_there_for_the_same_origin_alone(store: Kept) -> None:
    store.put("name", b"origin", b"data")

    assert store.get("name", b"origin") == b"data"
    assert store.get("name", b"another") is None
    assert store.get("another", b"origin") is None
    assert Kept(None).get("name", b"origin") is None


def test_a_spoiled_byte_is_noticed_wherever_it_is(store: Kept) -> None:
    store.put("name", b"origin", b"data")
    path = kept_file(store)
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert store.get("name", b"origin") is None
        path.write_bytes(whole[:place])
        assert store.get("name", b"origin") is None
    path.write_bytes(whole)
    assert store.get("name", b"origin") == b"data"


def test_another_s_thing_under_this_name_does_not_count(store: Kept) -> None:
    store.put("one", b"origin", b"data")
    path = kept_file(store)
    store.put("two", b"origin", b"data")
    (other,) = set(path.parent.iterdir()) - {path}
    path.replace(other)

    assert store.get("two", b"origin") is None


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_what_others_can_write_does_not_count(store: Kept, mode: int) -> None:
    store.put("name", b"origin", b"data")
    kept_file(store).chmod(mode)
    assert store.get("name", b"origin") is None
    kept_file(store).chmod(0o600)
    assert store.get("name", b"origin") == b"data"
    assert store.folder
    store.folder.chmod(mode | 0o700)
    assert store.get("name", b"origin") is None
    store.put("more", b"origin", b"data")
    assert len(list(store.folder.iterdir())) == 1


def test_links_are_not_followed(store: Kept, tmp_path: Path) -> None:
    store.put("name", b"origin", b"data")
    path = kept_file(store)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert store.get("name", b"origin") is None

    assert store.folder
    store.folder.rename(tmp_path / "moved")
    store.folder.symlink_to(tmp_path / "moved")
    store.put("more", b"origin", b"data")
    assert len(list((tmp_path / "moved").iterdir())) == 1


@root_only
def test_another_user_s_file_does_not_count(store: Kept) -> None:
    store.put("name", b"origin", b"data")
    os.chown(kept_file(store), 65534, 65534)

    assert store.get("name", b"origin") is None


def test_where_nothing_can_be_kept_nothing_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = Kept(tmp_path / "file" / "netc")
    store.put("name", b"origin", b"data")

    assert store.get("name", b"origin") is None


def test_the_oldest_go(store: Kept) -> None:
    for number in range(MOST + 20):
        store.put(str(number), b"origin", b"data")
    assert store.folder

    assert len(list(store.folder.iterdir())) == MOST
    assert store.get(str(MOST + 19), b"origin") == b"data"


def test_what_is_put_together_otherwise_has_another_fingerprint() -> None:
    assert fingerprint((b"ab", b"c")) != fingerprint((b"a", b"bc")) != fingerprint((b"abc",))


@pytest.fixture
def topo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(verb, "WORTH", 0)
    (tmp_path / "topo").mkdir()
    (tmp_path / "topo/long.txt").write_text("192.0.2.0/24\n")
    (tmp_path / "topo/topo.toml").write_text(LISTED)
    return tmp_path / "topo/topo.toml"


@pytest.fixture
def out(tmp_path: Path, topo: Path) -> Path:
    """Built, and remembered."""
    assert netc("build", topo, "-o", tmp_path / "out").code == 0
    return tmp_path / "out"


@pytest.fixture
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The topologies that were compiled."""
    compiled: list[str] = []
    understand = pipeline.understand

    def noted(text: str, file: str, read_file: Callable[[str], str]) -> pipeline.Checked:
        compiled.append(file)
        return understand(text, file, read_file)

    monkeypatch.setattr(pipeline, "understand", noted)
    return compiled


def fresh(topo: Path, folder: Path) -> Tree:
    assert netc("build", topo, "-o", folder).code == 0
    return tree(folder)


def test_what_is_built_already_is_not_compiled_again(topo: Path, out: Path, uncompiled: list[str]) -> None:
    before = tree(out)
    ran = netc("build", topo, "-o", out)

    assert uncompiled == []
    assert ran == Ran(0, f"{out}: 0 written, 0 removed, {len(before)} unchanged\n", "")
    assert tree(out) == before


def in_place(path: Path, change: Callable[[str], str]) -> None:
    text = path.read_text()
    assert change(text) != text
    path.write_text(change(text))


def first(out: Path) -> Path:
    return out / "one/files/etc/netc/nftables.nft"


INPUTS: dict[str, Callable[[Path], object]] = {
    "a key": lambda topo: in_place(topo, lambda text: text.replace("100.2/24", "100.3/24")),
    "a comment": lambda topo: in_place(topo, lambda text: text + "# more\n"),
    "a list": lambda topo: in_place(topo.parent / "long.txt", lambda text: text + "203.0.113.0/24\n"),
    "a list's comment": lambda topo: in_place(topo.parent / "long.txt", lambda text: text + "# more\n"),
    "a list by a link": lambda topo: (
        (topo.parent / "other.txt").write_text("203.0.113.0/24\n"),
        (topo.parent / "long.txt").unlink(),
        (topo.parent / "long.txt").symlink_to("other.txt"),
    ),
}
OUTPUTS: dict[str, Callable[[Path], object]] = {
    "a text": lambda out: in_place(first(out), lambda text: text.replace("drop", "accept", 1)),
    "a text of the same length": lambda out: in_place(first(out), lambda text: text[:-2] + "x\n"),
    "a mode": lambda out: first(out).chmod(0o600),
    "a file less": lambda out: first(out).unlink(),
    "a link": lambda out: (first(out).rename(out / "kept"), first(out).symlink_to(out / "kept")),
    "a manifest": lambda out: in_place(out / "one/MANIFEST", lambda text: text.replace("0755", "0644")),
    "a host less": lambda out: shutil.rmtree(out / "two"),
    "a host too much": lambda out: shutil.copytree(out / "two", out / "gone"),
    "all": lambda out: shutil.rmtree(out),
}


@pytest.mark.parametrize("change", INPUTS)
def test_whatever_changes_before_it_is_compiled_again(
    change: str, topo: Path, out: Path, uncompiled: list[str], tmp_path: Path
) -> None:
    INPUTS[change](topo)
    assert netc("build", topo, "-o", out).code == 0

    assert uncompiled == [str(topo)]
    assert differences(fresh(topo, tmp_path / "fresh"), tree(out)) == []


@pytest.mark.parametrize("change", OUTPUTS)
def test_whatever_changes_behind_it_is_put_right(
    change: str, topo: Path, out: Path, uncompiled: list[str], tmp_path: Path
) -> None:
    OUTPUTS[change](out)
    ran = netc("build", topo, "-o", out)
    (out / "kept").unlink(missing_ok=True)

    assert (ran.code, uncompiled) == (0, [str(topo)])
    assert " 0 written, 0 removed" not in ran.out
    assert differences(fresh(topo, tmp_path / "fresh"), tree(out)) == []


def test_a_folder_that_became_a_link_is_refused_as_by_any_build(topo: Path, out: Path, tmp_path: Path) -> None:
    (out / "one/files").rename(tmp_path / "elsewhere")
    (out / "one/files").symlink_to(tmp_path / "elsewhere")
    ran = netc("build", topo, "-o", out)

    assert (ran.code, "is in the way" in ran.err) == (2, True)


def test_a_list_that_cannot_be_read_any_more_is_a_mistake(topo: Path, out: Path) -> None:
    (topo.parent / "long.txt").unlink()

    assert "NC0003" in netc("build", topo, "-o", out).err


def test_another_compiler_compiles_again(
    topo: Path, out: Path, uncompiled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    same = tuple(shipped.compiler())
    monkeypatch.setattr(shipped, "compiler", lambda: iter((*same, b"more")))
    netc("build", topo, "-o", out)

    assert uncompiled == [str(topo)]


def test_the_compiler_is_all_its_modules_and_templates() -> None:
    known = set(shipped.compiler())
    modules = (ROOT / "compiler/netc").rglob("*.py")
    templates = [path for path in (ROOT / "templates").rglob("*") if path.is_file()]

    assert {path.read_bytes() for path in (*modules, *templates)} <= known


def test_another_folder_is_another_build(topo: Path, out: Path, uncompiled: list[str], tmp_path: Path) -> None:
    shutil.copytree(out, tmp_path / "copy")
    assert netc("build", topo, "-o", tmp_path / "copy").out.startswith(f"{tmp_path}/copy: 0 written, 0 removed")

    assert uncompiled == [str(topo)]


@pytest.mark.parametrize("words", [["--check"], ["--host", "one"], ["--format", "json"], ["--check", "--strict"]])
def test_who_asks_for_more_gets_a_compile(topo: Path, out: Path, uncompiled: list[str], words: list[str]) -> None:
    assert netc("build", topo, "-o", out, *words).code == 0

    assert uncompiled == [str(topo)]


def test_a_check_does_not_believe_what_was_remembered(topo: Path, out: Path) -> None:
    """Somebody with this user's rights has changed DIR and what is remembered of it."""
    manifest = out / "one/MANIFEST"
    old = first(out).read_text()
    first(out).write_text("# nothing\n")
    digests = [hashlib.sha256(text.encode()).hexdigest() for text in (old, "# nothing\n")]
    manifest.write_text(manifest.read_text().replace(*digests))
    memory = Memory(topo, topo.read_text(), out, time.time())
    said = json.loads(memory.kept.get(memory.name, memory.origin()) or b"")
    said["manifests"]["one"] = hashlib.sha256(manifest.read_bytes()).hexdigest()
    memory.kept.put(memory.name, memory.origin(), json.dumps(said).encode())
    ran = netc("build", topo, "-o", out, "--check")

    assert (ran.code, "write one/files/etc/netc/nftables.nft" in ran.out) == (1, True)


@pytest.mark.parametrize("said", [b"", b"{", b"[]", b"3", b'{"beside": 3}', b'{"beside": {}, "manifests": [1]}'])
def test_what_makes_no_sense_is_as_if_it_were_not_there(topo: Path, out: Path, said: bytes) -> None:
    memory = Memory(topo, topo.read_text(), out, time.time())
    memory.kept.put(memory.name, memory.origin(), said)

    assert netc("build", topo, "-o", out).out == f"{out}: 0 written, 0 removed, {len(tree(out))} unchanged\n"


def test_a_file_that_changes_while_it_is_read_is_not_remembered(topo: Path, out: Path) -> None:
    memory = Memory(topo, topo.read_text() + "# more\n", out, time.time())
    memory.reading("long.txt")
    in_place(topo.parent / "long.txt", lambda text: text + "203.0.113.0/24\n")
    memory.reading("long.txt")
    memory.remember()

    assert memory.kept.get(memory.name, memory.origin()) is None


def test_what_an_author_should_know_is_told_every_time(tmp_path: Path) -> None:
    seedbox = ROOT / "examples/seedbox.toml"
    told = [netc("build", seedbox, "-o", tmp_path / "out").err for _ in range(2)]

    assert "NC0123" in told[0]
    assert told[0] == told[1]


BUILD = """
import os, sys
from netc.cli import app
for topo in sys.argv[1:]:
    app(args=["build", topo, "-o", os.path.basename(topo)], standalone_mode=False)
"""


def built(folder: Path, cache: Path) -> Tree:
    """All examples, in a process that finds what others left in `cache`."""
    folder.mkdir()
    words = [sys.executable, "-c", BUILD, *map(str, EXAMPLES)]
    environment = os.environ | {"XDG_CACHE_HOME": str(cache)}
    subprocess.run(words, cwd=folder, check=True, capture_output=True, env=environment)
    return tree(folder)


def test_output_is_the_same_with_what_was_kept_without_and_when_it_is_spoiled(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    (tmp_path / "file").write_text("")
    without = built(tmp_path / "without", tmp_path / "file")
    assert differences(without, built(tmp_path / "cold", cache)) == []
    left = sorted((cache / "netc").iterdir())
    assert len(left) > len(EXAMPLES)
    assert differences(without, built(tmp_path / "warm", cache)) == []
    for path in left:
        path.write_bytes(path.read_bytes()[:-9] + b"123456789")
    assert differences(without, built(tmp_path / "spoiled", cache)) == []


def test_a_cache_is_where_the_user_wants_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert kept().folder == tmp_path / "netc"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert kept().folder is None
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert kept().folder == tmp_path / ".cache/netc"


def test_what_was_quick_is_not_remembered(topo: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(verb, "WORTH", 60)
    assert netc("build", topo, "-o", tmp_path / "out").code == 0

    assert not Memory(topo, topo.read_text(), tmp_path / "out", 0).kept.has(f"build {topo} {tmp_path / 'out'}")


def test_what_a_compiler_made_that_changed_meanwhile_is_not_remembered(
    topo: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, uncompiled: list[str]
) -> None:
    monkeypatch.setattr(shipped, "last_change", time.time)
    for _ in range(2):
        assert netc("build", topo, "-o", tmp_path / "out").code == 0

    assert len(uncompiled) == 2
