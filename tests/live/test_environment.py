"""`install`, `revert` and `uninstall` do the same whatever shell calls them, and whatever state /tmp is in."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import links
from live import test_install
from live.compiled import compiled
from live.delivered import deliver, netc_host
from live.lab import Host, Lab
from live.state import difference
from live.test_install import MORE, TOPOLOGY

pytestmark = pytest.mark.live

edge = test_install.edge
TREE, NETC_HOST = "/var/tree", "/usr/local/sbin/netc-host"
CHANGED = MORE.replace("10.77.1", "10.77.3")

FULL = "mount -t tmpfs -o size=64k full /tmp; head -c 100k /dev/zero >/tmp/full 2>/dev/null; ! echo >/tmp/more"
READ_ONLY = "mount -t tmpfs -o ro read-only /tmp; mount -t tmpfs -o ro read-only /var/tmp; ! : >/tmp/x"
PLACES = {"/tmp is full": FULL, "/tmp is read-only": READ_ONLY}

FUNCTIONS = "grep sed awk sort ip rm mv cp tar find stat sha256sum xargs readlink cat report die"
SOURCED = f"""
shopt -s expand_aliases nullglob dotglob
alias ip=false local=false
for word in {FUNCTIONS} flock chmod; do eval "$word() {{ return 1; }}"; done
set -o noclobber -o noglob
IFS=/
"""
CALLERS = {
    "no TMPDIR": {"TMPDIR": "/nowhere/at/all"},
    "noclobber": {"SHELLOPTS": "noclobber"},
    "xtrace": {"SHELLOPTS": "xtrace:verbose"},
    "other options": {"SHELLOPTS": "noglob:errexit:keyword:allexport:monitor:physical:posix"},
    "other shopts": {"BASHOPTS": "nullglob:failglob:dotglob:nocasematch:nocaseglob:localvar_inherit:xpg_echo:lastpipe"},
    "exported functions": {f"BASH_FUNC_{word}%%": "() { return 1; }" for word in FUNCTIONS.split()},
    "BASH_ENV": {"BASH_ENV": "/run/sourced"},
    "GLOBIGNORE": {"GLOBIGNORE": "*"},
    "CDPATH": {"CDPATH": "/etc:/var:/usr"},
    "IFS": {"IFS": "/etc"},
    "GREP_OPTIONS": {"GREP_OPTIONS": "-v --color=always"},
    "POSIXLY_CORRECT": {"POSIXLY_CORRECT": "1"},
    "TAR_OPTIONS": {"TAR_OPTIONS": "--exclude=*"},
    "LC_ALL": {"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"},
    "FUNCNEST and TMOUT": {"FUNCNEST": "3", "TMOUT": "1"},
    "a short PATH": {"PATH": "/usr/bin:/bin"},
}


def run(host: Host, script: str, *words: str, env: dict[str, str] | None = None) -> None:
    given = [f"{name}={value}" for name, value in (env or {}).items()]
    host.run(["env", *given, "/bin/bash", script, *words])


def install(host: Host, *options: str, env: dict[str, str] | None = None) -> None:
    run(host, f"{TREE}/install", *options, env=env)


@pytest.mark.parametrize("caller", CALLERS)
def test_no_environment_of_the_caller_changes_what_is_done(lab: Lab, edge: Host, tmp_path: Path, caller: str) -> None:
    env = CALLERS[caller]
    edge.write("/run/sourced", SOURCED)
    before = edge.state()
    deliver(lab, edge, compiled(TOPOLOGY, tmp_path / "a")["edge"], TREE)
    install(edge, "--commit", env=env)
    assert test_install.links(edge) == {"vx-node"}
    first = edge.state()

    deliver(lab, edge, compiled(CHANGED, tmp_path / "b")["edge"], TREE)
    install(edge, "--detach", env=env)
    assert test_install.links(edge) == {"vx-node", "vx-two"}
    assert "10.77.3.0/31" in edge.run(["ip", "-o", "address"]).stdout
    run(edge, NETC_HOST, "revert", env=env)
    assert difference(first, edge.state()) == ""

    install(edge, "--commit", env=env)
    run(edge, NETC_HOST, "check", env=env)
    run(edge, NETC_HOST, "status", env=env)
    assert "10.77.3.0/31" in edge.run(["ip", "-o", "address"]).stdout
    run(edge, NETC_HOST, "uninstall", env=env)
    assert difference(before, edge.state()) == ""


@pytest.mark.parametrize("place", PLACES)
def test_large_plans_need_no_room_in_tmp(lab: Lab, tmp_path: Path, place: str) -> None:
    """The list of files that differ is larger than a pipe, beyond which bash writes a here-document to a file."""
    text = links.topology(160, kind="vxlan")
    hub = lab.host("hub")
    lab.wire(hub, "eth0", lab.host("world"), "hub", a_addresses=["198.51.100.1/24"])
    a, b = (compiled(text.replace("10.78.", net), tmp_path / net)["hub"] for net in ("10.78.", "10.79."))
    hub.run(["bash", "-c", PLACES[place]])
    before = hub.state()
    deliver(lab, hub, a, TREE)
    install(hub, "--commit")
    first = hub.state()
    deliver(lab, hub, b, TREE)
    install(hub, "--detach")
    assert difference(first, hub.state()) != ""
    netc_host(hub, "revert")
    assert difference(first, hub.state()) == ""
    netc_host(hub, "uninstall")
    assert difference(before, hub.state()) == ""
