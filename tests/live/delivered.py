"""Whole trees, carried to a host as an operator does it, for `install` to put into place."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from live.lab import Host, Lab
from live.state import State, without

TREE = "/tmp/tree"
INSTALL = f"{TREE}/install"


def deliver(_: Lab, host: Host, tree: Path, to: str = TREE) -> None:
    """`tree` is a host's folder in out/, or what `compiled` gives, which is `files` in it."""
    folder = tree.parent if tree.name == "files" else tree
    host.deliver(folder, to)


def install(host: Host, *options: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return host.run(["bash", INSTALL, *options], check=check)


def netc_host(host: Host, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return host.run(["/usr/local/sbin/netc-host", *words], check=check)


def forge(host: Host, path: str, text: str) -> None:
    """Changes a file of the tree, and MANIFEST with it."""
    host.write(f"{TREE}/{path}", text)
    script = 'sum=$(sha256sum <"$1"); sed -i -E "s,^[0-9a-f]{64}(  [0-7]{4}  $1( .*)?)$,${sum%% *}\\1," MANIFEST'
    host.run(["bash", "-c", f"cd {TREE} && {script}", "forge", path])


def token(said: subprocess.CompletedProcess[str]) -> str:
    return said.stdout.split()[-1]


def what_is_there(host: Host) -> str:
    """All that an installation may leave behind on a disk, or where netc keeps what it knows until the next boot."""
    places = ("/etc", "/usr/local/bin", "/usr/local/sbin", "/usr/lib/netc", "/var/lib/netc", "/run/netc", "/run/netns")
    script = "find $@ -xdev -printf '%p %y %m %u %l\\n' | sort; find $@ -xdev -type f -exec sha256sum {} + | sort"
    return host.run(["bash", "-c", f"exec 2>/dev/null; {script}", "list", *places]).stdout


def at_rest(host: Host, passing: str, kept: str = r"/var/lib/netc|  /run/netc/") -> tuple[State, str]:
    """All that a change could have changed. `passing`: lines of the state that come and go; `kept`: places
    that are netc's own memory of it."""
    there = "".join(line for line in what_is_there(host).splitlines(True) if not re.search(kept, line))
    return without(host.state(), passing), there


RUNS = """mkdir -p /run/netc-run
echo "$$" >/run/netc-run/pid
echo ready
sleep infinity &
wait
"""


def as_if_run(host: Host) -> None:
    """`status` and `check` see `netc-host run`, which watches nothing here: the test looks after the scripts itself."""
    host.write("/run/stand-in/netc-host", RUNS)
    host.start(["bash", "/run/stand-in/netc-host", "run"]).wait_for("ready")


KILL = """# bash reads this first (BASH_ENV): netc-host, doing VERB, is killed before its command number AT
if [[ ${0##*/} == netc-host && ${1-} == "$VERB" ]]; then
    unset BASH_ENV
    exec {killing_told}>/tmp/commands
    killing_count=0
    set -o functrace # netc-host removes functions of its caller, so the trap has none
    trap '((BASHPID != $$)) ||
        { ((++killing_count != AT)) || kill -9 $$; echo "$killing_count" >&"$killing_told"; }' DEBUG
fi
"""
PLACE = "/tmp/kill.bash"


def killed(host: Host, argv: list[str], verb: str, at: int) -> int:
    """Runs it, and has `netc-host verb` killed at its command number `at`: how many it got to."""
    env = {"BASH_ENV": PLACE, "VERB": verb, "AT": str(at)}
    host.run(argv, env=env, check=False)
    return int((host.read("/tmp/commands").split() or ["0"])[-1])
