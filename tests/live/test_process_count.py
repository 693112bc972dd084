"""What `python -m bench processes` counts: processes, whatever they are made by, and no threads."""

from __future__ import annotations

import shutil

import pytest

from bench.processes import counted, made
from live.lab import Lab
from live.needs import require

pytestmark = pytest.mark.live

THREADS = "import threading; [threading.Thread(target=print).start() for _ in range(5)]"


@pytest.mark.parametrize(
    ("script", "processes"),
    [
        (":", 1),
        ("/bin/true; (:); x=$(echo)", 4),
        ("/bin/true | /bin/true", 3),
        ("setsid bash -c 'sleep 0.5; /bin/true; :' &", 4),
        (f"python3 -c '{THREADS}'; :", 2),
    ],
)
def test_processes_are_counted_and_threads_are_not(lab: Lab, script: str, processes: int) -> None:
    require("" if shutil.which("strace") else "could not run: apt-get install strace")
    assert counted(lab.host("h"), ["bash", "-c", script]) == processes


def test_a_call_that_strace_prints_in_two_lines_counts_once() -> None:
    trace = """\
10 clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLD <unfinished ...>
11 vfork( <unfinished ...>
10 <... clone resumed>, child_tidptr=0x7f) = 12
11 <... vfork resumed>) = 13
12 clone3({flags=CLONE_VM|CLONE_VFORK, exit_signal=SIGCHLD, stack=0x7f, stack_size=0x9000}, 88) = 14
12 clone3({flags=CLONE_VM|CLONE_THREAD, child_tid=0x7f} => {parent_tid=[15]}, 88) = 15
12 clone(child_stack=0xc0, flags=CLONE_VM|CLONE_THREAD|CLONE_SYSVSEM <unfinished ...>
12 <... clone resumed>, tls=0xc0) = 16
12 clone(child_stack=NULL, flags=SIGCHLD) = ? ERESTARTNOINTR (To be restarted)
12 clone(child_stack=NULL, flags=SIGCHLD) = -1 EAGAIN (Resource temporarily unavailable)
"""
    assert made(trace.splitlines()) == 3
