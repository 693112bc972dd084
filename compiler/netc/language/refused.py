"""Hints for texts that their types refuse, from what else the topology says."""

from __future__ import annotations

import re
from typing import Any

from netaddr import AddrFormatError, IPAddress, IPNetwork

from netc.diagnostic import KeyPath
from netc.language import servers
from netc.language.kinds import KINDS
from netc.language.misplaced import at
from netc.language.names import SetName, Wrong, as_label, quoted
from netc.language.respelt import EVERYWHERE, as_address, as_ports, as_prefixes, is_domain
from netc.language.respelt import listed as listed_as_toml
from netc.language.slips import NO, of_ports, without_length
from netc.language.special import special
from netc.language.values import NO_ADDRESS
from netc.language.written import addresses_of, ends_of, items_of, subnets_of


def of_value(wrong: Wrong, path: KeyPath, value: str, data: Any) -> tuple[str, str]:
    """What is wrong with a text that its type refuses, and the hint."""
    what, hint = wrong.what, wrong.hint
    word, key = value.strip().lower(), next((str(each) for each in reversed(path) if isinstance(each, str)), "")
    if word in ("dhcp", "auto", "dynamic", "ra", "slaac", "dhcp4", "dhcp6") and wrong.code in ("NC0110", "NC0111"):
        return _no_dhcp(path, value, key)
    if wrong.what.endswith("has no prefix length"):
        return what, without_length(path, value, data) or hint if wrong.hint.startswith("write") else hint
    if (path[0], key) in HOSTS and (host := holder(value, data)):
        host = host if key == "to" else host.partition(":")[0]
        return f"{quoted(value)} is an address, and `{key}` takes a host", f"write `{host}`, which has this address"
    if path[0] == "forwards" and key == "to" and (host := behind(value, data)):
        return f"{quoted(value)} has no host", f"write `{host}`, if the address is behind this host"
    if wrong.code == "NC0406":
        return what, _of_special(wrong, path, value, data)
    if wrong.code == "NC0112":
        return what, _of_port(value, key == "port") or hint
    bare, slash, _ = value.partition("/")
    if wrong.code == "NC0111" and slash and as_address(bare):
        return what, f"write `{bare}`, without a length"
    if wrong.code == "NC0110":
        return what, _of_addresses(wrong, path, value, data)
    first, _, rest = value.partition(".")
    if (path[0], key) in HOSTS and rest and at(data, ("hosts", first)) is not None:
        return what, f"write `{first}`: hosts have their names in the topology here"
    if wrong.code == "NC0106" and key in SOURCES and is_domain(value):
        return what, f"write the addresses of {value}: netc does not look up names here"
    if wrong.code in ("NC0117", "NC0118") or (path[2:3] == ("bridges",) and key == "to"):
        return what, servers.hint(path, data, value) or hint
    if wrong.code == "NC0106" and wrong.hint.startswith("use 1 to"):
        label = as_label(value) if re.fullmatch(r"[A-Za-z0-9 ._/-]+", value) else ""
        if re.fullmatch(r"[a-z][a-z0-9-]*", label) and label not in (value, "all", "internet") and len(value) <= 32:
            hint = f"write `{label}`: {wrong.hint.removeprefix('use ')}"
    return what, hint


def of_empty(path: KeyPath, data: Any) -> str:
    """What to write in place of an empty list, where the rest of the topology says it."""
    if path == ("igp", "over") and is_alone(data):
        return "leave [igp] out: a single router needs none"
    return servers.hint(path, data) if path[-1] == "to" else ""


def _of_special(wrong: Wrong, path: KeyPath, value: str, data: Any) -> str:
    """A hint for an address or prefix with a special use. An entry of a list goes only if another one stays: without
    any, a port that is open to some would be open to everyone."""
    key = next((str(each) for each in reversed(path) if isinstance(each, str)), "")
    if isinstance(path[-1], int) and any(_is_plain(each) for each in at(data, path[:-1])):
        return "leave it out"
    found = as_address(value.partition("/")[0])
    if found is not None and key in ("routes", "allowed_ips") and special(found) == "unspecified":
        return f"write `{'0.0.0.0/0' if found.version == 4 else '::/0'}` for everything"
    return "leave `routes` out, or write the prefixes behind the tunnel" if key == "routes" else wrong.hint


def _is_plain(value: Any) -> bool:
    """Whether an entry of a list is an address or prefix without a special use, or the name of a set."""
    try:
        return special(IPNetwork(value)) is None
    except (AddrFormatError, ValueError):
        return isinstance(value, str) and re.fullmatch(SetName.pattern, value) is not None


def _of_port(value: str, alone: bool) -> str:
    """`alone`: the key takes one port, and no range."""
    found = as_ports(value)
    if alone and (len(found) > 1 or "-" in "".join(found)):
        return f"write an entry for each port: {' and '.join(f'`{one}`' for one in found)}" if len(found) > 1 else ""
    return of_ports(value).replace('"', "")


SOURCES = ("from", "deny", "direct", "minus")
"""Keys that take prefixes and sets."""

HOSTS = (("forwards", "at"), ("forwards", "to"), ("links", "between"), ("meshes", "hosts"))
"""Keys that take hosts."""

ALONE = ("dns", "gateway", "remote", "local", "on", "snat", "router_id")
"""Keys that take addresses without a length."""


def _of_addresses(wrong: Wrong, path: KeyPath, value: str, data: Any) -> str:
    """A hint for what is no address, or no prefix."""
    key = next((str(each) for each in reversed(path) if isinstance(each, str)), "")
    word = value.strip().lower()
    if key == "gateway" and word in NO:
        return "write `false`, without quotes"
    if key == "router_id":
        return (
            f"write `{IPAddress(int(word), 4)}`"
            if re.fullmatch("[0-9]{1,10}", word) and 0 < int(word) < 1 << 32
            else "write an IPv4 address"
        )
    bare = key in ALONE or (key == "address" and "peers" in path)
    if key in SOURCES and re.fullmatch(r"[0-9:-]+/(tcp|udp)", word):
        return f"leave it out: `{key}` takes prefixes and sets, and no ports"
    if is_domain(value):
        many = "" if bare else "es"
        return f"write the address{many} of {value}: netc does not look up names here"
    keeps = key in ("address", "addresses", "loopback", "access") or "uplinks" in path
    if not bare and (found := as_prefixes(value, keeps)):
        return _prefixes(found, path)
    if wrong.hint != NO_ADDRESS or bare:
        return wrong.hint
    if word in EVERYWHERE:
        everywhere = _everywhere(path, data)
        return f"write `{listed_as_toml(everywhere)}`" if isinstance(path[-1], str) else f"write `{everywhere[0]}`"
    return "write an address, `/` and the length of its prefix"


def _prefixes(found: tuple[str, ...], path: KeyPath) -> str:
    if len(found) > 8:
        return "write the range as a line of a file, and name the file in `files` of a set"
    if isinstance(path[-1], str) or len(found) == 1:
        return f"write `{listed_as_toml(found)}`"
    return "write each in quotes of its own: `" + ", ".join(f'"{one}"' for one in found) + "`"


def _everywhere(path: KeyPath, data: Any) -> tuple[str, ...]:
    """All addresses, of the families that the table with the path has addresses of."""
    table: Any = None
    for length in range(len(path) - 1, 1, -1):
        table = at(data, path[:length])
        if isinstance(table, dict) and "address" in table:
            break
    versions: set[int] = {ip.version for ip in addresses_of(table)} if isinstance(table, dict) else set()
    kind = table.get("kind") if isinstance(table, dict) else None
    carried = KINDS[kind].carries if isinstance(kind, str) and kind in KINDS else ()
    versions = set(carried) if len(carried) == 1 else versions or {4, 6}
    return tuple("0.0.0.0/0" if version == 4 else "::/0" for version in sorted(versions))


def _no_dhcp(path: KeyPath, value: str, key: str) -> tuple[str, str]:
    what = f"{quoted(value)} is not an address: netc does not use DHCP, and writes fixed addresses into rules"
    if key == "gateway":
        return what, "write the router's address. An uplink whose router changes cannot be in `uplinks`"
    if "uplinks" in path:
        return what, "write the prefix. An uplink whose prefix changes cannot be in `uplinks`"
    if key == "snat":
        return what, "write `masquerade = true` in place of `snat`"
    if path[0] == "hosts" and key == "addresses" and "bridges" not in path:
        if isinstance(path[-1], int):
            return what, "leave it out: the image configures the interface"
        return what, f"leave `{key}` out: the image configures the interface, and peers dial the host's `endpoint`"
    return what, "write the address"


def is_alone(data: Any) -> bool:
    """Whether the topology has one router at most."""
    hosts = at(data, ("hosts",))
    return isinstance(hosts, dict) and sum(isinstance(host, dict) and "bgp" in host for host in hosts.values()) < 2


def holder(value: str, data: Any) -> str:
    """The host that has this address in the topology, with the port that stands behind the address; `home:10.0.3.20`
    for an address in the subnet of one host alone. Empty where none has."""
    found = re.fullmatch(r"\[([0-9a-fA-F:]+)\](:[0-9]+)?|([0-9.]+)(:[0-9]+)?|([0-9a-fA-F:]+)", value.strip())
    ip = as_address(found[1] or found[3] or found[5] or "") if found else None
    if ip is None or found is None or not isinstance(data, dict):
        return ""
    port = found[2] or found[4] or ""
    for host, table in items_of(data.get("hosts")):
        if ip in addresses_of(table, "addresses") or ip in addresses_of(table, "loopback"):
            return host + port
    for link, _ in items_of(data.get("links")):
        for host, end in ends_of(data, link):
            if ip in addresses_of(end):
                return host + port
    for name, mesh in items_of(data.get("meshes")):
        for subnet in subnets_of(at(data, ("meshes", name, "subnet"))):
            for host, table in items_of(data.get("hosts")):
                number = table.get("id") if isinstance(table, dict) else None
                if ip in subnet and type(number) is int and int(ip) == int(subnet.network) + number:
                    return host + port if isinstance(mesh, dict) else ""
    return ""


def behind(value: str, data: Any) -> str:
    """`home:10.0.3.20:80`, for an address that is in a subnet of one host alone."""
    found = re.fullmatch(r"([0-9.]+)(?::([0-9]+))?", value.strip())
    ip = as_address(found[1]) if found else None
    if ip is None or not isinstance(data, dict):
        return ""
    hosts = set()
    for host, table in items_of(data.get("hosts")):
        tables = [at(table, ("addresses",)), *(at(b, ("addresses",)) for _, b in items_of(at(table, ("bridges",))))]
        hosts |= {host for each in tables for subnet in subnets_of(each) if ip in subnet}
    return f"{hosts.pop()}:{value.strip()}" if len(hosts) == 1 else ""
