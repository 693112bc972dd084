"""Claims about whatever is given to netc: it ends soon, with 0, 1 or 2, and never with a traceback."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import tomllib
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

import night
from examples import EXAMPLES, ROOT, Ran, netc, tree
from mutants import NFT, PATHS, SHELL, at, mutant, paths

CHUNKS, MUTANTS = 20, 20_000
SECONDS = 10
"""Of this process, so that a busy machine makes no hang; what hangs does not end in minutes. Large files have twice as
much for each MB."""
FORMATS = ("text", "json", "github", "sarif", "rdjson")


class Hang(Exception):
    """It took too long."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise Hang(f"over {seconds} s")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a topology lies among what it may name, and what it must not."""
    here = tmp_path / "here"
    shutil.copytree(ROOT / "examples", here)
    (tmp_path / "secret").write_text("[Interface]\nPrivateKey = OUTSIDE\n")
    (here / "folder").mkdir()
    (here / "link-out").symlink_to("../secret")
    (here / "link-folder").symlink_to("/etc")
    (here / "link-loop").symlink_to("link-loop")
    os.mkfifo(here / "pipe")
    return here


def run_netc(data: bytes, folder: Path, *words: str | Path) -> Ran:
    """Whatever comes out of it, it comes soon and is in order."""
    topo = folder / "topo.toml"
    topo.write_bytes(data)
    verb, *rest = words
    with within(SECONDS * (1 + 2 * len(data) / 1e6)):
        ran = netc(verb, *rest, topo) if verb == "explain" else netc(verb, topo, *rest)
    assert ran.code in (0, 1, 2)
    assert "OUTSIDE" not in ran.out + ran.err
    assert all(c.isprintable() or c == "\n" or unicodedata.category(c) == "Zs" for c in ran.err)
    if ran.code == 1:
        assert "[NC" in ran.err or "NC" in ran.out or ran.out.endswith("is not formatted\n")
    return ran


def words(draw: random.Random, folder: Path) -> tuple[str | Path, ...]:
    """A verb, and what it takes behind the topology."""
    match draw.randrange(12):
        case 0:
            return "build", "-o", folder / "out", "--format", draw.choice(FORMATS)
        case 1:
            return "plan", draw.choice(("edge", "seedbox", "fra", "laptop"))
        case 2:
            return "fmt", *draw.choice(((), ("--check",)))
        case 3:
            return "explain", draw.choice(("hosts.edge", "links", "hosts.laptop.splits.browser.direct[0]", *SHELL))
        case _:
            return "check", "--format", draw.choice(FORMATS), *(["--strict"] if draw.random() < 0.2 else [])


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_no_mutant_of_an_example_crashes_netc(chunk: int, folder: Path) -> None:
    """The seed of one that fails is told."""
    for number in range(night.number(MUTANTS) // CHUNKS):
        seed = f"{night.seed()}-{chunk}-{number}"
        draw = random.Random(seed)
        data = mutant(draw)
        try:
            ran = run_netc(data, folder, *(verb := words(draw, folder)))
            if "--format" in verb and "json" in verb and ran.code != 2:
                assert json.loads(ran.out)["format"] == 1
        except Exception as error:
            error.add_note(f"seed {seed}: {data[:4000]!r}")
            raise


def test_mutants_are_of_all_kinds(folder: Path) -> None:
    """Those that compile, those that are wrong, and those that are no TOML."""
    rans = [run_netc(mutant(random.Random(f"kinds-{n}")), folder, "check") for n in range(150)]

    assert sum(ran.code == 0 for ran in rans) >= 5
    assert sum("[NC0001]" in ran.err for ran in rans) >= 10
    assert sum("[NC0002]" in ran.err for ran in rans) >= 3
    assert len({line[:13] for ran in rans for line in ran.err.splitlines() if line.startswith("error[")}) >= 20


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    assert run_netc(data, tmp_path_factory.mktemp("fuzz"), "check").code == 1


leaves = st.one_of(st.sampled_from(SHELL + NFT + PATHS), st.integers(), st.floats(), st.booleans(), st.text(max_size=8))
keys = st.one_of(
    st.sampled_from(
        sorted({str(path[-1]) for example in EXAMPLES for path in paths(tomllib.loads(example.read_text()))})
    ),
    st.sampled_from(SHELL),
)
tables = st.recursive(
    st.dictionaries(keys, leaves, max_size=4),
    lambda inner: st.one_of(st.dictionaries(keys, inner, max_size=4), st.lists(inner, max_size=3)),
    max_leaves=12,
)


@given(st.dictionaries(keys, st.one_of(tables, leaves), max_size=6))
def test_any_tables_are_refused(tmp_path_factory: pytest.TempPathFactory, data: dict[str, Any]) -> None:
    head: dict[str, Any] = {"version": 1, "network": {"name": "x"}, "hosts": {"a": {"id": 1}}}
    try:
        text = tomlkit.dumps(head | data)
    except (ValueError, TypeError):
        return
    run_netc(text.encode(errors="replace"), tmp_path_factory.mktemp("fuzz"), "check")


# ---- large and deep ------------------------------------------------------------------------------------------

HEAD = 'version = 1\nnetwork.name = "x"\n[hosts.a]\nid = 1\nwan = "eth0"\n'
MB = 1_000_000
SIZE = MB
LARGE: dict[str, Callable[[], str]] = {
    "NUL": lambda: "\x00" * SIZE,
    "one string": lambda: HEAD + 'x = "' + "x" * SIZE + '"',
    "one open string": lambda: HEAD + 'x = """' + "x" * SIZE,
    "one key": lambda: HEAD + "k" * SIZE + " = 1",
    "one comment": lambda: HEAD + "# " + "x" * SIZE,
    "comments": lambda: HEAD + "# x\n" * (SIZE // 4),
    "newlines": lambda: HEAD + "\n" * SIZE,
    "quotes": lambda: HEAD + "'" * SIZE,
    "brackets": lambda: HEAD + "x = " + "[" * SIZE,
    "braces": lambda: HEAD + "x = " + "{a=" * (SIZE // 3),
    "headers": lambda: HEAD + "".join(f"[t{n}]\n" for n in range(SIZE // 8)),
    "nested headers": lambda: HEAD + "[a" + ".a" * (SIZE // 2) + "]",
    "dotted keys": lambda: HEAD + "a" + ".a" * (SIZE // 2) + " = 1",
    "digits": lambda: HEAD + "x = " + "9" * SIZE,
    "a list": lambda: HEAD + "addresses = [" + '"192.0.2.1/24", ' * (SIZE // 16) + "]",
    "unknown keys": lambda: HEAD + "".join(f"k{n} = 1\n" for n in range(SIZE // 8)),
    "a secret": lambda: HEAD + 'private_key = "' + "A" * SIZE + '"',
    "many secrets": lambda: HEAD + 'private_key = "x"\n' * (SIZE // 19),
    "base64": lambda: HEAD + "x = '" + "aA9+" * (SIZE // 4) + "'",
    "carriage returns": lambda: HEAD.replace("\n", "\r\n") + "\r" * SIZE,
    "spaces": lambda: HEAD + "x =" + " " * SIZE + "1",
    "underscores": lambda: HEAD + "x = 1" + "_1" * (SIZE // 2),
    "acknowledgements": lambda: HEAD + '[[acknowledge]]\ncode = "NC1404"\nat = "a"\nreason = "b"\n' * 20_000,
    "rules": lambda: HEAD + "[hosts.a.firewall]\nallow = [" + '{ ports = "80/tcp" },' * 50_000 + "]",
    "prefixes": lambda: (
        HEAD
        + "[hosts.a.firewall]\ndeny = ["
        + ",".join(f'"{n >> 8 & 255}.{n & 255}.0.0/16"' for n in range(60_000))
        + "]"
    ),
}


def _large(data: bytes, folder: Path) -> str:
    """What went wrong in a few words: pytest would show all of it."""
    try:
        run_netc(data, folder, "check")
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:300]
    return ""


@pytest.mark.parametrize("text", ["x = '%s'\n", "%s", "# %s"], ids=repr)
@pytest.mark.parametrize("filling", ["\x00", "x", "'", "[", "\n", "\r"], ids=repr)
def test_a_file_of_10_mb_is_refused(text: str, filling: str, folder: Path) -> None:
    data = (HEAD + text % (filling * 10 * MB)).encode()
    (folder / "topo.toml").write_bytes(data)
    with within(SECONDS):
        ran = netc("check", folder / "topo.toml")

    assert ran.code == 2
    assert ran.err.endswith("it has more than 8 MiB\n")


@pytest.mark.parametrize("name", LARGE)
def test_a_large_file_is_checked_in_time(name: str, folder: Path) -> None:
    fails = _large(LARGE[name]().encode(), folder)
    assert not fails, fails


@pytest.mark.parametrize("depth", [10, 100, 500, 900, 1100, 5000, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ("{a=", "}")], ids=["lists", "tables"])
@pytest.mark.parametrize("key", ["x", "addresses", "firewall", "tunnels.t", "ssh"])
def test_deep_values_do_not_crash_netc(key: str, opening: str, closing: str, depth: int, folder: Path) -> None:
    fails = _large((HEAD + f"{key} = {opening * depth}1{closing * depth}\n").encode(), folder)
    assert not fails, fails


@pytest.mark.parametrize("depth", [10, 300, 1100, 20_000])
@pytest.mark.parametrize("form", ["[hosts.a{}]\n", "[[hosts.a{}]]\n", "wan{} = 1\n", "[hosts.a.firewall.allow{}]\n"])
def test_deep_headers_do_not_crash_netc(form: str, depth: int, folder: Path) -> None:
    fails = _large((HEAD + form.format(".a" * depth)).encode(), folder)
    assert not fails, fails


# ---- beside the topology -------------------------------------------------------------------------------------

IMPORT = HEAD + "[hosts.a.tunnels.t]\nkind = 'wireguard'\nimport = %s\n"
FILES = HEAD + "[sets.s]\nfiles = [%s]\n"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("text", [IMPORT, FILES], ids=["import", "files"])
def test_only_files_in_the_folder_of_the_topology_are_read(text: str, path: str, folder: Path) -> None:
    ran = run_netc((text % json.dumps(path)).encode(), folder, "check")

    if "azire-se.conf" not in path or "\x00" in path:
        assert ran.code == 1
        assert "[NC0003]" in ran.err
    assert "root:" not in ran.err


@pytest.mark.parametrize("text", [IMPORT, FILES], ids=["import", "files"])
@pytest.mark.parametrize("seed", range(20))
def test_no_imported_file_crashes_netc(text: str, seed: int, folder: Path) -> None:
    draw = random.Random(f"beside-{seed}")
    original = (
        (folder / "azire-se.conf").read_bytes()
        if text is IMPORT
        else b"10.0.0.0/8\n192.0.2.1-192.0.2.9\n2001:db8::/32\n"
    )
    for _ in range(10):
        data = bytearray(original)
        for _ in range(draw.choice((1, 5, 30))):
            where = draw.randrange(len(data))
            data[where : where + draw.choice((0, 1, 9))] = draw.choice(
                (draw.randbytes(3), b"\n", b"[Peer]", b"/", b"\xff", b"= =")
            )
        (folder / "beside").write_bytes(data)
        run_netc((text % '"beside"').encode(), folder, "check")


@pytest.mark.parametrize(
    "line",
    [b"\x00" * 10, b"x" * 10, b"[Peer]\n", b"10.0.0.1\n", b"10.0.0.0-", b"= =\n", b"AllowedIPs = 10.0.0.0/8,\n"],
    ids=repr,
)
@pytest.mark.parametrize("text", [IMPORT, FILES], ids=["import", "files"])
def test_a_large_imported_file_is_checked_in_time(text: str, line: bytes, folder: Path) -> None:
    (folder / "beside").write_bytes(line * (SIZE // len(line)))
    topo = folder / "topo.toml"
    topo.write_text(text % '"beside"')
    with within(SECONDS * 3):
        assert netc("check", topo).code in (0, 1)


# ---- what a shell, nft or systemd would take for more than a word --------------------------------------------


def strings() -> list[tuple[Path, tuple[str | int, ...]]]:
    """Every string that an example holds, one a key."""
    found = {}
    for example in EXAMPLES:
        data = tomllib.loads(example.read_text())
        for path in paths(data):
            if isinstance(at(data, path), str):
                found.setdefault(tuple(key for key in path if isinstance(key, str))[-2:], (example, path))
    return sorted(found.values(), key=str)


HARMFUL = ("$(id)", "a\nreboot", '"; reboot; "', "} flush ruleset", "x %n")
COMMANDS = {"start", "stop", "command"}
"""Words of programs that the author chose; tests/test_templates.py shows how they are quoted."""


@pytest.mark.parametrize(
    ("example", "path"), strings(), ids=lambda each: ".".join(map(str, each)) if isinstance(each, tuple) else ""
)
def test_no_string_injects_a_command_into_output(example: Path, path: tuple[str | int, ...], folder: Path) -> None:
    """Behind what is right: refused, or found in no file that is made."""
    if COMMANDS & set(map(str, path)):
        return
    for harm in HARMFUL:
        data = tomllib.loads(example.read_text())
        table = at(data, path[:-1])
        table[path[-1]] += harm
        text = tomlkit.dumps(data).encode()
        if run_netc(text, folder, "check").code == 0:
            out = folder / "out"
            run_netc(text, folder, "build", "-o", out)
            assert [name for name, (_, made) in tree(out).items() if harm.encode() in made] == []
            shutil.rmtree(out)
