"""The slim edge on machines that boot, and an operator who reaches them by ssh alone: two edges, a node behind NAT."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_address
from pathlib import Path

from examples import without_promises
from live import delivered
from live.compiled import EXAMPLES
from live.lab import Host, Lab
from live.state import State
from live.traffic import SILENCE, client
from machine.machine import MOMENTARY, Machine
from netc.lab.waiting import within

OUTER = {
    "edge1": ("198.51.100.10/24", "2001:db8:10::10/64"),
    "edge2": ("203.0.113.20/24", "2001:db8:20::20/64"),
    "node": ("192.168.1.30/24",),
}
VISITOR = ("192.0.2.9", "2001:db8:113::9")
SERVED: list[str | None] = [*VISITOR]
NODE_SEEN = "192.0.2.1"
KEYLESS = re.sub(r"(?m)^public_key = .*\n", "", without_promises((EXAMPLES / "slim-edge.toml").read_text()))
"""Keys are made by the hosts. Tests spoil it."""

SSH = """
Host *
    User root
    IdentityFile {folder}/id
    IdentitiesOnly yes
    UserKnownHostsFile {folder}/known
    StrictHostKeyChecking accept-new
    LogLevel ERROR
Host edge1
    HostName 198.51.100.10
Host edge2
    HostName 203.0.113.20
Host node
    HostName {node}
    {jump}
"""
NEAR = {"node": "192.168.1.30", "jump": "ProxyJump none"}
THROUGH = {"node": "10.77.1.1", "jump": "ProxyJump edge1"}
"""The node as its operator sees it from far away: by the tunnel that is to be changed."""

ANSWER = "socat -T1 TCP{family}-LISTEN:{port},fork,reuseaddr{only} EXEC:'printenv SOCAT_PEERADDR'"


@dataclass
class Fleet:
    lab: Lab
    folder: Path
    world: Host
    machines: dict[str, Machine] = field(default_factory=dict)
    before: dict[str, tuple[State, str]] = field(default_factory=dict)
    """Of each machine, before netc came to it."""

    def plug(self, name: str) -> None:
        """As a provider's image has it: addresses, and ways to the world."""
        addresses = OUTER[name]
        gateways = [re.sub(r"\d+/", "1/", address) for address in addresses]
        self.lab.wire(self.machines[name], "eth0", self.world, name, a_addresses=addresses, b_addresses=gateways)
        for gateway in gateways:
            family = "-6" if ":" in gateway else "-4"
            self.machines[name].run(["ip", family, "route", "add", "default", "via", gateway.partition("/")[0]])
        # What udev does when an interface comes; machines have none.
        self.machines[name].run(["/lib/systemd/systemd-sysctl", "--prefix=/net/ipv6/conf/eth0"], check=False)

    def netc(self, *words: str, wait: bool = True) -> subprocess.Popen[str]:
        """netc, as the operator runs it, out in the world; until it ends, unless told otherwise."""
        there = ["nsenter", f"--net=/proc/{self.world.pid}/ns/net", "--"]
        with (self.folder / "out").open("w") as out, (self.folder / "err").open("w") as err:
            process = subprocess.Popen(
                [*there, sys.executable, "-c", "from netc.cli import main; main()", *words],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                text=True,
                env=os.environ | {"COLUMNS": "200"},
            )
        if wait:
            process.wait()
        return process

    def deploy(self, text: str, *options: str, ssh: str = "near") -> dict[str, str]:
        """What became of each host. `text` has no keys; those that the hosts made are put in."""
        self.write(text)
        self.netc("deploy", str(self.topo), "--ssh", self.ssh(ssh), *options)
        rows = (re.split(r"  +", line) for line in (self.folder / "out").read_text().splitlines()[1:])
        return {row[0]: row[1] for row in rows}

    def said(self) -> str:
        return (self.folder / "err").read_text()

    @property
    def topo(self) -> Path:
        return self.folder / "topo.toml"

    def write(self, text: str) -> None:
        for name, key in self.keys().items():
            text = re.sub(rf"(?m)^\[hosts\.{name}\]$", rf'[hosts.{name}]\npublic_key = "{key}"', text)
        self.topo.write_text(text)

    def keys(self) -> dict[str, str]:
        """What `netc keys` wrote."""
        known = tomllib.loads((self.folder / "keys.toml").read_text())
        return {name: host["public_key"] for name, host in known["hosts"].items()}

    def make_keys(self) -> None:
        known = self.folder / "keys.toml"
        known.write_text(KEYLESS)
        assert self.netc("keys", str(known), "--ssh", self.ssh("near")).returncode == 0, self.said()

    def ssh(self, way: str) -> str:
        return f"ssh -F {self.folder}/ssh-{way}"

    def there(self, host: str, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """By the operator's ssh."""
        enter = ["nsenter", f"--net=/proc/{self.world.pid}/ns/net", "--"]
        ssh = [*self.ssh("near").split(), host, "--", *words]
        return subprocess.run([*enter, *ssh], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=check)

    def serve(self, host: str, port: int) -> None:
        """What a visitor is told: the address that was seen of it. It ends with the machine."""
        for family, only in (("4", ""), ("6", ",ipv6only=1")):
            self.machines[host].start(["bash", "-c", ANSWER.format(family=family, port=port, only=only)])

    def served(self, edge: str, port: int) -> bool:
        """Whether visitors are, soon: of a far end that started anew a tunnel hears 15 s after it sent something."""
        said = f"echo >/dev/udp/10.77.{edge[-1]}.0/9"
        return within(40, lambda: self.machines["node"].run(["bash", "-c", said]) and self.visit(edge, port) == SERVED)

    def visit(self, edge: str, port: int, timeout: float = SILENCE) -> list[str | None]:
        to = [address.partition("/")[0] for address in OUTER[edge]]
        pairs = zip(to, VISITOR, strict=True)
        ask = partial(client, self.world, "tcp", port=port, timeout=timeout)
        answers = [ask(address, source=source) for address, source in pairs]
        return [str(ip_address(answer.strip("[]"))) if answer else None for answer in answers]


def fleet(lab: Lab, folder: Path) -> Fleet:
    made = Fleet(lab, folder, lab.host("world"))
    for key in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
        made.world.run(["bash", "-c", f"echo 1 >/proc/sys/net/{key}"])
    for address in (*VISITOR, NODE_SEEN):
        made.world.run(["ip", "address", "add", address, "dev", "lo"])
    hidden = f'type nat hook postrouting priority srcnat; iifname "node" snat to {NODE_SEEN};'
    made.world.run(["nft", "-f", "-"], input=f"table ip nat {{ chain p {{ {hidden} }}; }}")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "id")], check=True)
    for way, words in (("near", NEAR), ("through", THROUGH)):
        (folder / f"ssh-{way}").write_text(SSH.format(folder=folder, **words))
    for name in OUTER:
        made.machines[name] = Machine(name, lab)
        lab.adopt(made.machines[name])
    with ThreadPoolExecutor() as pool:
        list(pool.map(Machine.boot, made.machines.values()))
    for name, server in made.machines.items():
        server.write("/root/.ssh/authorized_keys", (folder / "id.pub").read_text(), 0o600)
        made.plug(name)
        made.before[name] = at_rest(server)
    return made


def at_rest(host: Machine) -> tuple[State, str]:
    """Without the host's keys, which stay."""
    return delivered.at_rest(host, MOMENTARY, r"/var/lib/netc|  /run/netc/|/etc/netc( |/keys)")


def installed(host: Machine) -> str:
    return host.run(["bash", "-c", "basename $(readlink /var/lib/netc/current || echo none)"]).stdout.strip()
