"""Resolver daemons of the host are hidden from programs of a split, or the split is refused. tests/machine has the real
daemons."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from live.compiled import script, up
from live.delivered import deliver, install
from live.lab import Host, Lab
from live.test_splits import scene, topology
from netc.lab.waiting import wait

pytestmark = [pytest.mark.live, pytest.mark.netfilters]

SOCKETS = ("systemd/resolve/io.systemd.Resolve", "nscd/socket", "avahi-daemon/socket", "dbus/system_bus_socket")
DAEMON = """
mkdir -p "/run/${1%/*}" && rm -f "/run/$1"
# One way alone (-U): both ways, an answer that takes half a second is cut off when who asks has nothing to say.
exec socat -U "UNIX-LISTEN:/run/$1,fork,mode=666" SYSTEM:'echo reached'
"""
REACHES = """
echo ready
until [[ -e /var/tmp/all-are-there ]]; do sleep 0.1; done
for socket; do echo "$socket $(socat -u "UNIX-CONNECT:/run/$socket" - 2>&1 | grep -o reached)"; done
cat /run/systemd/resolve/{stub-,}resolv.conf
"""


@pytest.mark.parametrize("bus", [False, True], ids=["hides the bus", "keeps the bus"])
def test_the_command_hides_resolver_daemons_also_those_that_start_later(lab: Lab, tmp_path: Path, bus: bool) -> None:
    """For root and for a member. Anybody else reaches them, and so does a program of the host."""
    there = scene(lab, tmp_path, topology(f'group = "cavorite"\ncommand = "t"\ndbus = {str(bus).lower()}'))
    up(there.laptop)
    there.laptop.run(["useradd", "--groups", "cavorite", "ann"])
    ann = ["setpriv", "--reuid", "ann", "--regid", "ann", "--init-groups"]
    asking = {"root": ["t"], "ann": [*ann, "t"], "others": ann}
    there.laptop.run(["rm", "-f", "/var/tmp/all-are-there"])
    started = {
        name: there.laptop.start([*who, "bash", "-c", REACHES, "reaches", *SOCKETS]) for name, who in asking.items()
    }
    for process in started.values():
        process.wait_for("ready")
    for socket in SOCKETS:
        there.laptop.start(["bash", "-c", DAEMON, "daemon", socket])
        wait(partial(answers, there.laptop, f"/run/{socket}"))
    there.laptop.write("/var/tmp/all-are-there", "")
    for name, process in started.items():
        process.wait()
        said = process.said()
        reached = {socket for socket in SOCKETS if f"{socket} reached" in said}
        bus_alone = {socket for socket in SOCKETS if bus and socket.startswith("dbus")}
        assert reached == (set(SOCKETS) if name == "others" else bus_alone), f"{name}: {said}"
        assert said.count("nameserver 10.66.0.1") == (0 if name == "others" else 2), name


def test_the_command_and_check_notice_a_folder_that_was_purged(lab: Lab, tmp_path: Path) -> None:
    """With its package. The mounts over it are gone from programs that run, also when the folder is there again."""
    there = scene(lab, tmp_path, topology('group = "cavorite"\ncommand = "t"'))
    laptop = there.laptop
    up(laptop)
    laptop.run(["useradd", "--groups", "cavorite", "ann"])
    ann = ["setpriv", "--reuid", "ann", "--regid", "ann", "--init-groups"]
    check = script("split-cavorite", "check")
    stays = ["bash", "-c", "echo ready; exec sleep 1000"]
    others = laptop.start(["setpriv", "--regid", "cavorite", "--keep-groups", *stays])
    running = laptop.start(["t", *stays])
    for process in (others, running):
        process.wait_for("ready")
    assert laptop.run(check).stdout == ""

    folder = "/run/avahi-daemon"
    laptop.run(["rmdir", folder])
    assert f"{folder} was deleted, and is no longer hidden from process" in laptop.run(check, check=False).stdout
    refused = laptop.run([*ann, "t", "echo", "ran"], check=False)
    assert (refused.returncode, refused.stdout) == (125, "")
    assert f"t: the folder {folder} is gone, and resolver daemons cannot be hidden from" in refused.stderr
    cure = refused.stderr.partition("As root: ")[2].split()
    assert cure == ["mkdir", "-m", "755", folder]
    laptop.run(cure)
    assert laptop.run([*ann, "t", "echo", "ran"]).stdout == "ran\n"
    assert laptop.run(check, check=False).stdout.count("start it again") == 1
    running.stop()
    wait(lambda: laptop.run(check, check=False).stdout == "")

    laptop.run(["rmdir", folder])
    assert laptop.run(["t", "echo", "ran"]).stdout == "ran\n"
    assert laptop.run(["stat", "-c", "%a %U", folder]).stdout == "755 root\n"


def answers(host: Host, path: str) -> bool:
    """It is there before anybody listens."""
    return "reached" in host.run(["socat", "-u", f"UNIX-CONNECT:{path}", "-"], check=False).stdout


def test_with_mode_except_the_command_runs_programs_as_ever(lab: Lab, tmp_path: Path) -> None:
    """They are those that the tunnel is not for, and they ask the resolvers of the host."""
    there = scene(lab, tmp_path, topology('group = "outside"\nmode = "except"\ncommand = "o"'))
    up(there.laptop)
    there.laptop.start(["bash", "-c", DAEMON, "daemon", SOCKETS[1]])
    wait(partial(answers, there.laptop, f"/run/{SOCKETS[1]}"))
    there.laptop.write("/var/tmp/all-are-there", "")
    assert (
        "nscd/socket reached"
        in there.laptop.run(["o", "bash", "-c", REACHES, "reaches", SOCKETS[1]], check=False).stdout
    )


@pytest.mark.parametrize(
    "split", ['group = "cavorite"', 'user = "visitor"', 'group = "cavorite"\ncommand = "t"'], ids=["group", "user", "t"]
)
def test_install_refuses_a_split_whose_programs_reach_resolver_daemons(lab: Lab, tmp_path: Path, split: str) -> None:
    there = scene(lab, tmp_path, topology(split))
    there.laptop.run(["useradd", "visitor"])
    deliver(lab, there.laptop, tmp_path / "laptop")
    there.laptop.write("/etc/nsswitch.conf", "passwd: files\nhosts: files resolve [!UNAVAIL=return] dns\n")
    said = install(there.laptop, "--dry-run", "--host", "--overwrite", check=False)
    refused = "a split has `dns`, and its programs reach resolver daemons: systemd-resolved resolves names"
    assert (refused in said.stderr) == ("command" not in split), said.stderr
    there.laptop.write("/etc/nsswitch.conf", "passwd: files\nhosts: files dns\n")
    assert "resolver daemons" not in install(there.laptop, "--dry-run", "--host", "--overwrite", check=False).stderr
