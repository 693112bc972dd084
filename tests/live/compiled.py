"""Compiled trees for the lab: what `netc build` writes, laid on hosts unchanged."""

from __future__ import annotations

import re
from contextvars import ContextVar
from pathlib import Path

from examples import without_promises
from live.birds import with_targets
from live.keys import private_key
from live.lab import Host, Lab
from netc.lab.waiting import wait
from netc.pipeline import compile_hosts, understand

EXAMPLES = Path(__file__).parents[2] / "examples"

netfilter: ContextVar[str] = ContextVar("netfilter", default="nftables")
"""What the hosts of a topology have that does not say it."""


def compiled(topology: Path | str, folder: Path, instead: tuple[str, str] = ("$^", "")) -> dict[str, Path]:
    """Compiles an example by its path, or a text that imports nothing; `files` by host. `instead`: what is written
    otherwise, and how."""
    said = topology.read_text() if isinstance(topology, Path) else topology
    text = re.sub(*instead, said)
    text = text if text == said else without_promises(text)
    beside = topology.parent if isinstance(topology, Path) else folder
    if netfilter.get() != "nftables":
        text, hosts = re.subn(r"(?m)^(\[hosts\.[a-z0-9-]+\])$", rf'\1\nnetfilter = "{netfilter.get()}"', text)
        assert hosts, "a topology without hosts is printed in no language"
    checked = understand(with_targets(text), "topology.toml", lambda name: (beside / name).read_text())
    trees = {}
    for host, files in compile_hosts(checked.network):
        for file in files:
            path = folder / host / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(file.text)
            path.chmod(file.mode)
        trees[str(host)] = folder / host / "files"
    return trees


def install(lab: Lab, name: str, trees: dict[str, Path], key: str = "host") -> Host:
    """A host with its tree and its identity."""
    host = lab.host(name, trees[name])
    give_key(host, key, name)
    return host


def give_key(host: Host, file: str, owner: str) -> None:
    host.write(f"/etc/netc/keys/{file}.key", private_key(owner) + "\n", 0o600)


def parts(host: Host) -> list[str]:
    """In the order in which they come up."""
    return [line for line in host.read("/etc/netc/order").splitlines() if not line.startswith("#")]


def script(part: str, verb: str) -> list[str]:
    return ["bash", f"/etc/netc/parts/{part}/{verb}"]


def met(host: Host, device: str, namespace: str | None = None) -> None:
    """Waits until the tunnel has heard of all its peers: WireGuard tries again every 5 s."""
    ask = ["wg", "show", device, "latest-handshakes"]
    wait(lambda: "0" not in host.run(ask, namespace=namespace).stdout.split()[1::2])


def up(host: Host) -> None:
    for part in parts(host):
        host.run(script(part, "up"))


def filter_up(host: Host, *, check: bool = True) -> str:
    """The packet filter, after the lists that it cannot do without: what it says."""
    for part in parts(host):
        if part.startswith("set-"):
            host.run(script(part, "up"))
    return host.run(script("firewall", "up"), check=check).stderr


def down(host: Host) -> None:
    for part in reversed(parts(host)):
        host.run(script(part, "down"))
