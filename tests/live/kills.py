"""Operations on hosts that somebody kills at any moment: netc's processes, all at once. What they started to stay
(WireGuard programs, BIRD) stays."""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from signal import SIGKILL
from typing import Any

import tomlkit

from live.compiled import compiled
from live.delivered import INSTALL, at_rest, deliver, install, netc_host, token
from live.keys import private_key, public_key
from live.lab import Host, Lab
from live.state import State, difference
from live.waiting import LONG, within

KILL = r"""
sleep "$1"
while found=''; do
    for process in /proc/[0-9]*; do
        name=$(tr '\0' ' ' <"$process/cmdline") || continue
        [[ $name != */stand-in/* && ($name == *netc-host* || $name == */etc/netc/parts/*) ]] || continue
        found=1
        kill -9 "${process#/proc/}"
    done 2>/dev/null
    [[ $found ]] || break
done
"""
PLACE = "/tmp/killing.bash"
PROGRAM = "/usr/local/sbin/netc-host"
WATCHED = r"""
[[ ! -d /run/systemd/system ]] || exit 0
for script in /etc/netc/parts/*/watch; do
    part=${script%/watch}
    [[ -e $script && -e /run/netc/${part##*/} ]] || continue
    bash -c 'source <(sed "s/^watch .*/again/" "$1")' watch "$script"
done
"""
"""What the watch of each part does as soon as the devices of its routes are back: somebody runs it, as systemd does."""
ANSWERING = r"""
for namespace in '' $(ip netns list | cut -d ' ' -f 1); do
    for device; do
        ! ${namespace:+ip netns exec "$namespace"} timeout 10 wg show "$device" public-key >/dev/null || echo "$device"
    done
done
"""
"""Prints the WireGuard devices, of those given, that are there and answer; one in userspace is a process."""
BEYOND = (
    ("hosts", "laptop", "splits", "torrents"),
    *(("hosts", "lin", kind, name) for kind in ("tunnels", "uplinks") for name in ("he", "sixtofour")),
)
"""What needs control groups, or kinds of tunnels that not every kernel has."""
OF_BIRD = '"protocol": "12"'
"""Routes that come and go with its neighbours, and at its pace."""
OPERATIONS = ("first", "install", "confirm", "revert", "down", "up", "uninstall")
Found = tuple[State, str]


class Killing:
    """A host with the old generation, and a new one that is brought to it."""

    def __init__(self, lab: Lab, host: Host, old: Path, new: Path, passing: str = "$^") -> None:
        """`passing`: lines of the state that come and go."""
        self.lab, self.host, self.old, self.new, self.passing = lab, host, old, new, passing
        self.done: Counter[str] = Counter()
        self.lasts: dict[str, float] = {}
        host.write(PLACE, KILL)
        self.put(new)
        self.is_new = self.found()
        netc_host(host, "uninstall")
        self.nothing = self.found()
        self.put(old)
        self.is_old = self.found()
        assert differs(self.is_old, self.is_new), "the generations are the same"

    def bring(self, tree: Path) -> None:
        deliver(self.lab, self.host, tree)

    def put(self, tree: Path) -> None:
        netc_host(self.host, "confirm", self.begun(tree), "--from", "console")

    def begun(self, tree: Path) -> str:
        self.bring(tree)
        said = install(self.host, "--detach")
        self.host.run(["bash", "-c", WATCHED])
        return token(said)

    def found(self) -> Found:
        return at_rest(self.host, f"{self.passing}|{OF_BIRD}", kept="/var/lib/netc|  /run/netc/|^/run/netns d ")

    def missing_devices(self) -> set[str]:
        """WireGuard devices of the plan that do not answer; both generations have the same."""
        scripts = (path.read_text() for path in (self.old / "etc/netc/parts").glob("*/up"))
        planned = {name for text in scripts for name in re.findall(r"(?m)^step wireguard (\S+)", text)}
        return planned - set(self.host.run(["bash", "-c", ANSWERING, "answering", *planned]).stdout.split())

    def killed(self, argv: list[str], operation: str, draw: random.Random) -> float:
        """Returns the moment, in seconds: at most a little after the operation ended the last time."""
        moment = draw.uniform(0, 1.1) * self.lasts.get(operation, 2)
        began = time.monotonic()
        process, killer = self.host.start(argv), self.host.start(["bash", PLACE, f"{moment:.3f}"])
        if process.wait() != -SIGKILL:
            self.lasts[operation] = time.monotonic() - began
        killer.wait()
        return moment

    def once(self, seed: str) -> str:
        """Kills one operation, does what an operator would, and returns what is neither old nor new then."""
        draw = random.Random(seed)
        operation = draw.choice(OPERATIONS)
        self.done[operation] += 1
        print(f"{seed}: {operation}")  # shown if it fails
        moment, expected = getattr(self, f"_{operation}")(draw)
        self.host.run(["bash", "-c", WATCHED])
        within(5, lambda: not differs(expected, self.found()))  # systemd runs them when it comes to it
        wrong = differs(expected, self.found())
        if expected is not self.nothing:
            wrong += netc_host(self.host, "check", check=False).stdout
            wrong += " ".join(f"{device} does not answer" for device in sorted(self.missing_devices()))
        if expected is not self.is_old:
            self.put(self.old)
        return f"{seed}: {operation} killed after {moment:.3f} s: {wrong}" if wrong else ""

    def _first(self, draw: random.Random) -> tuple[float, Found]:
        """Nothing was installed before."""
        netc_host(self.host, "uninstall")
        moment = self.killed(["bash", INSTALL, "--detach"], "first", draw)
        busy = "another install is under way"  # a program that it started, such as systemctl, is at its end
        assert within(LONG, lambda: busy not in install(self.host, "--dry-run", check=False).stderr)
        said = install(self.host, "--dry-run", check=False)
        if said.returncode:
            self.host.run(told(said.stderr))
        return moment, self.nothing

    def _install(self, draw: random.Random) -> tuple[float, Found]:
        self.bring(self.new)
        moment = self.killed(["bash", INSTALL, "--detach"], "install", draw)
        self._reverted()
        return moment, self.is_old

    def _reverted(self) -> bool:
        """Whether there was something to revert: the operation may have ended, or not begun, when it was killed."""
        said = netc_host(self.host, "revert", check=False)
        assert said.returncode == 0 or "no change waits" in said.stderr, said
        return said.returncode == 0

    def _confirm(self, draw: random.Random) -> tuple[float, Found]:
        moment = self.killed([PROGRAM, "confirm", self.begun(self.new)], "confirm", draw)
        return moment, self.is_old if self._reverted() else self.is_new

    def _revert(self, draw: random.Random) -> tuple[float, Found]:
        self.begun(self.new)
        moment = self.killed([PROGRAM, "revert"], "revert", draw)
        self._reverted()
        return moment, self.is_old

    def _down(self, draw: random.Random) -> tuple[float, Found]:
        moment = self.killed([PROGRAM, "down"], "down", draw)
        netc_host(self.host, "up")
        return moment, self.is_old

    def _up(self, draw: random.Random) -> tuple[float, Found]:
        netc_host(self.host, "down")
        moment = self.killed([PROGRAM, "up"], "up", draw)
        netc_host(self.host, "up")
        return moment, self.is_old

    def _uninstall(self, draw: random.Random) -> tuple[float, Found]:
        moment = self.killed([PROGRAM, "uninstall"], "uninstall", draw)
        if draw.random() < 0.5 and is_there(self.host) and self._reverted():
            return moment, self.is_old
        if is_there(self.host):
            netc_host(self.host, "uninstall")
        left = self.host.run(["find", "/var/lib/netc", "/usr/lib/netc", PROGRAM], check=False).stdout
        assert not left, left
        return moment, self.nothing


def is_there(host: Host) -> bool:
    return host.run(["test", "-e", PROGRAM], check=False).returncode == 0


def told(said: str) -> list[str]:
    """The command with which a change can be rolled back."""
    found = re.search(r"(\S*netc-host) revert", said)
    assert found, said
    return [found[1], "revert"]


def differs(one: Found, other: Found) -> str:
    files = sorted(set(one[1].splitlines()) ^ set(other[1].splitlines()))
    return difference(one[0], other[0]) + "\n".join(files)


def generations(
    example: Path, name: str, folder: Path, beyond: Sequence[tuple[str, ...]] = BEYOND
) -> tuple[Path, Path]:
    """The example but for what is `beyond` the host, and the same with smaller packets or other addresses, for which
    many parts restart."""
    topology = tomlkit.parse(example.read_text())
    for host, table in topology["hosts"].items():
        if "public_key" in table:
            table["public_key"] = public_key(private_key(host))
    for path in beyond:
        table: Any = topology
        for key in path[:-1]:
            table = table.get(key, {})
        table.pop(path[-1], None)
    (folder / example.name).write_text(tomlkit.dumps(topology))
    if "namespaces" in topology["hosts"][name]:  # the provider says the size of packets
        topology["hosts"][name]["namespaces"]["vpn"]["access"] = ["10.200.7.0/31", "fd00:207::/127"]
    elif "second" in topology["hosts"][name].get("uplinks", {}):
        topology["hosts"][name]["uplinks"]["second"]["gateway"] = "203.0.113.2"
    elif topology["hosts"][name].get("netfilter") == "iptables":  # and here the tunnel's program
        topology["hosts"][name]["splits"]["cavorite"]["direct"] = ["private"]
    else:
        for table in topology["hosts"].values():
            table["mtu"] = int(table.get("mtu", 1500)) - 60
    for beside in example.parent.iterdir():
        if beside.suffix in (".conf", ".txt"):
            (folder / beside.name).write_bytes(beside.read_bytes())
    old = compiled(folder / example.name, folder / "old")[name]
    (folder / example.name).write_text(tomlkit.dumps(topology))
    return old, compiled(folder / example.name, folder / "new")[name]
