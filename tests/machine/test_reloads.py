"""A split sends nothing in clear, whatever other firewalls do to the packet filter, and while a generation changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from live.compiled import compiled, give_key, met
from live.delivered import deliver, install, netc_host, token
from live.keys import private_key, public_key
from live.lab import Lab
from live.probe import PORT, SENDER, Probe, count_leaks, leaked
from live.test_splits import EXIT, LAPTOP, ROUTER, UNLISTED, serve_tunnel
from machine.machine import machine
from machine.root import FIREWALLS, PACKAGES
from machine.test_seedbox import active
from netc.lab.waiting import wait

pytestmark = pytest.mark.machine

TOPOLOGY = f"""
version = 1
network.name = "away"

[hosts.laptop]
id = 1
wan = "eth0"
addresses = "192.168.1.2/24"

[hosts.laptop.tunnels.escape]
kind = "wireguard"
address = "10.66.0.2/24"
peer = {{ public_key = "{public_key(private_key("exit"))}", endpoint = "192.0.2.77:51820", allowed_ips = "0.0.0.0/0" }}
"""
SPLITS = {"cavorite": 'group = "cavorite"', "of-ann": 'user = "ann"', "seeding": 'service = "seeds.service"'}
SERVICE = f"""
[Unit]
DefaultDependencies=no
[Service]
ExecStart=/usr/bin/bash /run/sender {{port}} /run/probes/seeds {UNLISTED[0]}
TimeoutStopSec=2
"""
PORTS = {"cavorite": PORT, "of-ann": PORT + 1, "seeding": PORT + 2}
WRAPPERS = {
    "cavorite": ["setpriv", "--regid", "cavorite", "--clear-groups"],
    "of-ann": ["setpriv", "--reuid", "ann", "--clear-groups"],
}


def topology(netfilter: str = "nftables", splits: dict[str, str] = SPLITS) -> str:
    text = TOPOLOGY.replace('wan = "eth0"', f'wan = "eth0"\nnetfilter = "{netfilter}"')
    return text + "".join(f'\n[hosts.laptop.splits.{name}]\ntunnel = "escape"\n{who}\n' for name, who in splits.items())


class Scene:
    """A laptop of which a group, a user and a service send all the time, and the network that its uplink leads to."""

    def __init__(self, lab: Lab, folder: Path, text: str, packages: tuple[str, ...] = PACKAGES) -> None:
        self.lab, self.folder = lab, folder
        self.laptop, self.exit, self.world = machine(lab, "laptop", packages), lab.host("exit"), lab.host("world")
        self.world.run(["sysctl", "-qw", "net.ipv4.ip_forward=1"])
        lab.wire(
            self.laptop, "eth0", self.world, "laptop", a_addresses=[f"{LAPTOP[0]}/24"], b_addresses=[f"{ROUTER[0]}/24"]
        )
        lab.wire(self.exit, "eth0", self.world, "exit", a_addresses=[f"{EXIT[0]}/24"], b_addresses=["192.0.2.1/24"])
        self.laptop.run(["ip", "route", "replace", "default", "via", ROUTER[0]])
        self.exit.run(["ip", "route", "add", "default", "via", "192.0.2.1"])
        self.world.run(["ip", "address", "add", UNLISTED[0], "dev", "lo"])
        serve_tunnel(self.exit)
        self.laptop.run(["useradd", "--system", "ann"])
        give_key(self.laptop, "escape", "laptop")
        self.laptop.write("/etc/systemd/system/seeds.service", SERVICE.format(port=PORTS["seeding"]))
        self.laptop.write("/run/sender", SENDER, 0o755)
        self.laptop.run(["install", "-d", "-m", "1777", "/run/probes"])
        self.laptop.run(["systemctl", "daemon-reload"])
        self.bring(text)
        self.laptop.run(["systemctl", "start", "seeds"])
        met(self.laptop, "wg-escape")
        for port in PORTS.values():
            count_leaks(self.world, port=port)
        self.probes = [
            Probe(self.laptop, wrapper, name, UNLISTED[:1], PORTS[name]) for name, wrapper in WRAPPERS.items()
        ]
        self.go_on()

    def deliver(self, text: str) -> None:
        folder = self.folder / str(len(list(self.folder.iterdir())))
        folder.mkdir()
        deliver(self.lab, self.laptop, compiled(text, folder)["laptop"])

    def bring(self, text: str) -> None:
        self.deliver(text)
        netc_host(self.laptop, "confirm", token(install(self.laptop, "--detach")))

    def go_on(self) -> None:
        for probe in self.probes:
            probe.goes_on(50)

    def leaks(self) -> dict[str, int]:
        return {name: leaked(self.world, port) for name, port in PORTS.items()}

    def leaks_of(self, command: str | Callable[[], object]) -> dict[str, int]:
        """What came by the uplink while it ran and a little later."""
        before = self.leaks()
        if isinstance(command, str):
            self.laptop.run(["bash", "-c", command])
        else:
            command()
        self.go_on()
        after = self.leaks()
        return {name: after[name] - before[name] for name in after}


NFTABLES = [
    f"systemctl {verb} nftables" for verb in ("start", "reload", "restart", "reload-or-restart", "stop", "start")
]
PERSISTENT = [f"systemctl {verb} netfilter-persistent" for verb in ("start", "restart", "stop", "start")]
PERSISTENT += [f"netfilter-persistent {verb}" for verb in ("save", "reload", "flush", "start")]
BY_HAND = ["nft flush ruleset", "iptables-save | iptables-restore; iptables -t mangle -F"]
UFW = ["ufw --force enable", "ufw reload", "ufw --force reset", "ufw --force enable", "ufw disable"]
FIREWALLD = ["systemctl start firewalld", "firewall-cmd --reload", "firewall-cmd --complete-reload"]
FIREWALLD += ["systemctl restart firewalld", "systemctl stop firewalld"]
DOCKER = [f"systemctl {verb} docker" for verb in ("start", "restart", "stop")]
REPAIR = "netc-host up; systemctl start seeds"


def measured(there: Scene, commands: list[str]) -> Iterator[tuple[str, dict[str, int]]]:
    """Each command and what leaked. The next begins with everything up again."""
    for command in commands:
        found = there.leaks_of(command)
        print(f"{command}: {found}")
        yield command, found
        there.laptop.run(["bash", "-c", REPAIR], check=False)
        wait(lambda: active(there.laptop, "netc-firewall.service", "seeds.service") == ["active"] * 2)


@pytest.mark.parametrize("netfilter", ["nftables", "iptables"])
@pytest.mark.parametrize(
    ("packages", "commands"),
    [(PACKAGES, [*NFTABLES, *PERSISTENT, *BY_HAND]), (FIREWALLS, [*UFW, *FIREWALLD, *DOCKER])],
    ids=["debian", "firewalls"],
)
def test_no_verb_of_another_firewall_lets_a_packet_of_a_split_out(
    lab: Lab, tmp_path: Path, netfilter: str, packages: tuple[str, ...], commands: list[str]
) -> None:
    there = Scene(lab, tmp_path, topology(netfilter), packages)
    assert there.leaks() == dict.fromkeys(PORTS, 0)
    found = dict(measured(there, commands))
    assert {command: leaks for command, leaks in found.items() if any(leaks.values())} == {}
    if packages == PACKAGES:  # or the test proves nothing
        there.laptop.run(["systemctl", "stop", "netc-guard"])
        assert sum(there.leaks_of("nft flush ruleset").values()) > 0


OTHER_NAMES = {"tavorite": SPLITS["cavorite"], "by-ann": SPLITS["of-ann"], "sowing": SPLITS["seeding"]}
ALL_ONE = {"all": 'service = ["seeds.service", "absent.service"]', **{n: SPLITS[n] for n in ("cavorite", "of-ann")}}
SECOND = f"""
[hosts.laptop.tunnels.second]
kind = "wireguard"
address = "10.67.0.2/24"
peer = {{ public_key = "{public_key(private_key("exit"))}", endpoint = "192.0.2.77:51821", allowed_ips = "0.0.0.0/0" }}
"""
NAMESPACE = """
[hosts.laptop.namespaces.vpn]
tunnel = "second"
services = "seeds.service"
"""
PROGRAMS = {name: SPLITS[name] for name in WRAPPERS}
GENERATIONS = {
    "other names": topology(splits=OTHER_NAMES),
    "one more split": topology(splits=OTHER_NAMES | {"more": 'group = "more"'}),
    "one less, and other services": topology(splits=ALL_ONE),
    "another tunnel": topology(splits=ALL_ONE).replace('tunnel = "escape"', 'tunnel = "second"') + SECOND,
    "another packet filter": topology("iptables", ALL_ONE),
    "a namespace for the service": topology(splits=PROGRAMS) + SECOND + NAMESPACE,
    "other names and another packet filter": topology("iptables", OTHER_NAMES),
    "back to the first packet filter": topology(splits=OTHER_NAMES),
}


def test_no_change_of_generation_lets_a_packet_of_a_split_out(lab: Lab, tmp_path: Path) -> None:
    there = Scene(lab, tmp_path, topology())
    give_key(there.laptop, "second", "laptop")
    found = {}

    def rolled_back() -> None:
        there.deliver(topology())
        install(there.laptop, "--detach")
        netc_host(there.laptop, "revert")

    for what, text in GENERATIONS.items():
        found[what] = there.leaks_of(partial(there.bring, text))
        assert active(there.laptop, "seeds.service") == ["active"], what
    found["a rollback"] = there.leaks_of(rolled_back)
    for what, leaks in found.items():
        print(f"{what}: {leaks}")
    assert {what: leaks for what, leaks in found.items() if any(leaks.values())} == {}

    # A service of a namespace stays stopped, too.
    there.bring(GENERATIONS["a namespace for the service"])
    assert "seeds.service is stopped" in netc_host(there.laptop, "uninstall").stderr
    assert active(there.laptop, "seeds.service") == ["inactive"]
    there.bring(topology(splits=OTHER_NAMES))
    there.laptop.run(["systemctl", "start", "seeds.service"])
    before = there.leaks()["seeding"]

    # What is uninstalled guards nothing any more: the service stops, and netc says what is in clear.
    assert active(there.laptop, "seeds.service") == ["active"]
    said = netc_host(there.laptop, "uninstall").stderr
    assert "seeds.service is stopped and now would use the host's own routes" in said
    for name in OTHER_NAMES:
        assert f"split {name} is gone: what it chose now leaves by the host's own routes" in said
    assert active(there.laptop, "seeds.service") == ["inactive"]
    assert there.leaks()["seeding"] == before == 0
    assert "netc" not in there.laptop.run(["nft", "list", "ruleset"]).stdout
