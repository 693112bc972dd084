"""Runs in the emulated machine of `bench.links`: `python -m bench.guest FOLDER`. What it found is in told.json."""

from __future__ import annotations

import json
import re
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path

from live.delivered import INSTALL, deliver
from live.keys import private_key
from live.lab import Host, Lab

STORE = "/var/lib/netc"
LINKS = 100
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
    change: float | None = None
    change_by_wg_quick: float | None = None
    lost: int | None = None
    lost_by_wg_quick: int | None = None


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


def was_installed(lab: Lab, hub: Host, tree: Path) -> None:
    """As `install` leaves it, which takes minutes here."""
    number = sha256((tree / "MANIFEST").read_bytes()).hexdigest()[:16]
    deliver(lab, hub, tree, f"{STORE}/generations/{number}")
    hub.run(["bash", "-c", f"ln -s generations/{number} {STORE}/current; echo hub >{STORE}/host"])
    hub.lay(tree / "files")


def clear(hub: Host) -> None:
    """No links, whoever made them; `down` of either takes its time."""
    each = "sed -E 's/^[0-9]+: ([^:@]+).*/link delete \\1/'"
    hub.run(["bash", "-c", f"ip -o link show type wireguard | {each} | ip -batch -; rm -rf /run/netc"])


def measure(lab: Lab, hub: Host, folder: Path) -> Iterator[Told]:
    """More and more. netc and wg-quick take turns, and the second turn of wg-quick is the end of its change."""
    told = Told()
    told.together.append(netc_host(hub, "up"))
    complete(hub)
    deliver(lab, hub, folder / "after")
    with Pinged(hub) as pinged:
        told.change = timed(hub, "bash", INSTALL, "--commit")
    told.lost = pinged.lost
    clear(hub)
    yield told
    told.wg_quick.append(wg_quick(hub, "up"))
    complete(hub)
    yield told
    with Pinged(hub) as pinged:
        gone = wg_quick(hub, "down")
        deliver(lab, hub, folder / "wg-quick-after", "/etc/wireguard")
        told.wg_quick.append(wg_quick(hub, "up"))
    told.change_by_wg_quick = gone + told.wg_quick[-1]
    told.lost_by_wg_quick = pinged.lost
    clear(hub)
    told.together.append(netc_host(hub, "up"))
    yield told
    clear(hub)
    told.each.append(timed(hub, "bash", "-c", PARTS))
    yield told


def main(folder: Path) -> None:
    with Lab() as lab:
        hub, spoke = lab.host("hub"), lab.host("s2", folder / "spoke/files")
        lab.wire(hub, "eth0", spoke, "eth0", a_addresses=("198.51.100.1/24",), b_addresses=("198.51.100.3/24",))
        for host in (hub, spoke):
            host.write("/etc/netc/keys/host.key", private_key(host.name) + "\n", 0o600)
        spoke.run(["bash", "-c", PARTS])
        deliver(lab, hub, folder / "wg-quick-before", "/etc/wireguard")
        was_installed(lab, hub, folder / "before")
        for told in measure(lab, hub, folder):
            print(told, flush=True)
            (folder / "told.json").write_text(json.dumps(asdict(told)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
