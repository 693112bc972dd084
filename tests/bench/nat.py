"""A host between two zones, compiled: `netc build` beside Shorewall and FireHOL.

The same policy in each: the LAN goes out under the host's address, two ports of the host lead to servers of the LAN,
ssh and echo requests reach the host, the rest is dropped. netc writes the bridge, scripts, units and what installs
them as well. All run as root in mount and network namespaces of their own, where the peers' files are in /usr/share.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.figure import NETC, Bar, Command, Figure, NotMeasured, beside, compared
from bench.peers import aside

WORK = "a host between two zones, NAT and two forwards"
BAR = Bar("most", 1)
RUNS = 11

TOPOLOGY = """
version = 1
network.name = "two-zones"

[hosts.gate]
id = 1
wan = "eth0"
addresses = "198.51.100.1/24"
firewall = {}

[hosts.gate.bridges.lan]
interface = "br-lan"
addresses = "192.168.1.1/24"
masquerade = true
publish = [
    { port = "80/tcp", to = "192.168.1.10" },
    { port = "2222/tcp", to = "192.168.1.11:22" },
]
"""
SHOREWALL = {
    "zones": "fw firewall\nnet ipv4\nlan ipv4\n",
    "interfaces": "?FORMAT 2\nnet eth0\nlan br-lan routeback,bridge\n",
    "policy": "$FW all ACCEPT\nlan net ACCEPT\nall all DROP info\n",
    "snat": "MASQUERADE 192.168.1.0/24 eth0\n",
    "rules": (
        "?SECTION NEW\n"
        "SSH(ACCEPT) all $FW\n"
        "Ping(ACCEPT) all $FW\n"
        "DNAT net lan:192.168.1.10:80 tcp 80 - 198.51.100.1\n"
        "DNAT net lan:192.168.1.11:22 tcp 2222 - 198.51.100.1\n"
    ),
}
"""Beside Debian's own shorewall.conf for two interfaces."""
FIREHOL = """version 6
ipv4 dnat to 192.168.1.10:80 inface eth0 proto tcp dst 198.51.100.1 dport 80
ipv4 dnat to 192.168.1.11:22 inface eth0 proto tcp dst 198.51.100.1 dport 2222
ipv4 masquerade eth0 src 192.168.1.0/24
interface4 "eth0 br-lan" host
    policy drop
    server "ssh ping" accept
    client all accept
router4 out inface br-lan outface eth0
    route all accept
router4 in inface eth0 outface br-lan
    server http accept dst 192.168.1.10
    server ssh accept dst 192.168.1.11
"""
INSIDE = """
mount -t tmpfs tmpfs /run && mount -t overlay overlay -o "lowerdir=$1/usr/share:/usr/share" /usr/share || exit 126
echo START_FIREHOL=YES >/run/default
[[ ! -e /etc/default/firehol ]] || mount --bind /run/default /etc/default/firehol || exit 126
"${@:2}" || { (($? == 1)) && [[ $2 == *firehol ]]; }
"""
"""FireHOL ends with 1 when it was only asked to show what it would do."""


def figures() -> Iterator[Figure]:
    if os.geteuid():
        raise NotMeasured("Shorewall and FireHOL want root")
    root = aside()
    with TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        write_inputs(folder, root)
        cost = beside(WORK, commands(folder, root), RUNS)
        same_work(folder)
    ours = cost.pop("netc build")
    for peer, other in cost.items():
        yield compared(WORK, "netc build", peer, ours, other, BAR)


def write_inputs(folder: Path, root: Path) -> None:
    """What each of them reads."""
    (folder / "topo.toml").write_text(TOPOLOGY)
    (folder / "firehol.conf").write_text(FIREHOL)
    shorewall = folder / "shorewall"
    shorewall.mkdir()
    for file, text in SHOREWALL.items():
        (shorewall / file).write_text(text)
    shutil.copy(root / "usr/share/doc/shorewall/examples/two-interfaces/shorewall.conf", shorewall)


def commands(folder: Path, root: Path) -> dict[str, Command]:
    """Each writes to a file of its own in `folder`, but for netc, which writes a tree."""

    def inside(output: str, *argv: str) -> Command:
        unshare = ["unshare", "--mount", "--net", "bash", "-c", INSIDE, "inside", str(root), *argv]
        return Command(unshare, folder, before=partial(cleared, folder / output), output=folder / f"{output}.said")

    def tool(path: str) -> str:
        return str(root / path)

    return {
        "netc build": inside("netc", *NETC, "build", "topo.toml", "-o", "netc"),
        "shorewall compile": inside("script", tool("sbin/shorewall"), "compile", "shorewall", "script"),
        "firehol debug": inside("firehol", tool("usr/lib/firehol/firehol"), "firehol.conf", "debug"),
    }


def cleared(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)


def same_work(folder: Path) -> None:
    """Each wrote the three ways of NAT and what is open. Raises NotMeasured."""
    for file in ("netc/gate/files/etc/netc/nftables.nft", "script", "firehol.said"):
        text = (folder / file).read_text().lower()
        words = ("192.168.1.10:80", "192.168.1.11:22", "masquerade", "dport 22 ", "icmp")
        if missing := [word for word in words if word not in text]:
            raise NotMeasured(f"{WORK}: not the same work: {file} lacks {', '.join(missing)}")
