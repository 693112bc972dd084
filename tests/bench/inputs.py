"""What is compiled and measured: the same work for netc and for its peers."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from pathlib import Path

HEAD = (
    "Name,Address,Endpoint,AllowedIPs,ListenPort,PersistentKeepalive,FwMark,PrivateKey,DNS,MTU,Table,"
    "PreUp,PostUp,PreDown,PostDown,SaveConfig"
)

LISTED = """version = 1
network.name = "bench"
hosts.h = { id = 1, addresses = "198.51.100.1/24", firewall = { deny = "long" } }
sets.long = { files = "long.txt", ipset = true }
"""
"""Refuses a long list, and has it as an ipset too."""


def key(number: int) -> str:
    """No secret: everybody can make it."""
    return b64encode(sha256(str(number).encode()).digest()).decode()


def mesh(hosts: int) -> str:
    """A WireGuard mesh of so many hosts, one interface each."""
    lines = ["version = 1", 'network.name = "bench"']
    for n in range(1, hosts + 1):
        lines += [f"[hosts.h{n}]", f"id = {n}", f'addresses = "{outer(n)}/24"', f'public_key = "{key(n)}"']
    lines += ["[meshes.m]", 'hosts = "all"', 'interfaces = "shared"', 'subnet = "10.64.0.0/16"']
    return "\n".join(lines) + "\n"


def fleet(hosts: int) -> str:
    """The mesh again, and each host has a firewall, and a container behind it that visitors reach."""
    lines = ["version = 1", 'network.name = "bench"']
    for n in range(1, hosts + 1):
        opened = ['{ ports = ["80/tcp", "443/tcp"] }', '{ ports = "9100/tcp", from = "10.64.0.0/16" }']
        lines += [f"[hosts.h{n}]", f"id = {n}", 'wan = "eth0"', f'addresses = "{outer(n)}/24"']
        lines += [f'public_key = "{key(n)}"', f"firewall.allow = [{', '.join(opened)}]"]
        lines += [f"[hosts.h{n}.bridges.br0]", 'addresses = "10.128.0.1/24"', "masquerade = true"]
        lines += ['publish = [{ port = "8443/tcp", to = "web" }]']
        lines += [f"[hosts.h{n}.namespaces.web]", 'bridge = "br0"', 'address = "10.128.0.2/24"', 'dns = "9.9.9.9"']
        lines += ['services = ["caddy.service"]']
    lines += ["[meshes.m]", 'hosts = "all"', 'interfaces = "shared"', 'subnet = "10.64.0.0/16"']
    return "\n".join(lines) + "\n"


def database(hosts: int) -> str:
    """The same mesh, for wg-meshconf."""
    rows = (f"h{n},10.64.{n >> 8}.{n & 255}/32,{outer(n)},,51820,25,,{key(n)},,,,,,,," for n in range(1, hosts + 1))
    return "\n".join((HEAD, *rows, ""))


def outer(n: int) -> str:
    return f"198.{18 + n // 250}.{n % 250}.1"


def hub(links: int) -> str:
    """A host with so many WireGuard links, each to a host of its own."""
    lines = ["version = 1", 'network.name = "bench"']
    for n in range(1, links + 2):
        lines += [f"[hosts.h{n}]", f"id = {n}", f'addresses = "{outer(n)}/24"', f'public_key = "{key(n)}"']
    for n in range(2, links + 2):
        lines += [f"[links.l{n}]", 'kind = "wireguard"', f'between = ["h1", "h{n}"]']
    return "\n".join(lines) + "\n"


def prefixes(number: int) -> str:
    """So many IPv4 prefixes that cannot be merged, in no order."""
    lines = [f"{1 + n // 65536 % 200}.{n // 256 % 256}.{n % 256}.{n % 2 * 64}/27\n" for n in range(number)]
    return "".join(lines[n * 7919 % number] for n in range(number))


def listed(folder: Path, number: int) -> Path:
    """A topology with a list of so many prefixes beside it."""
    folder.mkdir(parents=True)
    (folder / "long.txt").write_text(prefixes(number))
    (folder / "topo.toml").write_text(LISTED)
    return folder / "topo.toml"
