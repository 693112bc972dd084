"""Resolver daemons of the host stay hidden from services that run, whatever happens to them: with the real
systemd-resolved, nscd, libnss-resolve and dhclient, on a machine that boots."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from live.keys import private_key, public_key
from live.lab import Lab
from live.test_splits import ROUTER, ROUTERS_ANSWER, TUNNELS_ANSWER
from machine.machine import Machine
from machine.root import debian_packages
from machine.test_splits import Scene
from netc.lab.waiting import within

pytestmark = pytest.mark.machine

PACKAGES = ("systemd-resolved", "libnss-resolve", "nscd", "isc-dhcp-client", "isc-dhcp-common")
TOPOLOGY = f"""
version = 1
network.name = "masks"

[hosts.laptop]
id = 1
wan = "eth0"
addresses = "192.168.1.2/24"

[hosts.laptop.tunnels.escape]
kind = "wireguard"
address = "10.66.0.2/24"
dns = "10.66.0.1"
peer = {{ public_key = "{public_key(private_key("exit"))}", endpoint = "192.0.2.77:51820", allowed_ips = "0.0.0.0/0" }}
"""
NAMESPACE = '\n[hosts.laptop.namespaces.vpn]\ntunnel = "escape"\nservices = "app.service"\n'
SPLITS = """
[hosts.laptop.splits.apps]
tunnel = "escape"
service = "app.service"
dns = "10.66.0.1"

[hosts.laptop.splits.people]
tunnel = "escape"
group = "cavorite"
command = "t"
dns = "10.66.0.1"
"""

# It never stops asking for new names: as programs do, of nscd's socket, by D-Bus, and by Varlink in nss-resolve.
ASKS = """#!/bin/bash
for ((n = 0; ; n++)); do
    said=$(getent ahostsv4 "secret-$n.$1.example" | awk 'NR == 1 { print $1 }')
    command -v resolvectl >/dev/null && timeout 2 resolvectl query "secret-bus-$n.$1.example" &>/dev/null
    printf '%s %s\\n' "$n" "$said" >"/var/tmp/$1.half" && mv "/var/tmp/$1.half" "/var/tmp/$1.said"
    sleep 0.1
done
"""
SERVICE = "[Service]\nExecStart=/usr/local/bin/asks app\nTimeoutStopSec=2\n"
RENEWED = ["reason=RENEW", "interface=eth0", "old_ip_address=192.168.1.2", "new_ip_address=192.168.1.2"]
RENEWED += [f"new_domain_name_servers={ROUTER[0]}", "old_domain_name_servers=192.0.2.99"]


class Asking:
    """Programs that keep asking, and a host beside them whose own queries are not led anywhere."""

    def __init__(self, lab: Lab, folder: Path, topology: str, wrapped: Sequence[str] = ()) -> None:
        self.there = Scene(lab, folder, TOPOLOGY + topology)
        self.laptop, self.names = self.there.laptop, ["app", *wrapped]
        for package in debian_packages(*PACKAGES):
            text = b64encode(package.read_bytes()).decode()
            self.laptop.run(
                ["bash", "-ec", 'mkdir -p /packages; base64 -d >"$1"', "copy", f"/packages/{package.name}"], input=text
            )
        self.laptop.write("/usr/local/bin/asks", ASKS, 0o755)
        self.laptop.write("/etc/systemd/system/app.service", SERVICE)
        self.laptop.run(["systemctl", "daemon-reload"])
        self.laptop.run(["systemctl", "start", "netc.target", "app.service"])
        self.uplink = self.there.world.start(["tcpdump", "-l", "-n", "-i", "laptop", "port", "53"])
        self.uplink.wait_for("listening on")

    def install(self, package: str) -> None:
        self.laptop.run(["bash", "-ec", f"dpkg -i /packages/{package}_*.deb"])

    def number(self, name: str) -> tuple[int, str]:
        said = self.laptop.run(["cat", f"/var/tmp/{name}.said"], check=False).stdout.split()
        return int(said[0]) if said else -1, said[1] if len(said) > 1 else ""

    def is_answered(self, name: str, number: int) -> bool:
        """The query of this number or a later one, by the tunnel."""
        asked, answer = self.number(name)
        return asked >= number and answer == TUNNELS_ANSWER

    def goes_on(self, after: str) -> None:
        """All of them are answered through the tunnel three times from now on, and nothing of theirs is in clear."""
        for name in self.names:
            first = self.number(name)[0]
            assert within(60, partial(self.is_answered, name, first + 3)), f"{name}, after {after}"
        assert self.in_clear("secret") == [], after

    def in_clear(self, name: str) -> list[str]:
        """Queries so far that left by the uplink."""
        return [line for line in self.uplink.said().splitlines() if name in line]

    def host_asks(self, name: str) -> str:
        return (self.laptop.run(["getent", "ahostsv4", name], check=False).stdout.split() or [""])[0]


def through_all_that_replaces_files(asking: Asking) -> None:
    laptop = asking.laptop
    asking.goes_on("the start")

    laptop.run(["mkdir", "-p", "/etc/systemd/resolved.conf.d"])
    laptop.write("/etc/systemd/resolved.conf.d/lab.conf", f"[Resolve]\nDNS={ROUTER[0]}\nDNSSEC=no\n")
    asking.install("systemd-resolved")
    asking.goes_on("systemd-resolved was installed")
    laptop.run(["systemctl", "restart", "systemd-resolved"])
    asking.goes_on("systemd-resolved restarted")
    asking.install("libnss-resolve")
    assert "resolve" in laptop.read("/etc/nsswitch.conf")
    asking.goes_on("libnss-resolve was installed")
    assert asking.host_asks("open-by-varlink.example") == ROUTERS_ANSWER
    asking.install("nscd")
    asking.goes_on("nscd was installed")
    laptop.run(["systemctl", "restart", "nscd", "systemd-resolved"])
    asking.goes_on("nscd restarted")
    assert asking.host_asks("open-by-nscd.example") == ROUTERS_ANSWER

    # The link to resolved's file becomes a file of dhclient's, and that another one.
    laptop.run(["rm", "/etc/resolv.conf"])
    laptop.write("/etc/resolv.conf", "nameserver 192.0.2.99\n")
    asking.install("isc-dhcp-common")
    asking.install("isc-dhcp-client")
    # On Debian 13, dhclient would tell resolved, and leave the file as it is.
    laptop.run(["rm", "-f", "/etc/dhcp/dhclient-enter-hooks.d/resolved-enter"])
    laptop.run(["env", *RENEWED, "/sbin/dhclient-script"])
    assert re.search(rf"^nameserver {ROUTER[0]}$", laptop.read("/etc/resolv.conf"), re.MULTILINE)
    asking.goes_on("dhclient replaced resolv.conf")
    laptop.run(["systemctl", "restart", "app.service"])
    asking.goes_on("the service restarted")
    laptop.run(["env", *RENEWED, "/sbin/dhclient-script"])
    asking.goes_on("dhclient replaced resolv.conf again")

    laptop.run(["dpkg", "--purge", "nscd", "libnss-resolve", "systemd-resolved"])
    asking.goes_on("they were purged")
    for package in ("systemd-resolved", "libnss-resolve", "nscd"):
        asking.install(package)
    asking.goes_on("they were installed again")
    assert asking.host_asks("open-again.example") == ROUTERS_ANSWER
    assert within(60, lambda: len(asking.in_clear("open-")) >= 3), "or nothing is counted"


@pytest.mark.parametrize("confined", [NAMESPACE, SPLITS], ids=["namespace", "split"])
def test_check_names_a_service_from_which_a_folder_is_no_longer_hidden(lab: Lab, tmp_path: Path, confined: str) -> None:
    """Somebody purged avahi while the service ran: the mount over its folder went too."""
    laptop = Asking(lab, tmp_path, confined).laptop
    assert within(60, lambda: not differing(laptop))
    laptop.run(["rmdir", "/run/avahi-daemon"])
    said = "/run/avahi-daemon was deleted, and is no longer hidden from service app.service: "
    assert said in differing(laptop)
    laptop.run(["mkdir", "/run/avahi-daemon"])  # as when it is installed again
    assert said in differing(laptop)
    laptop.run(["systemctl", "restart", "app.service"])
    assert differing(laptop) == ""


def differing(laptop: Machine) -> str:
    """What `check` of the part of the service finds."""
    part = "namespace-vpn" if laptop.run(["ls", "/etc/netc/parts/namespace-vpn"], check=False).stdout else "split-apps"
    return laptop.run([f"/etc/netc/parts/{part}/check"], check=False).stdout


def test_a_service_in_a_namespace_never_asks_by_the_uplink(lab: Lab, tmp_path: Path) -> None:
    through_all_that_replaces_files(Asking(lab, tmp_path, NAMESPACE))


def test_a_service_of_a_split_and_what_its_command_runs_never_ask_by_the_uplink(lab: Lab, tmp_path: Path) -> None:
    asking = Asking(lab, tmp_path, SPLITS)
    laptop = asking.laptop
    laptop.run(["useradd", "--groups", "cavorite", "ann"])
    laptop.run(["chmod", "1777", "/var/tmp"])
    be = ["setpriv", "--reuid", "ann", "--regid", "ann", "--init-groups"]
    for name, who in {"root": [], "member": be}.items():
        laptop.start([*who, "t", "/usr/local/bin/asks", name])
        asking.names.append(name)
    through_all_that_replaces_files(asking)

    # Where nothing can be hidden, nothing runs.
    barred = ["-p", "User=ann", "-p", "Group=cavorite", "-p", "RestrictNamespaces=~user"]
    done = laptop.run(["systemd-run", "--quiet", "--wait", "--pipe", *barred, "t", "echo", "ran"], check=False)
    assert (done.returncode, done.stdout) == (125, "")
    assert "cannot hide the host's resolver daemons from echo" in done.stderr
