"""Every host of a random topology in the lab: installed, asked, taken down."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from live.delivered import INSTALL, as_if_run, deliver
from live.lab import Host, Lab
from live.state import FORWARDING, HIDDEN, difference, without
from mixed import Mixed
from netc.pipeline import compile_hosts
from topologies import Table, key

PROGRAM = Path(__file__).with_name("tun.py")
CREDENTIALS = "/run/credentials"
NETC_HOST = "/usr/local/sbin/netc-host"
STAYS = (FORWARDING, r"/accept_ra = ", HIDDEN)
"""Forwarding stays on when it was turned on, with what keeps a forwarding host's own default route alive. So do folders
that were hidden from programs."""


def tried(made: Mixed) -> dict[str, str]:
    """What is wrong, by host: nothing, where all is well."""
    found = {}
    with Lab() as lab, TemporaryDirectory() as folder:
        for name, files in compile_hosts(made.network):
            for file in files:
                path = Path(folder, name, file.path)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(file.text)
                path.chmod(file.mode)
            found[name] = _tried(lab, lab.host(name), made, Path(folder, name))
    return {name: wrong for name, wrong in found.items() if wrong}


def _tried(lab: Lab, host: Host, made: Mixed, tree: Path) -> str:
    settings = made.topology["hosts"][host.name]
    _image(host, settings)
    secrets(host, tree, made)
    deliver(lab, host, tree)
    as_if_run(host)
    before = without(host.state(), *STAYS)
    said = _run(host, "bash", INSTALL, "--commit", "--overwrite")
    if said.returncode:
        return f"install ended with {said.returncode}: {said.stdout}{said.stderr}"
    asked = _run(host, NETC_HOST, "check")
    told = [line for line in asked.stderr.splitlines() if ", here no systemd (" not in line]
    if asked.returncode or asked.stdout or told:
        return f"check ended with {asked.returncode}: {asked.stdout}{asked.stderr}"
    ended = _run(host, NETC_HOST, "down")
    if ended.returncode:
        return f"down ended with {ended.returncode}: {ended.stdout}{ended.stderr}"
    return difference(before, without(host.state(), *STAYS))


def _run(host: Host, *words: str) -> subprocess.CompletedProcess[str]:
    return host.run(words, check=False, env={"CREDENTIALS_DIRECTORY": CREDENTIALS})


def _image(host: Host, settings: Table) -> None:
    """What a host has before netc comes: its interfaces, users, units and other programs' files."""
    nets: dict[str, list[str]] = {settings.get("wan") or "eth0": list(settings.get("addresses", []))}
    for uplink in settings.get("uplinks", {}).values():
        if device := uplink.get("interface"):
            held = nets.setdefault(device, [])
            prefixes = uplink["prefixes"] if isinstance(uplink["prefixes"], list) else [uplink["prefixes"]]
            held += [net for net in prefixes if net not in held]
    for peer in settings.get("bgp", {}).get("peers", {}).values():
        if "interface" in peer:
            nets.setdefault(peer["interface"], [])
            if peer["local"].startswith("fe80"):
                nets[peer["interface"]].append(f"{peer['local']}/64")
    nets |= {name: [] for name in ("eth9", "eth8", "lan")}
    lines = ["set -e"]
    for device, addresses in nets.items():
        lines += [f"ip link add {device} type veth peer name far-{device}", f"ip link set far-{device} up"]
        lines += [f"echo 0 >/proc/sys/net/ipv6/conf/{device}/accept_dad"]
        lines += [f"ip link set {device} mtu {settings.get('mtu', 1500)} up"]
        lines += [f"ip address add {net} dev {device} nodad" for net in addresses]
    wan = settings.get("wan") or "eth0"
    lines += [f"ip -4 route add default dev {wan}", f"ip -6 route add default dev {wan}"]
    lines += ["groupadd -f g", "useradd -M u 2>/dev/null || true", "useradd -M ux 2>/dev/null || true"]
    if settings.get("docker"):
        lines += ["for each in iptables ip6tables; do $each -N DOCKER-USER; done"]
    host.run(["bash", "-c", "\n".join(lines)])
    host.write("/usr/local/bin/tunsafe", PROGRAM.read_text(), 0o755)
    programs(host, settings)


def programs(host: Host, settings: Table) -> None:
    for tunnel in settings["tunnels"].values():
        if tunnel["kind"] == "tunsafe":
            host.write(tunnel["config"], "secret\n", 0o600)
        if tunnel["kind"] == "external":
            start = f"#!/bin/sh\nexec tunsafe start -n {tunnel['interface']}\n"
            host.write(tunnel["start"][0], start, 0o755)
            if "stop" in tunnel:
                stop = tunnel["stop"] if isinstance(tunnel["stop"], str) else tunnel["stop"][0]
                host.write(stop, f"#!/bin/sh\nexec tunsafe stop {tunnel['interface']}\n", 0o755)
    for files in ("roa4", "roa6", "flap4"):
        host.write(f"/etc/bird/{files}.conf", "", 0o644)


def secrets(host: Host, tree: Path, made: Mixed) -> None:
    """Private keys that fit; of the others nobody asks. Credentials are where systemd would have them."""
    scripts = {verb: _texts(tree, verb) for verb in ("up", "check")}
    asked = re.findall(r"(?m)^key_is \S+ (\S+) \S+ (\S+)$", scripts["check"])
    fitting = {path: made.private[public] for path, public in asked}
    for secret in re.findall(r"(?m)^secret (\S+)", scripts["up"]):
        path = secret.strip('"').replace("$CREDENTIALS_DIRECTORY", CREDENTIALS)
        host.write(path, fitting.get(secret) or key(secret) + "\n", 0o600)


def _texts(tree: Path, script: str) -> str:
    return "".join(path.read_text() for path in sorted(tree.glob(f"files/etc/netc/parts/*/{script}")))
