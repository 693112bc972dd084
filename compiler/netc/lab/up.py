"""From a network to its lab: what is left out and said, which plans come up, and the paper beside it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from netc.lab.machine import Lab, ids
from netc.lab.scene import Scene
from netc.lab.stand_ins import Staged, staged
from netc.language.kinds import KINDS, Kind
from netc.language.names import HostName
from netc.language.splits import Split
from netc.network.interface import Network
from netc.network.resolve import resolve
from netc.pipeline import plan
from netc.plan.facts import PlainTunnel
from netc.walk.bird import world
from netc.walk.world import World, is_strange, is_tunnel

# tool → Debian package
NEEDED = {
    "ip": "iproute2",
    "nft": "nftables",
    "wg": "wireguard-tools",
    "conntrack": "conntrack",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "tar": "tar",
    "perl": "perl-base",
}


class Prepared(Struct, frozen=True):
    """`network` is what the lab has of the topology. `notes` say what is otherwise than on real hosts."""

    network: Network
    staged: Staged
    paper: World
    notes: tuple[str, ...]


def missing() -> str:
    """How to install what the lab runs on; empty if all is there."""
    packages = sorted({package for tool, package in NEEDED.items() if shutil.which(tool) is None})
    return f"apt-get install {' '.join(packages)}" if packages else ""


def prepare(
    network: Network, hosts: Sequence[HostName] = (), *, commands: bool = False, elsewhere: bool = False
) -> Prepared:
    """Of these hosts, or of all. `elsewhere`: it comes up on other machines, of which nothing is known."""
    ours, notes = _without_services(network)
    names = [host for host in sorted(ours.topology.hosts) if not hosts or host in hosts]
    made = staged([plan(host, ours) for host in names], commands=commands)
    userspace = not elsewhere and not _has_wireguard()
    paper = world(made.plans, userspace=userspace)
    return Prepared(ours, made, paper, (*_notes(made, paper, userspace=userspace, elsewhere=elsewhere), *notes))


def bring_up(prepared: Prepared, lab: Lab, folder: Path) -> Scene:
    """Raises Down."""
    scene = Scene(lab, prepared.staged, prepared.paper, folder, speaking=True)
    scene.build()
    return scene


def _notes(made: Staged, paper: World, *, userspace: bool, elsewhere: bool) -> Iterator[str]:
    if any(made.private):
        yield "private keys are the lab's own, and so are the public keys in the hosts' files"
    for one in made.replaced:
        yield f"a stand-in runs in place of a program of {one}"
    if userspace and any(made.private):
        yield "this kernel has no WireGuard: wireguard-go carries its packets"
    if ids() == 1 and not elsewhere:
        yield "this lab has one user and one group: programs of others cannot be tried (apt-get install uidmap)"
    ends = ((stack, device) for stack, device in paper.devices() if is_tunnel(device))
    far = sorted(f"{device.name} of {stack.name}" for stack, device in ends if is_strange(paper, stack, device))
    if far:
        yield f"stand-ins are at the other end of {', '.join(far)}"


def kinds(paper: World) -> list[Kind]:
    """Of tunnels of the topology that only a kernel makes."""
    found = {device.made.kind for _, device in paper.devices() if isinstance(device.made, PlainTunnel)}
    return sorted({Kind.SIT if KINDS[kind].form == "6to4" else kind for kind in found})


def lacking(paper: World) -> list[str]:
    """Those that this kernel does not have."""
    return [str(kind) for kind in kinds(paper) if not _has(kind, *WORDS.get(kind, ()))]


WORDS = {Kind.VXLAN: ("id", "7", "dstport", "4789"), Kind.IP6GRE: ("remote", "2001:db8::1")}
"""What ip-link(8) does not make a tunnel of a kind without."""


def _has(kind: str, *words: str) -> bool:
    """Asked in a network namespace of its own."""
    make = ["unshare", "--net", "ip", "link", "add", "dev", "probe", "type", kind, *(words or ("remote", "192.0.2.2"))]
    return subprocess.run(make, capture_output=True, check=False).returncode == 0


def _has_wireguard() -> bool:
    make = ["unshare", "--net", "ip", "link", "add", "dev", "probe", "type", "wireguard"]
    return subprocess.run(make, capture_output=True, check=False).returncode == 0


def _without_services(network: Network) -> tuple[Network, list[str]]:
    """Systemd alone makes the control groups of services, and a filter that names them cannot be loaded without."""
    notes: list[str] = []
    hosts = dict(network.topology.hosts)
    for name, host in hosts.items():
        kept = {key: split for key, split in host.splits.items() if not _is_of_services(split)}
        left = sorted(host.splits.keys() - kept.keys())
        notes += [f"{name} comes up without split {key}: its services' control groups are systemd's" for key in left]
        if len(kept) < len(host.splits):
            hosts[name] = host.model_copy(update={"splits": kept})
    if not notes:
        return network, []
    return resolve(network.topology.model_copy(update={"hosts": hosts}))[0], sorted(notes)


def _is_of_services(split: Split) -> bool:
    return bool(split.service or split.slice)
