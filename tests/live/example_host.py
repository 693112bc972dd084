"""A host of examples/ that is up in the lab, as after a boot."""

from __future__ import annotations

import re
from pathlib import Path

from live.compiled import EXAMPLES, compiled, parts, script
from live.delivered import as_if_run, deliver
from live.keys import private_key
from live.lab import Host, Lab

WIRES = {"eth0": "198.51.100.7/24", "eth1": "203.0.113.5/28", "wlan0": "192.168.1.2/24", "ppp0": "198.51.102.7/24"}
NO_GROUPS = (r"(?m)^service = .*$", 'user = "daemon"')
"""A lab has no control groups, without which there is no filter, and so no tunnel."""
STORE = "/var/lib/netc"
TUNSAFE = Path(__file__).with_name("tunsafe.py")
TUNSAFE_CONFIG = "address = 10.66.0.2/24\nlocal = 192.168.1.2:4000\npeer = 192.168.1.3:4000\n"


def example(lab: Lab, which: str, folder: Path) -> tuple[Host, list[str]]:
    """Up, as after a boot, but for parts that cannot come up on this kernel, which are given too. What asks for
    TunSafe gets its stand-in."""
    topology, name = which.split("/")
    tree = compiled(EXAMPLES / f"{topology}.toml", folder, NO_GROUPS)[name]
    host = ready(lab, name, tree)
    host.lay(tree)
    deliver(lab, host, tree, f"{STORE}/generations/0123456789abcdef")
    host.run(["ln", "-s", "generations/0123456789abcdef", f"{STORE}/current"])
    as_if_run(host)
    came = {part: host.run(script(part, "up"), check=False) for part in parts(host)}
    failed = {part: said.stderr for part, said in came.items() if said.returncode}
    for complaint in failed.values():
        assert re.search("Unknown device type|not supported|Cannot find device|control group", complaint)
    return host, list(failed)


def ready(lab: Lab, name: str, tree: Path, host: Host | None = None) -> Host:
    """With what the tree needs and somebody else brings: wires, secrets, ROAs, and a stand-in for TunSafe."""
    host, world = host or lab.host(name), lab.host("world")
    said = (line.split() for line in (tree / "etc/netc/expected").read_text().splitlines())
    named = {words[1] for words in said if words[0] == "interface"}
    for device in (*WIRES, *sorted(named - WIRES.keys())):
        addresses, mtu = written(tree, device)
        lab.wire(host, device, world, device, a_addresses=addresses or [WIRES[device]], mtu=mtu)
    scripts = (path.read_text() for path in sorted((tree / "etc/netc/parts").glob("*/up")))
    for secret in sorted({found for text in scripts for found in re.findall(r"(?m)^secret (.*)$", text)}):
        own = private_key(name if secret.endswith("/host.key") else secret) + "\n"
        host.write(secret, TUNSAFE_CONFIG if secret.startswith("/etc/tunsafe/") else own, 0o600)
    for config in tree.glob("etc/netc/bird.conf"):
        for included in re.findall(r'include "(/etc/bird/[^"]+)"', config.read_text()):
            host.write(included, "")
    host.write("/usr/local/bin/tunsafe", TUNSAFE.read_text(), 0o755)
    return host


def written(tree: Path, device: str) -> tuple[list[str], int]:
    """The addresses and the MTU that the topology says the image has."""
    lines = (line.split() for line in (tree / "etc/netc/expected").read_text().splitlines())
    said = [(line[0], line[2]) for line in lines if line[1:2] == [device] and line[0] in ("address", "mtu")]
    addresses = [f"{value}/{64 if ':' in value else 24}" for what, value in said if what == "address"]
    return addresses, next((int(value) for what, value in said if what == "mtu"), 1500)
