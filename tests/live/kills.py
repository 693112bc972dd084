"""Operations on hosts that somebody kills at any moment: netc's processes, all at once. What they started to stay
(WireGuard programs, BIRD) stays."""

from __future__ import annotations

import random
import re
import time
from pathlib import Path
from typing import Any

import tomlkit

from live.compiled import compiled
from live.delivered import INSTALL, deliver, install, netc_host, what_is_there
from live.keys import private_key, public_key
from live.lab import Host, Lab
from live.state import FORWARDING, difference, without

KILL = r"""
sleep "$1"
for process in /proc/[0-9]*; do
    name=$(tr '\0' ' ' <"$process/cmdline") || continue
    [[ $name != *netc-host* && $name != */etc/netc/parts/* ]] || kill -9 "${process#/proc/}"
done 2>/dev/null
"""
PLACE = "/tmp/killing.bash"
PROGRAM = "/usr/local/sbin/netc-host"
BEYOND = (
    ("hosts", "laptop", "splits", "torrents"),
    *(("hosts", "lin", kind, name) for kind in ("tunnels", "uplinks") for name in ("he", "sixtofour")),
)
"""What needs control groups, or kinds of tunnels that not every kernel has."""
OPERATIONS = ("install", "confirm", "revert", "down", "up", "uninstall")


class Killing:
    """A host with the old generation, and a new one that is brought to it."""

    def __init__(self, lab: Lab, host: Host, old: Path, new: Path) -> None:
        self.lab, self.host, self.old, self.new = lab, host, old, new
        host.write(PLACE, KILL)
        self.nothing = self.found()
        self.lasts: dict[str, float] = {}
        self.bring(old)
        install(host, "--commit")
        self.is_old = self.found()
        self.bring(new)
        install(host, "--commit")
        self.is_new = self.found()
        assert self.differs(self.is_old, self.is_new), "the generations are the same"
        self.bring(old)
        install(host, "--commit")
        assert not (wrong := self.differs(self.is_old, self.found())), wrong

    def bring(self, tree: Path) -> None:
        deliver(self.lab, self.host, tree)

    def found(self) -> tuple[dict[str, list[str]], str]:
        passing = re.compile("/var/lib/netc|  /run/netc/|^/run/netns d ")
        there = what_is_there(self.host).splitlines(keepends=True)
        return self.host.state(), "".join(line for line in there if not passing.search(line))

    @staticmethod
    def differs(one: tuple[dict[str, list[str]], str], other: tuple[dict[str, list[str]], str]) -> str:
        files = sorted(set(one[1].splitlines()) ^ set(other[1].splitlines()))
        return difference(one[0], other[0]) + "\n".join(files)

    def killed(self, argv: list[str], operation: str, draw: random.Random) -> float:
        """Returns the moment, in seconds: at most a little after the operation ended the last time."""
        moment = draw.uniform(0, 1.1) * self.lasts.get(operation, 2)
        began = time.monotonic()
        process = self.host.start(argv)
        self.host.run(["bash", PLACE, f"{moment:.3f}"])
        while process.alive:
            time.sleep(0.01)
        self.lasts[operation] = max(0.2, time.monotonic() - began)
        return moment

    def once(self, seed: str) -> str:
        """Kills one operation, does what an operator would, and returns what is neither old nor new then."""
        draw = random.Random(seed)
        operation = draw.choice(OPERATIONS)
        said = f"{operation} killed after {getattr(self, f'_{operation}')(draw):.3f} s"
        found = self.found()
        wrong = self.differs(self.is_old, found)
        if wrong and operation == "confirm":
            wrong = self.differs(self.is_new, found)
        told = netc_host(self.host, "check", check=False).stdout
        if operation == "confirm":
            self.bring(self.old)
            install(self.host, "--commit", check=False)
        return f"{said}: {wrong}{told}" if wrong or told else ""

    def _install(self, draw: random.Random) -> float:
        self.bring(self.new)
        moment = self.killed(["bash", INSTALL, "--detach"], "install", draw)
        self._reverted()
        return moment

    def _reverted(self) -> None:
        """The operation may have ended, or not begun, when it was killed."""
        said = netc_host(self.host, "revert", check=False)
        assert said.returncode == 0 or "no change waits" in said.stderr, said

    def _begun(self) -> str:
        self.bring(self.new)
        return install(self.host, "--detach").stdout.split()[-1]

    def _confirm(self, draw: random.Random) -> float:
        moment = self.killed([PROGRAM, "confirm", self._begun()], "confirm", draw)
        self._reverted()
        return moment

    def _revert(self, draw: random.Random) -> float:
        self._begun()
        moment = self.killed([PROGRAM, "revert"], "revert", draw)
        self._reverted()
        return moment

    def _down(self, draw: random.Random) -> float:
        moment = self.killed([PROGRAM, "down"], "down", draw)
        netc_host(self.host, "up")
        return moment

    def _up(self, draw: random.Random) -> float:
        netc_host(self.host, "down")
        moment = self.killed([PROGRAM, "up"], "up", draw)
        netc_host(self.host, "up")
        return moment

    def _uninstall(self, draw: random.Random) -> float:
        moment = self.killed([PROGRAM, "uninstall"], "uninstall", draw)
        again = netc_host(self.host, "uninstall", check=False)  # it may have ended before
        if "netc-host revert" in again.stderr:  # interrupted: the way back is open, and nothing else
            netc_host(self.host, "revert")
            assert not self.differs(self.is_old, self.found()), "not all is there again"
            netc_host(self.host, "uninstall")
        # The last part that needs forwarding leaves it on: other programs may need it by now.
        before, after = (
            (without(state, FORWARDING, "/accept_ra = "), files) for state, files in (self.nothing, self.found())
        )
        assert not (wrong := self.differs(before, after)), f"uninstall left something: {wrong}"
        self.bring(self.old)
        install(self.host, "--commit")
        return moment


def generations(example: Path, name: str, folder: Path) -> tuple[Path, Path]:
    """The example, and the same with smaller packets or other addresses, for which many parts restart."""
    topology = tomlkit.parse(example.read_text())
    for host, table in topology["hosts"].items():
        if "public_key" in table:
            table["public_key"] = public_key(private_key(host))
    for path in BEYOND:
        table: Any = topology
        for key in path[:-1]:
            table = table.get(key, {})
        table.pop(path[-1], None)
    (folder / example.name).write_text(tomlkit.dumps(topology))
    if "namespaces" in topology["hosts"][name]:  # the provider says the size of packets
        topology["hosts"][name]["namespaces"]["vpn"]["access"] = ["10.200.7.0/31", "fd00:207::/127"]
    elif "second" in topology["hosts"][name].get("uplinks", {}):
        topology["hosts"][name]["uplinks"]["second"]["gateway"] = "203.0.113.2"
    else:
        for table in topology["hosts"].values():
            table["mtu"] = int(table.get("mtu", 1500)) - 60
    for beside in example.parent.iterdir():
        if beside.suffix in (".conf", ".txt"):
            (folder / beside.name).write_bytes(beside.read_bytes())
    old = compiled(folder / example.name, folder / "old")[name]
    (folder / example.name).write_text(tomlkit.dumps(topology))
    return old, compiled(folder / example.name, folder / "new")[name]
