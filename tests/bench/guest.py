"""Runs in the emulated machine of `bench.links`: `python -m bench.guest FOLDER`. What it found is in told.json."""

from __future__ import annotations

import json
import re
import signal
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from live.delivered import INSTALL, deliver
from live.keys import private_key
from live.lab import Host, Lab

LINKS = 100
ROUNDS = 3
PATIENCE = 600
TIMED = 'began=$EPOCHREALTIME; "$@" >&2 || exit; echo "$began $EPOCHREALTIME"'
EVERY = 'for conf in /etc/wireguard/wg*.conf; do wg-quick "$1" "$conf" || exit; done'
PARTS = 'grep -v "^#" /etc/netc/order | while read -r part; do "/etc/netc/parts/$part/up" || exit; done'


@dataclass(slots=True)
class Told:
    """Seconds, a number a run; lost packets."""

    together: list[float] = field(default_factory=list)
    each: list[float] = field(default_factory=list)
    wg_quick: list[float] = field(default_factory=list)
    change: float = 0
    change_by_wg_quick: float = 0
    lost: int = 0
    lost_by_wg_quick: int = 0


def timed(host: Host, *argv: str) -> float:
    done = host.run(["bash", "-c", TIMED, "timed", *argv], timeout=PATIENCE)
    began, ended = map(float, done.stdout.split()[-2:])
    return ended - began


def netc_host(hub: Host, verb: str) -> float:
    return timed(hub, "/usr/local/sbin/netc-host", verb)


def wg_quick(hub: Host, verb: str) -> float:
    return timed(hub, "bash", "-c", EVERY, "every", verb)


def complete(hub: Host) -> None:
    """All links are there, with their peers and their routes."""
    links = hub.run(["wg", "show", "all", "allowed-ips"]).stdout.splitlines()
    routes = re.findall(r"^10\.78\.\d+\.0/24 dev ", hub.run(["ip", "route"]).stdout, re.MULTILINE)
    up = hub.run(["ip", "-br", "link", "show", "up", "type", "wireguard"]).stdout.splitlines()
    if not len(links) == len(routes) == len(up) == LINKS:
        raise RuntimeError(f"{len(links)} links with peers, {len(routes)} routes, {len(up)} links up")


class Pinged:
    """Packets to the second spoke, from `with` to its end; how many got no answer."""

    def __init__(self, hub: Host) -> None:
        self._hub = hub
        self.lost = -1

    def __enter__(self) -> Pinged:
        self._hub.run(["bash", "-c", "until ping -c 1 -W 1 10.77.2.1; do :; done"])
        self._ping = self._hub.start(["ping", "-n", "-i", "0.1", "10.77.2.1"])
        self._ping.wait_for("icmp_seq=3 ")
        return self

    def __exit__(self, *error: object) -> None:
        time.sleep(2)
        self._ping.stop(signal.SIGINT)
        said = re.search(r"(\d+) packets transmitted, (\d+) received", self._ping.said())
        assert said, self._ping.said()
        self.lost = int(said[1]) - int(said[2])


def bring_wg_quick(hub: Host, folder: Path) -> None:
    for file in folder.iterdir():
        hub.write(f"/etc/wireguard/{file.name}", file.read_text(), 0o600)


def rounds(hub: Host, told: Told) -> None:
    """All is down before and after."""
    for _ in range(ROUNDS):
        told.together.append(netc_host(hub, "up"))
        complete(hub)
        netc_host(hub, "down")
        told.wg_quick.append(wg_quick(hub, "up"))
        complete(hub)
        wg_quick(hub, "down")
    told.each.append(timed(hub, "bash", "-c", PARTS))
    complete(hub)
    netc_host(hub, "down")


def changes(lab: Lab, hub: Host, folder: Path, told: Told) -> None:
    netc_host(hub, "up")
    deliver(lab, hub, folder / "after")
    with Pinged(hub) as pinged:
        told.change = timed(hub, "bash", INSTALL, "--commit")
    told.lost = pinged.lost
    netc_host(hub, "down")
    wg_quick(hub, "up")
    with Pinged(hub) as pinged:
        told.change_by_wg_quick = wg_quick(hub, "down")
        bring_wg_quick(hub, folder / "wg-quick-after")
        told.change_by_wg_quick += wg_quick(hub, "up")
    told.lost_by_wg_quick = pinged.lost


def main(folder: Path) -> None:
    told = Told()
    with Lab() as lab:
        hub, spoke = lab.host("hub"), lab.host("s2", folder / "spoke/files")
        lab.wire(hub, "eth0", spoke, "eth0", a_addresses=("198.51.100.1/24",), b_addresses=("198.51.100.3/24",))
        for host in (hub, spoke):
            host.write("/etc/netc/keys/host.key", private_key(host.name) + "\n", 0o600)
        spoke.run(["bash", "-c", PARTS])
        bring_wg_quick(hub, folder / "wg-quick-before")
        deliver(lab, hub, folder / "before")
        print("installed after", timed(hub, "bash", INSTALL, "--commit"), flush=True)
        netc_host(hub, "down")
        rounds(hub, told)
        print(told, flush=True)
        changes(lab, hub, folder, told)
    (folder / "told.json").write_text(json.dumps(asdict(told)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
