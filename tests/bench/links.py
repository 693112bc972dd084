"""A hundred WireGuard links on a host, on a stock kernel in a machine of its own: netc beside wg-quick.

The same links for both: a device, an address, a port, a key, a peer with an endpoint, a prefix behind it. What is timed
is `netc-host up`, as a host's boot script says it, and a loop of `wg-quick up`. The processor is emulated, so seconds
are long, and what costs most is starting programs. Then one of the links is changed, while packets go by another.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from bench.figure import Bar, Figure, NotMeasured
from bench.guest import LINKS, Told
from live.compiled import compiled
from live.keys import private_key, public_key
from live.needs import LIVE
from live.needs import missing as lacks
from vm.boot import GUEST, REPOSITORY, VNG, boot, newest_kernel

SECONDS = 1500
MACHINE = {"qemu-system-x86_64": "qemu-system-x86", "busybox": "busybox-static", "wg-quick": "wireguard-tools"}
CONF = """[Interface]
PrivateKey = {private}
ListenPort = {port}
Address = 10.77.{n}.0/31
MTU = 1440

[Peer]
PublicKey = {public}
AllowedIPs = 10.77.{n}.1/32, 10.78.{n}.0/24{more}
Endpoint = 198.51.100.{id}:51821
"""
"""With MTU, since wg-quick would look for it."""


def topology(links: int, more: str = "", kind: str = "wireguard") -> str:
    """A hub and its spokes, `links` of them, 200 at most; `more` is another prefix behind the first spoke."""
    hosts = ["hub", *(f"s{n}" for n in range(1, links + 1))]
    lines = ["version = 1", 'network.name = "hub"']
    for number, host in enumerate(hosts, 1):
        key = public_key(private_key(host))
        lines += [f"[hosts.{host}]", f"id = {number}", 'wan = "eth0"', f'addresses = "198.51.100.{number}/24"']
        lines += [f'public_key = "{key}"']
    for n in range(1, links + 1):
        routes = [f"10.78.{n}.0/24", *([more] if more and n == 1 else [])]
        lines += [f"[links.l{n}]", f'kind = "{kind}"', f'between = ["hub", "s{n}"]']
        lines += [f'ends.hub = {{ address = "10.77.{n}.0/31", routes = {json.dumps(routes)} }}']
        lines += [f'ends.s{n}.address = "10.77.{n}.1/31"']
    return "\n".join(lines) + "\n"


def wg_quick(links: int, more: str = "") -> dict[str, str]:
    """The files of the hub that say the same."""
    return {
        f"wg{n}.conf": CONF.format(
            n=n,
            id=n + 1,
            port=51820 + n + 1,
            private=private_key("hub"),
            public=public_key(private_key(f"s{n}")),
            more=f", {more}" if more and n == 1 else "",
        )
        for n in range(1, links + 1)
    }


MORE = "10.79.1.0/24"
"""The change."""


def prepared(folder: Path) -> None:
    """What the machine finds: trees of the hub before and after the change and of a spoke, files of wg-quick, keys."""
    for name, more in (("before", ""), ("after", MORE)):
        trees = compiled(topology(LINKS, more), folder / f"all-{name}")
        (trees["hub"].parent).rename(folder / name)
        if not more:
            (trees["s2"].parent).rename(folder / "spoke")
        for file, text in wg_quick(LINKS, more).items():
            path = folder / f"wg-quick-{name}" / file
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
            path.chmod(0o600)


def guest_times(folder: Path) -> Told:
    kernel = newest_kernel()
    reason = lacks(LIVE | MACHINE)
    if not reason and kernel is None:
        reason = "could not run: apt-get install linux-image-amd64"
    if not reason and not VNG.exists():
        reason = "could not run: pip install virtme-ng"
    if reason or kernel is None:
        raise NotMeasured(reason)
    prepared(folder)
    command = ["bash", str(GUEST), str(folder), sys.executable, str(REPOSITORY)]
    script = folder / "run"
    script.write_text(f"export NETC_PROGRAM=bench.guest\nexec {shlex.join(command)}\n")
    guest = boot(kernel, script, folder, SECONDS)
    if not guest.read("told.json"):
        words = (guest.read("log") + guest.console).strip().splitlines()
        raise NotMeasured(f"the machine said nothing: {' / '.join(words[-3:])}")
    return Told(**json.loads(guest.read("told.json")))


def figures() -> Iterator[Figure]:
    with TemporaryDirectory(prefix="bench-") as folder:
        found = guest_times(Path(folder))
    if found.change_by_wg_quick is None or found.lost is None or found.lost_by_wg_quick is None or found.change is None:
        raise NotMeasured(f"the emulated machine had {SECONDS} s, and came to no end: {found}")
    work, peer = f"{LINKS} WireGuard links up, emulated kernel", f"{LINKS} × wg-quick up"
    mine, other = tuple(found.together), tuple(found.wg_quick)
    yield Figure(work, "netc-host up", peer, median(mine), median(other), "s", Bar("most", 1 / 5), mine, other)
    if found.each:
        yield Figure(work, "each part's own up", peer, median(found.each), median(other), "s")
    work, peer = f"one of {LINKS} links changed", "wg-quick down and up of all"
    lost, other_lost = found.lost, found.lost_by_wg_quick
    yield Figure(f"{work}: lost on another", "install", peer, lost, other_lost, "packets", Bar("most", 0, "value"))
    yield Figure(f"{work}: until it is done", "install", peer, found.change, found.change_by_wg_quick, "s")
