"""Operations on hosts that somebody kills at any moment: netc's processes, all at once. What they started to stay
(WireGuard programs, BIRD) stays, and where systemd does not run, `netc-host run` comes back by itself."""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from signal import SIGKILL
from subprocess import CompletedProcess
from typing import Any

import tomlkit

from examples import without_promises
from live.compiled import compiled
from live.delivered import INSTALL, at_rest, deliver, netc_host, token
from live.keys import private_key, public_key
from live.lab import Host, Lab
from live.state import State, difference
from netc.lab.waiting import wait, within

KILL = r"""
sleep "$1"
while found=''; do
    for process in /proc/[0-9]*; do
        name=$(tr '\0' ' ' <"$process/cmdline") || continue
        [[ $name == *netc-host* || $name == */etc/netc/parts/* ]] || continue
        found=1
        kill -9 "${process#/proc/}"
    done 2>/dev/null
    [[ $found ]] || break
done
"""
PLACE = "/tmp/killing.bash"
PROGRAM = "/usr/local/sbin/netc-host"
RESPAWN = """
while :; do
    [[ ! -x /usr/local/sbin/netc-host ]] || /usr/local/sbin/netc-host run >>/var/log/netc.log 2>&1
    sleep 1
done
"""
RECORDS = "^[df] /run/netc-run"
"""A `run` that was killed after everything was gone has left them."""
INITTAB = "/tmp/respawn.bash"
"""As an inittab has it, where systemd does not run: `netc-host run` starts again whenever it ended or was killed."""
RUN_IS_IDLE = """
[[ ! -d /run/systemd/system && -e /var/lib/netc/current ]] || exit 0
read -r pid </run/netc-run/pid && [[ -e /proc/$pid ]] && ! pgrep -f 'netc-host (up|revert)'
"""
"""It has started, and brings nothing up any more."""
END_OF_RUN = """
read -r pid </run/netc-run/pid
kill "$pid"
while [[ -e /proc/$pid ]]; do sleep 0.1; done
"""
BOOT = """
read -r pid </run/netc-run/pid
echo other >/var/lib/netc/pending/boot
kill -KILL "$pid"
while [[ -e /var/lib/netc/pending ]]; do sleep 0.1; done
"""
"""As if the host had started since the change: the next `netc-host run` takes it back."""
RUN_STARTS = 60
"""Seconds in which `netc-host run` is there again and has brought up what is down."""
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
OF_RUN = ("run", "boot")
"""More, where systemd does not run."""
Found = tuple[State, str]


class Killing:
    """A host with the old generation, and a new one that is brought to it."""

    def __init__(self, lab: Lab, host: Host, old: Path, new: Path, passing: str = "$^") -> None:
        """`passing`: lines of the state that come and go."""
        self.lab, self.host, self.old, self.new, self.passing = lab, host, old, new, passing
        self.done: Counter[str] = Counter()
        self.lasts: dict[str, float] = {}
        self.operations = OPERATIONS
        host.write(PLACE, KILL)
        if host.run(["test", "-d", "/run/systemd/system"], check=False).returncode:
            self.operations += OF_RUN
            host.write(INITTAB, RESPAWN)
            host.start(["bash", INITTAB])
        self.put(new)
        self.is_new = self.settled()
        self.netc_host("uninstall")
        self.nothing = self.settled()
        self.put(old)
        self.is_old = self.settled()
        assert differs(self.is_old, self.is_new), "the generations are the same"

    def bring(self, tree: Path) -> None:
        deliver(self.lab, self.host, tree)

    def put(self, tree: Path) -> None:
        self.netc_host("confirm", self.begun(tree), "--from", "console")
        self.idle()

    def begun(self, tree: Path) -> str:
        self.bring(tree)
        return token(self.patiently(["bash", INSTALL, "--detach"]))

    def netc_host(self, *words: str, check: bool = True) -> CompletedProcess[str]:
        return self.patiently([PROGRAM, *words], check=check)

    def patiently(self, argv: Sequence[str], *, check: bool = True) -> CompletedProcess[str]:
        """Again, as long as `netc-host run` still brings parts up or takes a change back."""
        said = [self.host.run(argv, check=False)]

        def passed() -> bool:
            busy = said[-1].returncode and re.search("under way: |netc-host up repairs it", said[-1].stderr)
            if busy:
                said.append(self.host.run(argv, check=False))
            return not busy

        within(RUN_STARTS, passed)
        assert not check or said[-1].returncode == 0, said[-1]
        return said[-1]

    def idle(self) -> None:
        wait(lambda: self.host.run(["bash", "-c", RUN_IS_IDLE], check=False).returncode == 0)

    def settled(self) -> Found:
        """As soon as it no longer changes."""
        self.idle()
        looks = [self.found()]

        def still() -> bool:
            time.sleep(2)
            looks.append(self.found())
            return not differs(*looks[-2:])

        wait(still)
        return looks[-1]

    def found(self) -> Found:
        passing = f"{self.passing}|{OF_BIRD}|{RECORDS}"
        return at_rest(self.host, passing, kept="/var/lib/netc|  /run/netc/|^/run/netns d ")

    def missing_devices(self) -> set[str]:
        """WireGuard devices of the plan that do not answer; both generations have the same."""
        scripts = (path.read_text() for path in (self.old / "etc/netc/parts").glob("*/up"))
        planned = {name for text in scripts for name in re.findall(r"(?m)^step wireguard (\S+)", text)}
        return planned - set(self.host.run(["bash", "-c", ANSWERING, "answering", *planned]).stdout.split())

    def wrong(self, expected: Found) -> str:
        """What is neither old nor new."""
        wrong = differs(expected, self.found())
        if expected is self.nothing:
            return wrong
        said = netc_host(self.host, "check", check=False)
        if said.returncode:
            wrong += said.stdout or said.stderr
        return wrong + " ".join(f"{device} does not answer" for device in sorted(self.missing_devices()))

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
        operation = draw.choice(self.operations)
        self.done[operation] += 1
        self.idle()
        began = time.monotonic()
        moment, expected = getattr(self, f"_{operation}")(draw)
        ended = time.monotonic()
        # systemd, or run, does what is missing when it comes to it
        while (wrong := self.wrong(expected)) and time.monotonic() < ended + RUN_STARTS:
            time.sleep(1)
        result = "new" if expected is self.is_new else "old" if expected is self.is_old else "nothing"
        print(
            f"{seed}: {operation} killed after {moment:.3f} s: {result}, {time.monotonic() - began:.1f} s", flush=True
        )
        if wrong:
            print(wrong, flush=True)
            wrong += "\n" + self.host.run(["tail", "-n", "30", "/var/log/netc.log"], check=False).stdout
        if expected is not self.is_old:
            self.put(self.old)
        return f"{seed}: {operation} killed after {moment:.3f} s: {wrong}" if wrong else ""

    def _first(self, draw: random.Random) -> tuple[float, Found]:
        """Nothing was installed before."""
        self.netc_host("uninstall")
        moment = self.killed(["bash", INSTALL, "--detach"], "first", draw)
        said = self.patiently(["bash", INSTALL, "--dry-run"], check=False)
        if said.returncode:
            self.patiently(told(said.stderr))
        return moment, self.nothing

    def _install(self, draw: random.Random) -> tuple[float, Found]:
        self.bring(self.new)
        moment = self.killed(["bash", INSTALL, "--detach"], "install", draw)
        self._reverted()
        return moment, self.is_old

    def _reverted(self) -> bool:
        """Whether there was something to revert: the operation may have ended, or not begun, when it was killed."""
        said = self.netc_host("revert", check=False)
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
        self.netc_host("up")
        return moment, self.is_old

    def _up(self, draw: random.Random) -> tuple[float, Found]:
        self.netc_host("down")
        moment = self.killed([PROGRAM, "up"], "up", draw)
        self.netc_host("up")
        return moment, self.is_old

    def _uninstall(self, draw: random.Random) -> tuple[float, Found]:
        moment = self.killed([PROGRAM, "uninstall"], "uninstall", draw)
        if draw.random() < 0.5 and is_there(self.host) and self._reverted():
            return moment, self.is_old
        if is_there(self.host):
            self.netc_host("uninstall")
        left = self.host.run(["find", "/var/lib/netc", "/usr/lib/netc", PROGRAM], check=False).stdout
        assert not left, left
        return moment, self.nothing

    def _run(self, draw: random.Random) -> tuple[float, Found]:
        """It ends, and takes all parts down; when it is there again, it brings them up."""
        return self.killed(["bash", "-c", END_OF_RUN, "netc-host"], "run", draw), self.is_old

    def _boot(self, draw: random.Random) -> tuple[float, Found]:
        self.begun(self.new)
        return self.killed(["bash", "-c", BOOT, "netc-host"], "boot", draw), self.is_old


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
    topology = tomlkit.parse(without_promises(example.read_text()))
    for host, table in topology["hosts"].items():
        if "public_key" in table:
            table["public_key"] = public_key(private_key(host))
    for path in beyond:
        table: Any = topology
        for key in path[:-1]:
            table = table.get(key, {})
        table.pop(path[-1], None)
    if beyond:  # drop-ins of services, without systemd
        for space in (*topology["hosts"][name].get("namespaces", {}).values(), *topology.get("anycast", {}).values()):
            space.pop("services", None)
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
