"""What is made by many processes is what one would have made."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from bench.ring import for_netc
from examples import netc, tree
from netc import workers
from netc.lab.waiting import wait
from netc.workers import EACH, LEAST, spread

MANY = range(LEAST + 3 * EACH + 1)


@pytest.fixture(autouse=True)
def three(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_processors", lambda: 3)


def test_other_processes_return_results_in_order() -> None:
    known = object()
    made = list(spread(lambda n: (n, os.getpid(), id(known)), MANY))
    assert [n for n, _, _ in made] == list(MANY)
    assert os.getpid() not in {pid for _, pid, _ in made}
    assert {seen for _, _, seen in made} == {id(known)}


@pytest.mark.parametrize("processors", [1, 3])
def test_little_work_stays_in_this_process(processors: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_processors", lambda: processors)
    assert set(spread(lambda _: os.getpid(), range(LEAST if processors == 1 else LEAST - 1))) == {os.getpid()}


@pytest.mark.parametrize("most", [0, 1, 2])
def test_work_stays_in_this_process_if_fork_fails(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[int] = []
    fork = os.fork

    def some() -> int:
        if len(begun) == most:
            raise BlockingIOError
        begun.append(fork())
        return begun[-1]

    monkeypatch.setattr(os, "fork", some)
    assert set(spread(lambda _: os.getpid(), MANY)) == {os.getpid()}
    for pid in begun:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_an_exception_of_a_worker_is_raised_after_earlier_results() -> None:
    made = spread(lambda n: 1 // (20 - n), MANY)
    with pytest.raises(ZeroDivisionError):
        for _ in made:
            pass


def test_workers_end_when_the_iterator_is_closed() -> None:
    made = spread(lambda n: (n, os.getpid()), MANY)
    _, pid = next(made)
    made.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize("refused", ["a stranger's file", "a stranger's folder"])
def test_a_refused_host_keeps_the_old_tree_of_every_host(tmp_path: Path, refused: str) -> None:
    """Also where other processes put them down."""
    topo, out = tmp_path / "topo.toml", tmp_path / "out"
    topo.write_text(for_netc(LEAST + 8))
    assert netc("build", topo, "-o", out).code == 0
    topo.write_text(topo.read_text().replace('loopback = "10.0.0.', 'loopback = "10.0.3.'))
    if refused == "a stranger's folder":
        (out / "r9" / "POLICY.md").unlink()
        (out / "r9" / "POLICY.md").mkdir()
    else:
        (out / "r9" / "POLICY.md").write_text("mine\n")
        (out / "r9" / "MANIFEST").unlink()
    before = tree(out)
    ran = netc("build", topo, "-o", out)

    assert (ran.code, ran.out) == (2, "")
    assert "is in the way and is not from netc" in ran.err
    assert tree(out) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "topo.toml"]


def test_a_full_disk_is_reported_with_the_file_that_did_not_fit(tmp_path: Path) -> None:
    (tmp_path / "topo.toml").write_text(for_netc(LEAST + 8))
    program = [sys.executable, "-c", "from netc.cli import main; main()", "build", "topo.toml"]
    small = ["prlimit", "--fsize=5000", *program]
    ran = subprocess.run(small, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert (ran.returncode, ran.stdout) == (2, "")
    assert re.fullmatch(r"netc: \S+/\.out\.netc-build/new/r\d+/\S+: File too large\n", ran.stderr)
    assert [path.name for path in tmp_path.iterdir()] == ["topo.toml"]


def test_workers_end_if_their_parent_is_killed(tmp_path: Path) -> None:
    """Or the next build would wait forever for the lock that they hold."""
    (tmp_path / "topo.toml").write_text(for_netc(100))
    words = [sys.executable, "-c", "from netc.cli import main; main()", "build", "topo.toml"]
    with subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.DEVNULL) as build:
        made = wait(lambda: found if len(found := children(build.pid)) >= 2 else [])
        build.kill()

    try:
        wait(lambda: not any(map(runs, made)))
    finally:
        for pid in filter(runs, made):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    subprocess.run(words, cwd=tmp_path, check=True, capture_output=True)


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def runs(pid: int) -> bool:
    """Whether it does: what has ended may be there until somebody asks how."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_build_is_the_same_by_one_process_and_by_many(tmp_path: Path) -> None:
    (tmp_path / "topo.toml").write_text(for_netc(LEAST + 1))
    one = {min(os.sched_getaffinity(0))}
    for out, processors in (("one", one), ("many", os.sched_getaffinity(0))):
        words = [sys.executable, "-c", "from netc.cli import main; main()", "build", "topo.toml", "-o", out]
        subprocess.run(
            ["taskset", "-c", ",".join(map(str, processors)), *words], cwd=tmp_path, check=True, capture_output=True
        )
    assert subprocess.run(["diff", "-r", "one", "many"], cwd=tmp_path, check=False).returncode == 0
