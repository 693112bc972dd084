"""A lab for containerlab: the same hosts, internet and stand-ins as a folder, for labs past one machine."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec.structs import replace
from netaddr import IPAddress

from netc.lab.packets import AGENT, FIRST, Probe
from netc.lab.promises import Result, trials_of
from netc.lab.promises import there as on_paper
from netc.lab.readme import Image, Try, readme
from netc.lab.recorded import Recorded, Script
from netc.lab.scene import Scene
from netc.lab.up import Prepared, kinds
from netc.plan.host_plan import HostPlan
from netc.walk.journey import Process, journey
from netc.walk.packet import NAMES, TCP, UDP, Owner

HERE = Path(__file__).parent
CENTRE = "internet"
"""No host is called so."""
TOPOLOGY = "topology.clab.yml"
OURS = "# Compiled by netc"
BASES = {"debian-12": "debian:12-slim", "debian-13": "debian:13-slim", "ubuntu-24.04": "ubuntu:24.04"}
"""Of images. Of other systems the lab has Debian 12, whose tools are the oldest that netc writes for."""


class Foreign(Exception):
    """Something stands at the place that is not from netc."""


def export(prepared: Prepared, folder: Path) -> None:
    """Replaces what an earlier export wrote there, and nothing else. Raises Foreign, OSError."""
    if folder.is_dir() and any(folder.iterdir()) and not _is_ours(folder):
        raise Foreign(f"{folder} is not empty, and nothing there is from `netc lab --export`")
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".netc-", dir=folder) as beside:
        new = Path(beside)
        _write(prepared, new)
        for made in sorted(new.iterdir()):
            old = folder / made.name
            if old.is_dir() and not old.is_symlink():
                shutil.rmtree(old)
            made.replace(old)


def _is_ours(folder: Path) -> bool:
    found = folder / TOPOLOGY
    return found.is_file() and found.read_text(encoding="utf-8", errors="replace").startswith(OURS)


def _write(prepared: Prepared, folder: Path) -> None:
    name = str(prepared.network.topology.network.name)
    with Recorded(CENTRE) as lab:
        scene = Scene(lab, prepared.staged, prepared.paper, folder / "trees", speaking=True)
        scene.prepare()
        before = {host: len(script.lines) for host, script in lab.hosts.items()}
        scene.containers.build()
        scene.shake()
        tries, ports = _tries(scene, prepared, name)
        secrets = scene.made_from | prepared.staged.made_from
        for host, script in lab.hosts.items():
            start = _start(script, before[host], secrets, _listening(scene, script, ports))
            _put(folder / "start" / host, start)
            _files(script, secrets, folder / "root" / host)
        images = {str(plan.host): _image(plan, name) for plan in prepared.paper.plans.values()}
        _put(folder / TOPOLOGY, _topology(name, lab, images))
        needed = ", ".join(kinds(scene.paper))
        notes = [*prepared.notes, *([f"the machine's kernel needs tunnels of kind {needed}"] if needed else [])]
        _put(folder / "README.md", readme(name, sorted(set(images.values())), tries, notes))
    (folder / "root").mkdir(exist_ok=True)
    _put(folder / "netc-lab", (HERE / "netc-lab.bash").read_text(encoding="utf-8"), 0o755)
    _put(folder / "Dockerfile", (HERE / "Dockerfile").read_text(encoding="utf-8"))
    _put(folder / "agent.py", AGENT.read_text(encoding="utf-8"))


# ---- what a container does -------------------------------------------------------------------------------------


def _start(script: Script, before: int, secrets: dict[str, str], listening: Iterator[str]) -> str:
    """The internet installs nothing."""
    lines = ["# shellcheck shell=bash"]
    lines += [f"# {script.name}: netc-lab sources this in the container. Compiled by netc: change the topology."]
    if script.name == CENTRE:
        lines += script.lines
    else:
        keys = ((path, text.strip()) for path, (text, _) in script.files.items() if text.strip() in secrets)
        lines += script.lines[:before]
        lines += [f"secret {shlex.quote(path)} {shlex.quote(secrets[key])}" for path, key in keys]
        lines += ["come_up", *script.lines[before:]]
    text = "\n".join((*lines, *listening)) + "\n"
    for key, made_from in secrets.items():
        text = text.replace(key, f'"$(key {shlex.quote(made_from)})"')
    return text


def _files(script: Script, secrets: dict[str, str], root: Path) -> None:
    """What it has before netc comes, but for keys, which it makes."""
    for path, (text, mode) in script.files.items():
        if text.strip() not in secrets:
            _put(root / path.lstrip("/"), text, mode)


def _listening(scene: Scene, host: Script, ports: dict[int, set[int]]) -> Iterator[str]:
    """Every place answers at every port that a promise dials, as in `netc lab`."""
    udp, tcp = (",".join(map(str, sorted(ports[protocol]))) for protocol in (UDP, TCP))
    for _, on, space, any_ in scene.places():
        if on is host:
            yield shlex.join(["listen", space or "", "1" if any_ else "0", udp, tcp])


# ---- what one tries --------------------------------------------------------------------------------------------


def _tries(scene: Scene, prepared: Prepared, name: str) -> tuple[list[Try], dict[int, set[int]]]:
    """A packet of each promise, and the ports that all packets of them dial, before and after destination NAT."""
    tries: list[Try] = []
    probes: list[Probe] = []
    for number, expect in enumerate(prepared.network.topology.expect, 1):
        result = Result(expect.name or f"expectation {number}")
        found = [trial.probe for trial in trials_of(expect, result, scene, prepared.network, scene.paper)]
        probes += found
        for probe in found[:1]:
            packet = replace(probe.packet, sport=FIRST)
            probe = Probe(0, probe.start, packet, journey(scene.paper, probe.start, packet))
            tries.append(Try(result.text, _command(scene, probe, name), on_paper(probe, scene.paper)))
    scene.internet.answer_for([probe.packet for probe in probes])
    ends = {(end.place, end.device, end.packet.to): end for end in (probe.paper.there for probe in probes)}
    scene.containers.answer_for(ends.values())
    ports: dict[int, set[int]] = {UDP: set(), TCP: set()}
    for probe in probes:
        ports[probe.packet.protocol] |= {probe.packet.dport, probe.paper.there.packet.dport}
    return tries, ports


def _command(scene: Scene, probe: Probe, name: str) -> str:
    at = scene.place_of(probe.start, probe.packet)
    host, space = next((host.name, space) for place, host, space, _ in scene.places() if place == at)
    packet, owner = probe.packet, (isinstance(probe.start, Process) and probe.start.owner) or Owner()
    ends = [IPAddress(packet.source, packet.family) if packet.source else "-", IPAddress(packet.to, packet.family)]
    there = ["ip", "netns", "exec", space] if space else []
    words = [*there, "netc-lab", "visit", *map(str, ends), f"{packet.dport}/{NAMES[packet.protocol]}"]
    if owner.user or owner.group:
        words += [str(scene.numbers.get(str(one), 0)) for one in (owner.user, owner.group)]
    return shlex.join(["docker", "exec", f"clab-{name}-{host}", *words])


# ---- what containerlab reads -----------------------------------------------------------------------------------


def _image(plan: HostPlan, name: str) -> Image:
    system = str(plan.target).partition(" ")[0]
    base = system if system in BASES else "debian-12"
    bird = "bird3" if plan.tools.bird >= (3,) else "bird2"
    return Image(f"netc-lab/{name}:{base}{'-bird3' if bird == 'bird3' else ''}", BASES[base], bird)


def _topology(name: str, lab: Recorded, images: dict[str, Image]) -> str:
    """YAML, whose strings JSON's are too. eth0 belongs to hosts, so containerlab puts none of its own there."""
    lines = [f"{OURS}: change the topology, not this file. How to start it: README.md", f"name: {_said(name)}"]
    lines += ["topology:", "  defaults:", "    kind: linux", "    network-mode: none", '    restart-policy: "no"']
    lines += ['    exec: ["netc-lab is-up"]', "  nodes:"]
    for host in lab.hosts:
        lines += [f"    {_said(host)}:", f"      image: {_said(images.get(host, min(images.values())).name)}"]
        lines += [f"      cmd: {_said(f'hold {host}')}"]
    lines += ["  links:"]
    for link in lab.links:
        ends = [f"{link.host}:{link.interface}", f"{link.far}:{link.far_interface}"]
        lines += [f"    - endpoints: {json.dumps(ends)}", f"      mtu: {link.mtu}"]
    return "\n".join(lines) + "\n"


def _said(text: str) -> str:
    return json.dumps(text)


def _put(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
