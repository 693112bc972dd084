"""The verbs: what they print, what they write, and how they end (0 fine, 1 mistakes in the topology, 2 wrong use)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import pytest

from examples import EXAMPLES, ROOT, netc, tree
from netc import verify as judges
from netc.emit.file import File
from netc.report import verdicts
from netc.verify import Outcome, Verdict

MESH = ROOT / "examples" / "mesh.toml"
SEEDBOX = ROOT / "examples" / "seedbox.toml"
TWO_MISTAKES = """\
version = 1
network.name = "x"
hosts.edge = { id = 0, wan = "eth0" }
links.a = { kind = "wireguard", between = ["edge", "nobody"] }
"""


def words(verb: str, host: str, out: Path) -> tuple[str | Path, ...]:
    """What a verb needs after the topology."""
    return {"build": ("-o", out), "plan": (host,)}.get(verb, ())


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    path = tmp_path / "wrong.toml"
    path.write_text(TWO_MISTAKES)
    return path


def test_build_writes_a_folder_per_host_and_prints_what_changed(out: Path) -> None:
    first = netc("build", MESH, "-o", out)
    again = netc("build", MESH, "-o", out)
    count = len(tree(out))

    assert (first.code, first.err) == (0, "")
    assert first.out == f"{out}: {count} written, 0 removed, 0 unchanged\n"
    assert again.out == f"{out}: 0 written, 0 removed, {count} unchanged\n"
    assert sorted(path.name for path in out.iterdir()) == [".gitattributes", "ams", "fra", "nyc", "sfo", "tyo"]


@pytest.mark.parametrize("verb", ["build", "check", "plan"])
def test_errors_end_every_verb_with_1_and_write_nothing(verb: str, wrong: Path, out: Path) -> None:
    rest = words(verb, "edge", out)
    ran = netc(verb, wrong, *rest)

    assert ran.code == 1
    assert ran.out == ""
    assert "error[NC0105]" in ran.err
    assert "error[NC0201]" in ran.err
    assert not out.exists()


@pytest.mark.parametrize("verb", ["build", "check", "plan"])
@pytest.mark.parametrize("kind", ["absent", "a folder", "a pipe", "closed by its path"])
def test_a_topology_that_cannot_be_read_is_wrong_use(verb: str, kind: str, tmp_path: Path, out: Path) -> None:
    topo = tmp_path / "topo.toml"
    if kind == "a folder":
        topo.mkdir()
    elif kind == "a pipe":
        os.mkfifo(topo)
    elif kind == "closed by its path":
        (tmp_path / "file").touch()
        topo = tmp_path / "file" / "topo.toml"
    rest = words(verb, "edge", out)
    ran = netc(verb, topo, *rest)

    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"netc: cannot read {topo}: ")
    assert not out.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_topology_without_read_permission_is_wrong_use(tmp_path: Path) -> None:
    topo = tmp_path / "topo.toml"
    topo.write_text("")
    topo.chmod(0)

    assert netc("check", topo).code == 2


def test_a_topology_that_is_no_text_is_an_error(tmp_path: Path) -> None:
    topo = tmp_path / "topo.toml"
    topo.write_bytes(b"version = 1 # \xff")
    ran = netc("check", topo)

    assert ran.code == 1
    assert "error[NC0002]" in ran.err


@pytest.mark.parametrize("words", [[], ["make"], ["build"], ["build", str(MESH), "--fast"], ["plan", str(MESH)]])
def test_invalid_arguments_are_wrong_use(words: list[str]) -> None:
    assert netc(*words).code == 2


@pytest.mark.parametrize(
    "words",
    [
        ["check", "--format", "xml"],
        ["deploy", "--through", "tin"],
        ["deploy", "--limit", "0"],
        ["deploy", "--limit", "x"],
    ],
)
def test_an_option_with_a_wrong_value_is_reported_without_the_words_of_a_library(words: list[str]) -> None:
    ran = netc(*words, str(MESH))

    assert ran.code == 2
    assert f"'{words[1]}'" in ran.err
    assert not re.search("Value error|Input should|unable to parse", ran.err)


def test_help_names_every_verb() -> None:
    ran = netc("--help")

    assert ran.code == 0
    assert all(re.search(rf"^\W*{verb}\b", ran.out, re.MULTILINE) for verb in ("build", "check", "plan"))


def test_version_is_that_of_the_package() -> None:
    assert netc("--version").out == f"netc {version('netc')}\n"


def test_check_says_that_nothing_is_wrong_and_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert netc("check", MESH).out == f"{MESH}: 5 hosts, nothing wrong\n"
    assert netc("check", SEEDBOX).out == f"{SEEDBOX}: 1 host, nothing wrong\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("verb", ["build", "check", "plan"])
def test_notes_go_to_stderr_and_stop_nothing(verb: str, out: Path) -> None:
    rest = words(verb, "seedbox", out)
    ran = netc(verb, SEEDBOX, *rest)

    assert ran.code == 0
    assert "note[NC0123]" in ran.err
    assert "NC0123" not in ran.out


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_plan_prints_the_facts_of_one_host(example: Path) -> None:
    host = sorted(path for path in (ROOT / "out" / example.stem).iterdir() if path.is_dir())[0]
    order = (host / "files/etc/netc/order").read_text().splitlines()
    ran = netc("plan", example, host.name)

    assert ran.code == 0
    assert ran.out.splitlines()[0].startswith(f"host {host.name} of ")
    assert re.findall(r"^part ([a-z0-9-]+):", ran.out, re.MULTILINE) == order[1:]


def test_check_of_a_build_lists_what_is_stale_and_writes_nothing(out: Path) -> None:
    netc("build", MESH, "-o", out)
    order = out / "fra/files/etc/netc/order"
    order.write_text("mine\n")
    (out / "nyc/files/etc/netc/order").unlink()
    (out / "sfo/MANIFEST").chmod(0o700)
    before = tree(out)
    ran = netc("build", MESH, "-o", out, "--check")

    assert ran.code == 1
    assert ran.out.splitlines() == [
        "write fra/files/etc/netc/order",
        "write nyc/files/etc/netc/order",
        "write sfo/MANIFEST",
    ]
    assert ran.err == f"{out} is not what the topology compiles to\n"
    assert tree(out) == before


def test_check_of_a_build_lists_a_host_that_is_gone(out: Path) -> None:
    netc("build", MESH, "-o", out)
    netc("build", SEEDBOX, "-o", out, "--host", "seedbox")
    ran = netc("build", MESH, "-o", out, "--check")

    assert ran.code == 1
    assert "remove seedbox/MANIFEST" in ran.out.splitlines()
    assert all(line.startswith("remove seedbox/") for line in ran.out.splitlines())


def test_check_of_a_current_build_exits_with_0(out: Path) -> None:
    netc("build", MESH, "-o", out)
    ran = netc("build", MESH, "-o", out, "--check")

    assert (ran.code, ran.out) == (0, f"{out} is up to date\n")


def test_check_of_a_missing_build_makes_no_folder(out: Path) -> None:
    assert netc("build", MESH, "-o", out, "--check").code == 1
    assert not out.exists()


def test_one_host_is_built_and_others_are_left_alone(out: Path) -> None:
    netc("build", MESH, "-o", out)
    whole = tree(out)
    for host in ("fra", "nyc"):
        (out / host / "MANIFEST").write_text("mine\n")
        (out / host / "files/etc/netc/order").write_text("mine\n")
    (out / "fra/MANIFEST").write_bytes(whole["fra/MANIFEST"][1])
    ran = netc("build", MESH, "-o", out, "--host", "fra")
    after = tree(out)

    assert ran.code == 0
    assert ran.out.startswith(f"{out}: 1 written, 0 removed")
    assert {path for path in whole if whole[path] != after[path]} == {"nyc/MANIFEST", "nyc/files/etc/netc/order"}


def test_one_host_alone_makes_one_folder(out: Path) -> None:
    netc("build", MESH, "-o", out, "--host", "fra")

    assert sorted(path.name for path in out.iterdir()) == [".gitattributes", "fra"]


def test_check_of_one_host_ignores_the_others(out: Path) -> None:
    netc("build", MESH, "-o", out)
    (out / "nyc/files/etc/netc/order").write_text("mine\n")

    assert netc("build", MESH, "-o", out, "--host", "fra", "--check").code == 0


@pytest.mark.parametrize("more", [[], ["--host", "fra"], ["--format", "json"], ["--format", "github"], ["--strict"]])
def test_foreign_git_attributes_are_reported_and_left_alone(out: Path, more: list[str]) -> None:
    netc("build", MESH, "-o", out)
    (out / ".gitattributes").write_text("* text=auto\n")
    (out / "fra/MANIFEST").unlink()
    shutil.rmtree(out / "fra/files")
    (out / "fra/install").unlink()
    checked = netc("build", MESH, "-o", out, "--check", *more)
    ran = netc("build", MESH, "-o", out, *more)
    told = f"netc: {out}/.gitattributes is not from netc, so netc does not change it\n"
    told += "   = hint: add the line `* -text`: git may change line endings, so that MANIFEST is wrong and hosts refuse"
    told += " the files. Reviews fold nothing\n"

    assert (checked.code, checked.err.count(told)) == (1, 1)
    assert ".gitattributes" not in (checked.out + checked.err).replace(told, "")
    assert (ran.code, ran.err.count(told)) == (0, 1)
    assert told not in ran.out
    assert (out / ".gitattributes").read_text() == "* text=auto\n"
    assert netc("build", MESH, "-o", out, "--check", *more).code == 0


@pytest.mark.parametrize("more", ["* -text", "* text=auto\n* -text diff", "* binary"])
def test_foreign_git_attributes_that_keep_line_endings_get_no_hint_on_them(out: Path, more: str) -> None:
    netc("build", MESH, "-o", out)
    (out / ".gitattributes").write_text(f"# mine\n{more}\n")
    ran = netc("build", MESH, "-o", out)

    assert "line endings" not in ran.err
    assert ran.err.startswith(
        f"netc: {out}/.gitattributes is not from netc, so netc does not change it\n   = hint: reviews fold"
    )


def test_lines_added_to_our_git_attributes_are_reported_when_removed(out: Path) -> None:
    netc("build", MESH, "-o", out)
    attributes = out / ".gitattributes"
    whole = attributes.read_text()
    attributes.write_text(f"{whole}\n# mine\n*.png -diff\x1b[2J\n")
    ran = netc("build", MESH, "-o", out)

    told = f"netc: {attributes} is written again, without the lines that were added to it: "
    told += "`# mine`, `*.png -diff\\x1b[2J`\n"
    assert ran.err == f"{told}   = hint: write a first line of your own, and netc leaves the file alone\n"
    assert attributes.read_text() == whole
    assert netc("build", MESH, "-o", out).err == ""
    attributes.write_text(whole.replace("netc 0", "netc 0.0", 1))  # an earlier one's
    assert netc("build", MESH, "-o", out).err == ""


@pytest.mark.parametrize("more", [[], ["--host", "fra"]])
def test_our_git_attributes_are_part_of_a_build(out: Path, more: list[str]) -> None:
    netc("build", MESH, "-o", out)
    whole = tree(out)
    for change in (Path.unlink, lambda path: path.write_text(path.read_text() + "* text\n")):
        change(out / ".gitattributes")
        checked = netc("build", MESH, "-o", out, "--check", *more)

        assert (checked.code, checked.out) == (1, "write .gitattributes\n")
        assert netc("build", MESH, "-o", out, *more).out.startswith(f"{out}: 1 written, 0 removed, ")
        assert tree(out) == whole


@pytest.mark.parametrize("words", [["build", "--host", "fry", "-o"], ["plan", "fry"]], ids=["build", "plan"])
def test_an_unknown_host_is_wrong_use(words: list[str], out: Path) -> None:
    verb, *rest = words
    ran = netc(verb, MESH, *rest, *([out] if verb == "build" else []))

    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "netc: no host is called 'fry'\n   = hint: did you mean `fra`?\n"
    assert not out.exists()


def test_a_file_in_place_of_the_output_folder_is_wrong_use(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text("mine")
    ran = netc("build", MESH, "-o", out)

    assert ran.code == 2
    assert ran.err.startswith("netc: ")
    assert out.read_text() == "mine"


@pytest.mark.parametrize("check", [[], ["--check"]], ids=["build", "check"])
def test_a_file_in_place_of_a_folder_is_reported_with_a_hint(tmp_path: Path, check: list[str]) -> None:
    (tmp_path / "f").write_text("mine")
    (tmp_path / "loop").symlink_to("loop")
    file = f"`{tmp_path}/f` is not a folder, and is in the way: move it, or name another folder"
    loop = f"`{tmp_path}/loop` is a link to itself: remove it, or name another folder"
    for name, told in (("f", file), ("f/x", file), ("f/x/y", file), ("loop", loop), ("x" * 300, "File name too long")):
        ran = netc("build", MESH, "-o", tmp_path / name, *check)

        assert (ran.code, ran.out) == (2, "")
        assert ran.err.startswith("netc: ")
        assert ran.err.endswith(f"{told}\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f", "loop"]


CLOSED = "-dac_override,-dac_read_search"
"""Without these (capabilities(7)) modes hold for root too."""


@pytest.mark.parametrize("check", [[], ["--check"]], ids=["build", "check"])
@pytest.mark.parametrize("closed", [".gitattributes", "ams/MANIFEST", "ams", "", ".."])
def test_a_folder_without_permission_is_wrong_use(out: Path, closed: str, check: list[str]) -> None:
    as_root = os.geteuid() == 0
    if as_root and not shutil.which("setpriv"):
        pytest.skip("needs setpriv: apt-get install util-linux")
    netc("build", MESH, "-o", out)
    path = Path(os.path.normpath(out / closed))
    mode = path.stat().st_mode
    path.chmod(0)
    try:
        within = ["setpriv", f"--bounding-set={CLOSED}", f"--inh-caps={CLOSED}"] if as_root else []
        words = [sys.executable, "-c", "from netc.cli import main; main()", "build", MESH, "-o", out, *check]
        ran = subprocess.run([*within, *words], capture_output=True, text=True, check=False, cwd="/")
    finally:
        path.chmod(mode)

    assert (ran.returncode, ran.stdout) == (2, "")
    told = rf"netc: {re.escape(str(path))}\S*: Permission denied\n"
    of_typer = rf"Usage: (?s:.)*[Pp]ath '{re.escape(str(out))}' is not readable.\n"
    assert re.fullmatch(f"{told}|{of_typer}", ran.stderr)


def test_control_characters_in_the_name_of_a_folder_are_escaped(tmp_path: Path) -> None:
    topo = tmp_path / "t\x1b[2J.toml"
    shutil.copy(MESH, topo)
    out = tmp_path / "o\x1b[2J"
    said = [netc("build", topo, "-o", out, *more) for more in ([], ["--check"], ["--check"])]
    (out / "ams/files/etc/netc/order").unlink()
    said += [netc("build", topo, "-o", out, "--check"), netc("check", topo), netc("fmt", topo), netc("new", f"{topo}x")]

    assert [ran.code for ran in said] == [0, 0, 0, 1, 0, 0, 0]
    assert "\x1b" not in "".join(ran.out + ran.err for ran in said)
    assert said[0].out.startswith(f"{tmp_path}/o\\x1b[2J: ")


def test_an_unknown_host_without_a_similar_name_lists_all_hosts(out: Path) -> None:
    ran = netc("build", MESH, "-o", out, "--host", "x")

    assert (ran.code, ran.err) == (2, "netc: no host is called 'x'\n   = hint: the hosts are ams, fra, nyc, sfo, tyo\n")


def test_a_build_into_a_closed_pipe_ends_without_a_message(out: Path) -> None:
    words = [sys.executable, "-c", "from netc.cli import main; main()", "build", str(MESH), "-o", str(out)]
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write) as stdout:
        ran = subprocess.run(words, stdout=stdout, stderr=subprocess.PIPE, check=False)

    assert (ran.returncode, ran.stderr) == (1, b"")


def judge(outcome: Outcome, detail: str = "") -> object:
    def judge(files: Sequence[File]) -> tuple[Verdict, ...]:
        return tuple(Verdict("oracle", file.path, outcome, detail) for file in files if file.path.endswith("/order"))

    return judge


def test_verify_prints_verdicts_for_every_host(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judges, "JUDGES", (judge(Outcome.PASSED),))
    ran = netc("build", MESH, "-o", out, "--verify")

    assert ran.code == 0
    assert ran.err == "".join(f"{host}: oracle: 1 passed\n" for host in ("ams", "fra", "nyc", "sfo", "tyo"))
    assert len([path for path in out.iterdir() if path.is_dir()]) == 5


def test_build_judges_nothing_without_verify(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judges, "JUDGES", (judge(Outcome.FAILED),))

    assert netc("build", MESH, "-o", out).code == 0


def test_a_judge_that_could_not_run_is_reported_and_stops_nothing(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judges, "JUDGES", (judge(Outcome.COULD_NOT_RUN, "apt-get install oracle"),))
    ran = netc("build", SEEDBOX, "-o", out, "--verify")

    assert ran.code == 0
    assert "seedbox: oracle: 1 could-not-run" in ran.err
    assert "apt-get install oracle" in ran.err


@pytest.mark.parametrize("check", [[], ["--check"]], ids=["build", "check"])
def test_a_judge_that_fails_one_host_stops_the_write_of_all(
    check: list[str], out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails_fra(files: Sequence[File]) -> tuple[Verdict, ...]:
        of_fra = any(file.path.endswith("/order") and " fra," in file.text for file in files)
        return (Verdict("oracle", "MANIFEST", Outcome.FAILED if of_fra else Outcome.PASSED, "I do not like it"),)

    monkeypatch.setattr(judges, "JUDGES", (fails_fra,))
    netc("build", SEEDBOX, "-o", out)
    before = tree(out)
    ran = netc("build", MESH, "-o", out, "--verify", *check)

    assert ran.code == 1
    assert "ams: oracle: 1 passed\nfra: oracle: 1 failed\n  MANIFEST: failed\n    I do not like it\n" in ran.err
    assert "nyc: oracle: 1 passed" in ran.err
    assert "it is a bug of netc" in ran.err
    assert tree(out) == before


def test_verdicts_are_counted_in_the_order_of_outcomes() -> None:
    heard = [Verdict("bash", "a", Outcome.FAILED, "line 1\nline 2"), Verdict("bash", "b", Outcome.PASSED)]

    assert verdicts.render("fra", heard) == "fra: bash: 1 passed, 1 failed\n  a: failed\n    line 1\n    line 2\n"


def test_the_installed_command_is_the_same_program(out: Path) -> None:
    command = Path(sys.executable).with_name("netc")
    if not command.exists():
        pytest.skip("netc is not installed beside python")
    done = subprocess.run([command, "build", SEEDBOX, "-o", out], capture_output=True, text=True)

    assert done.returncode == 0
    assert done.stdout == f"{out}: {len(tree(out))} written, 0 removed, 0 unchanged\n"
    assert "note[NC0123]" in done.stderr
