"""What a run leaves for the next makes it faster and nothing else: without it, and when it is spoiled, the output is
the same."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.inputs import mesh
from examples import EXAMPLES, ROOT, Ran, Tree, differences, netc, root_only, tree
from netc import emit as printers
from netc import pipeline, shipped, workers
from netc.cli import every_host, seen
from netc.cli.again import UNSEEN, Memory
from netc.cli.every_host import asked
from netc.cli.files import kept
from netc.emit.file import File
from netc.kept import MOST, Kept, fingerprint
from netc.plan.host_plan import HostPlan

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
    monkeypatch.setattr(every_host, "WORTH", 0)
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
    survey = pipeline.survey

    def noted(text: str, file: str, read_file: Callable[[str], str]) -> pipeline.Survey:
        compiled.append(file)
        return survey(text, file, read_file)

    monkeypatch.setattr(pipeline, "survey", noted)
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
    first(out).write_text("# nothing\n")
    memory = Memory(topo, topo.read_text(), out, time.time())
    assert memory.last
    memory.made |= {host: one._replace(seen=UNSEEN) for host, one in memory.last.hosts.items()}
    memory.beside = memory.last.beside
    memory.remember(memory.out, {*memory.made}, is_told=False)
    assert Memory(topo, topo.read_text(), out, time.time()).unchanged() == len(tree(out))
    ran = netc("build", topo, "-o", out, "--check")

    assert (ran.code, "write one/files/etc/netc/nftables.nft" in ran.out) == (1, True)


NONSENSE = [b"", b"{", b"\xff", b"3", b"[]", b'{"topology": 1}', b'{"topology": null, "beside": 3, "hosts": {"a": 3}}']
NOTHING = b'{"topology": null, "beside": {}, "hosts": {}}'


@pytest.mark.parametrize("said", [*NONSENSE, NOTHING])
def test_what_makes_no_sense_is_as_if_it_were_not_there(topo: Path, out: Path, said: bytes) -> None:
    memory = Memory(topo, topo.read_text(), out, time.time())
    memory.kept.put(memory.name, memory.origin(), said)

    assert netc("build", topo, "-o", out).out == f"{out}: 0 written, 0 removed, {len(tree(out))} unchanged\n"


@pytest.fixture
def emitted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hosts that were printed."""
    hosts: list[str] = []
    emit = printers.emit

    def noted(plan: HostPlan) -> tuple[File, ...]:
        hosts.append(plan.host)
        return emit(plan)

    monkeypatch.setattr(printers, "emit", noted)
    return hosts


def three(more: str = "") -> str:
    lines = (f'hosts.{name}.id = {id}\nhosts.{name}.addresses = "198.51.100.{id}/24"' for name, id in HOSTS.items())
    return "\n".join(('version = 1\nnetwork.name = "kept"', *lines, 'sets.long = { files = "long.txt" }', more)) + "\n"


HOSTS = {"one": 1, "two": 2, "three": 3, "four": 4}
ALLOW = '\n[hosts.{}.firewall]\nallow = {{ ports = "443/tcp", from = "long" }}\n'
LINK = """[links.between]
kind = "gre"
between = ["two", "three"]
ends.two.address = "10.0.0.1/30"
ends.three.address = "10.0.0.2/30"
"""


def test_a_host_whose_plan_is_the_same_is_not_printed_again(topo: Path, tmp_path: Path, emitted: list[str]) -> None:
    out = tmp_path / "out"
    texts = {
        three(): {*HOSTS},
        three(ALLOW.format("two")): {"two"},
        three(LINK): {"two", "three"},  # a tree that is exchanged as a whole
        three(LINK + "# more\n"): set(),
        three(LINK + ALLOW.format("four")): {"four"},
        three().replace("hosts.one", "hosts.five"): {"five", "two", "three", "four"},
    }
    for number, (text, wanted) in enumerate(texts.items()):
        topo.write_text(text)
        emitted.clear()
        assert netc("build", topo, "-o", out).code == 0
        assert set(emitted) == wanted, text
        assert differences(fresh(topo, tmp_path / f"fresh{number}"), tree(out)) == []


def test_a_list_that_changed_is_in_every_host_that_has_it(topo: Path, tmp_path: Path, emitted: list[str]) -> None:
    topo.write_text(three(ALLOW.format("two")))
    netc("build", topo, "-o", tmp_path / "out")
    emitted.clear()
    in_place(topo.parent / "long.txt", lambda text: text + "203.0.113.0/24\n")
    netc("build", topo, "-o", tmp_path / "out")

    assert emitted == ["two"]
    assert differences(fresh(topo, tmp_path / "fresh"), tree(tmp_path / "out")) == []


def test_processes_beside_each_other_say_the_same_of_the_same(topo: Path, tmp_path: Path) -> None:
    """Else all would be printed again each time."""

    def digests(text: str) -> dict[str, str]:
        topo.write_text(text)
        assert netc("build", topo, "-o", tmp_path / "out").code == 0
        last = Memory(topo, text, tmp_path / "out", 0).last
        assert last
        return {host: standing.plan for host, standing in last.hosts.items()}

    before = digests(mesh(workers.LEAST))
    after = digests(mesh(workers.LEAST, 'firewall = { allow = [{ ports = "443/tcp" }] }'))
    shutil.rmtree(tmp_path / "cache")

    assert [host for host in before if before[host] != after[host]] == [f"h{workers.LEAST // 2}"]
    assert digests(mesh(workers.LEAST)) == before


@pytest.mark.parametrize("change", OUTPUTS)
def test_what_somebody_wrote_to_is_printed_again_beside_what_changed(
    change: str, topo: Path, out: Path, tmp_path: Path
) -> None:
    OUTPUTS[change](out)
    INPUTS["a key"](topo)
    assert netc("build", topo, "-o", out).code == 0
    (out / "kept").unlink(missing_ok=True)

    assert differences(fresh(topo, tmp_path / "fresh"), tree(out)) == []


def test_who_writes_and_hides_it_is_found_out(topo: Path, out: Path, uncompiled: list[str], tmp_path: Path) -> None:
    """The same length, and the old time set again."""
    before = first(out).stat()
    OUTPUTS["a text of the same length"](out)
    os.utime(first(out), ns=(before.st_atime_ns, before.st_mtime_ns))
    netc("build", topo, "-o", out)

    assert uncompiled == [str(topo)]
    assert differences(fresh(topo, tmp_path / "fresh"), tree(out)) == []


def test_what_somebody_writes_to_meanwhile_is_not_remembered(
    topo: Path, out: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """To a host that stays as it is, while the other is compiled."""
    emit = printers.emit

    def slow(plan: HostPlan) -> tuple[File, ...]:
        OUTPUTS["a text of the same length"](out)
        return emit(plan)

    monkeypatch.setattr(printers, "emit", slow)
    INPUTS["a key"](topo)
    netc("build", topo, "-o", out)
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    netc("build", topo, "-o", out)

    assert differences(fresh(topo, tmp_path / "fresh"), tree(out)) == []


def test_where_the_clock_stands_still_nothing_is_remembered(
    topo: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, uncompiled: list[str]
) -> None:
    monkeypatch.setattr(seen, "_now", lambda _: 3)
    for _ in range(2):
        assert netc("build", topo, "-o", tmp_path / "out").code == 0

    assert len(uncompiled) == 2


def test_a_file_that_changes_while_it_is_read_is_not_remembered(topo: Path, out: Path) -> None:
    memory = Memory(topo, topo.read_text() + "# more\n", out, time.time())
    before = memory.last
    memory.reading("long.txt")
    in_place(topo.parent / "long.txt", lambda text: text + "203.0.113.0/24\n")
    memory.reading("long.txt")
    memory.remember(memory.out, {*memory.made}, is_told=False)

    assert before is not None
    assert before == Memory(topo, "", out, 0).last


def test_it_ends_before_arguments_are_parsed(topo: Path, out: Path) -> None:
    script = "import sys; from netc.cli import main; main(); sys.exit(bool({'typer', 'pydantic'} & {*sys.modules}))"
    words = [sys.executable, "-c", script, "build", str(topo), "-o", str(out)]
    ran = subprocess.run(words, capture_output=True, text=True, check=False)

    assert Ran(ran.returncode, ran.stdout, ran.stderr) == netc("build", topo, "-o", out)


def test_only_plain_words_are_taken_for_a_build_of_every_host() -> None:
    assert asked(["topo"]) == (Path("topo"), Path("out"))
    for words in (["topo", "-o", "dir"], ["topo", "--out", "dir"], ["-o", "dir", "topo"]):
        assert asked(words) == (Path("topo"), Path("dir"))
    for words in ([], ["-h"], ["--help"], ["topo", "--check"], ["-o", "out"], ["topo", "-o", "--check"]):
        assert asked(words) is None


BUILDS: dict[str, Callable[[Path], object]] = {
    "right": lambda topo: topo,
    "to be told": lambda topo: (
        shutil.copytree(ROOT / "examples", topo.parent, dirs_exist_ok=True),
        shutil.copy(ROOT / "examples/seedbox.toml", topo),
    ),
    "a mistake": lambda topo: in_place(topo, lambda text: text.replace("id = 1", "id = 0")),
    "no topology": Path.unlink,
    "no UTF-8": lambda topo: topo.write_bytes(b"\xff"),
    "a list outside": lambda topo: in_place(topo, lambda text: text.replace("long.txt", "../long.txt")),
    "a stranger's file": lambda topo: (
        (topo.parents[1] / "out").mkdir(),
        (topo.parents[1] / "out/one").write_text(""),
    ),
    "no folder": lambda topo: (topo.parents[1] / "out").write_text(""),
}


@pytest.mark.parametrize("case", BUILDS)
def test_a_build_says_the_same_with_and_without_typer(topo: Path, tmp_path: Path, case: str) -> None:
    BUILDS[case](topo)
    out = tmp_path / "out"
    program = [sys.executable, "-c", "from netc.cli import main; main()", "build", str(topo), "-o", str(out)]
    ran = []
    for more in ([], ["--format", "text"]):
        shutil.rmtree(tmp_path / "cache", ignore_errors=True)
        if case in ("right", "to be told"):
            shutil.rmtree(out, ignore_errors=True)
        ran.append(subprocess.run([*program, *more], capture_output=True, text=True, check=False))

    alone, by_typer = ((one.returncode, one.stdout, one.stderr) for one in ran)
    assert alone == by_typer
    assert (alone[0] == 0) == (case in ("right", "to be told"))
    assert "Traceback" not in alone[2]


@pytest.mark.parametrize("more", [[], ["--strict"]], ids=["at once", "by typer"])
def test_where_nobody_listens_it_ends_without_a_word(topo: Path, out: Path, more: list[str]) -> None:
    words = [sys.executable, "-c", "from netc.cli import main; main()", "build", str(topo), "-o", str(out), *more]
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write) as stdout:
        ran = subprocess.run(words, stdout=stdout, stderr=subprocess.PIPE, check=False)

    assert (ran.returncode, ran.stderr) == (1, b"")


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
    monkeypatch.setattr(every_host, "WORTH", 60)
    assert netc("build", topo, "-o", tmp_path / "out").code == 0

    assert not Memory(topo, topo.read_text(), tmp_path / "out", 0).kept.has(f"build {topo} {tmp_path / 'out'}")


def test_what_a_compiler_made_that_changed_meanwhile_is_not_remembered(
    topo: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, uncompiled: list[str]
) -> None:
    monkeypatch.setattr(shipped, "last_change", time.time)
    for _ in range(2):
        assert netc("build", topo, "-o", tmp_path / "out").code == 0

    assert len(uncompiled) == 2
