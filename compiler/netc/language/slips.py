"""Words of other programs in a topology: the hint names the key or value that the author meant.

Each function takes what the topology has and returns the hint, or nothing if it knows no better one.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from netaddr import AddrFormatError, IPAddress, IPNetwork

from netc.diagnostic import KeyPath
from netc.language.kinds import TUNNELS_ONLY
from netc.language.misplaced import at, names_in
from netc.language.respelt import as_address, as_ports, has_protocol, is_plain
from netc.language.respelt import listed as listed_as_toml
from netc.language.written import ends_of, subnets_of

FOREIGN = ("amneziawg", "awg", "openvpn", "tinc", "tailscale", "zerotier", "vtun", "tun", "tap")
"""Programs that make an interface themselves."""

CHOICES = {
    "kind": {
        **dict.fromkeys(("6in4", "he", "ip6ip", "ipv6ip"), "sit"),
        **dict.fromkeys(("4in4", "ip4ip4", "ipencap"), "ipip"),
        **dict.fromkeys(("wg", "wg-quick", "wireguard-go"), "wireguard"),
        **dict.fromkeys(("gre6", "gretap6"), "ip6gre"),
        **dict.fromkeys(FOREIGN, "external"),
        **dict.fromkeys(("ospfv2", "ospfv3"), "ospf"),
    },
    "role": {
        **dict.fromkeys(("customer", "client", "transit-customer"), "downstream"),
        **dict.fromkeys(("provider", "transit"), "upstream"),
        **dict.fromkeys(("peering", "bilateral"), "peer"),
        **dict.fromkeys(("rs", "routeserver"), "route-server"),
        **dict.fromkeys(("full-transit", "transit-exchange", "mutual", "sibling"), "mutual-transit"),
    },
    "internal": {
        **dict.fromkeys(("ibgp", "full-mesh", "fullmesh"), "mesh"),
        **dict.fromkeys(("rr", "route-reflector", "reflector"), "reflectors"),
    },
    "netfilter": {"nft": "nftables", "iptables-nft": "iptables", "iptables-legacy": "iptables"},
    "input": {"allow": "accept", "reject": "drop", "deny": "drop", "block": "drop"},
    "forward": {"allow": "accept", "reject": "drop", "deny": "drop", "block": "drop"},
    "family": {"4": "ipv4", "6": "ipv6", "inet": "ipv4", "inet6": "ipv6", "v4": "ipv4", "v6": "ipv6"},
}
"""By key: words of others, and the choice that they mean."""

YES, NO = ("yes", "on", "true", "1", "enable", "enabled"), ("no", "off", "false", "0", "disable", "disabled", "none")


def of_choice(path: KeyPath, value: str, allowed: Collection[str], data: Any) -> str:
    """What to write in place of a word that the key does not take; empty where it is unknown."""
    word, key = value.strip().lower(), str(path[-1])
    if key == "kind" and path[0] == "links" and word in (*FOREIGN, *TUNNELS_ONLY):
        kind = "external" if word in FOREIGN else word
        hosts = names_in(at(data, (*path[:-1], "between")))
        tables = " and ".join(f"[hosts.{host}.tunnels.NAME]" for host in hosts[:2] or ["HOST"])
        return f'write {tables} with `kind = "{kind}"` in place of the link'
    if key == "kind" and path[0] == "meshes":
        return "leave it out: a mesh is always WireGuard"
    meant = next((allow for allow in allowed if allow == word), "") or CHOICES.get(key, {}).get(word, "")
    return f'write `"{meant}"`' if meant in allowed else ""


def of_switch(value: Any) -> str:
    """A hint for what is neither true nor false."""
    word, rest = str(value).strip().lower(), ", without quotes" if isinstance(value, str) else ""
    if word in YES:
        return f"write `true`{rest}"
    return f"write `false`{rest}" if word in NO else f"write `true` or `false`{rest}"


OWN_TABLE = {"splits": (13000, 13999), "uplinks": (12000, 12999)}


def of_number(path: KeyPath, value: Any, optional: bool) -> str:
    """A hint for a text where a number belongs."""
    key = next((str(each) for each in reversed(path) if isinstance(each, str)), "")
    text = value.strip() if isinstance(value, str) else ""
    if key == "table" and (value is False or text.lower() in ("off", "auto", "main", "none", "false")):
        own = next((OWN_TABLE[str(each)] for each in path if each in OWN_TABLE), None)
        if own:
            return f"leave `table` out: netc takes a table from {own[0]} to {own[1]}"
        return "leave `table` out: the routes go into the main table"
    if key == "table" and re.fullmatch(r"[A-Za-z][\w-]*", text):
        return f"write the number that /etc/iproute2/rt_tables gives to `{text}`"
    if key == "keepalive" and (value is False or text.lower() in NO):
        return "write `0`"
    if found := re.fullmatch(r"(?i)(?:AS)?\s*([0-9]{1,10})\s*(?:s|sec|seconds|/tcp|/udp)?", text):
        return f"write the number alone: `{found[1]}`"
    if found := re.fullmatch(r"([0-9]{1,5})\.([0-9]{1,5})", text):
        number = int(found[1]) * 65536 + int(found[2])
        return f"write the number alone: `{number}`" if "asn" in key or key in ("member", "base") else ""
    if re.fullmatch(r"0x[0-9a-fA-F]{1,8}", text):
        return f"write it without quotes: `{text.lower()}`"
    if optional and (value is False or text.lower() in ("auto", "default", "any", "off", "none", "inherit")):
        return f"leave `{key}` out"
    return ""


def of_text(path: KeyPath, value: Any) -> str:
    """A hint for a number or a boolean where a text belongs."""
    key = next((str(each) for each in reversed(path) if isinstance(each, str)), "")
    if isinstance(value, bool):
        if key == "snat":
            return "write `masquerade = true` in place of `snat`" if value else "leave `snat` out"
        if key == "endpoint" and not value:
            return "leave `endpoint` out"
        if key == "gateway":
            return "write the router's address, in quotes"
        return ""
    if key in ("ports", "port", "open") and isinstance(value, int):
        return of_ports(value)
    if key in ("user", "group") and isinstance(value, int):
        return f"write the {key}'s name, as `getent {'passwd' if key == 'user' else 'group'} {value}` shows it"
    if key in ("interval", "timeout", "drain") and isinstance(value, int):
        return f'write `"{value}s"`'
    if key == "router_id" and isinstance(value, int) and 0 < value < 1 << 32:
        return f'write `"{IPAddress(value, 4)}"`'
    return ""


def of_ports(value: Any) -> str:
    """A hint for ports without their protocol, or in another program's form; empty where they are not understood."""
    found = as_ports(value)
    if not found:
        return ""
    if has_protocol(value):
        return f"write `{listed_as_toml(found)}`"
    if len(found) == 1:
        return f'write `"{found[0]}"`, or `"{found[0].replace("tcp", "udp")}"`'
    return f"write `{listed_as_toml(found)}`, or `udp`"


def of_table(path: KeyPath, value: Any, data: Any) -> str:
    """A hint for a value where a table belongs."""
    key = next((str(each) for each in reversed(path) if isinstance(each, str)), "")
    text = f'"{value}"' if isinstance(value, str) else str(value)
    simple = isinstance(value, (str, int)) and not isinstance(value, bool) and is_plain(str(value))
    if isinstance(value, str) and not simple:
        return ""
    if key == "publish" and simple and (said := _publish(path, value, data)):
        return said
    if len(path) > 1 and path[-2] == "ends" and isinstance(value, str) and "/" in value:
        return f"write `{{ address = {text} }}`"
    if key in ("bgp", "firewall") and str(value).lower() in YES:
        return "write `{}`"
    if key == "open" and simple:
        return of_ports(value)
    if key in ("allow", "pass") and simple:
        return _allow(path, value, data) if key == "allow" else _pass(path, str(value), data)
    if key in ("roa", "flaps") and isinstance(value, str):
        family = "ipv6" if re.search("v?6", value.rpartition("/")[2]) else "ipv4"
        return f"write `{{ {family if value.startswith('/') else 'rtr'} = {text} }}`"
    if key == "members" and type(value) is int:
        return f"write `{{ base = {text} }}`"
    if key in ("limit", "export_limit") and type(value) is int:
        return f"write `{{ ipv4 = {text}, ipv6 = {text} }}`"
    if key == "check" and isinstance(value, str):
        words = ", ".join(f'"{word}"' for word in value.split())
        absolute = value.startswith("/") and '"' not in value and "'" not in value
        return f"write `{{ command = [{words}] }}`" if absolute else "write a table with a `command`: " + PROGRAM
    return ""


PROGRAM = "the absolute path of a program, and an entry for each argument"

_DEVICE = re.compile(r"(wg|gre6?|ipip|sit|6to4|vx|br|eth|en|wl|ve|tun|tap|ppp|docker|lxc|virbr|veth)[-0-9A-Za-z_.]*")


def _allow(path: KeyPath, value: Any, data: Any) -> str:
    """`22`, `22/tcp`, `10.0.0.0/8`, a set's name, an interface's."""
    text = str(value).strip()
    if ports := as_ports(value):
        return f"write `{{ ports = {listed_as_toml(ports)} }}`"
    if (ip := as_address(text)) or re.fullmatch(r"[0-9a-fA-F.:]+/[0-9]{1,3}", text):
        length = f"/{32 if ip.version == 4 else 128}" if ip else ""
        return f'write `{{ from = "{text}{length}" }}`'
    host = path[1] if len(path) > 1 else ""
    sets = at(data, ("sets",))
    if text in ("private", "linklocal", "bogons") or (isinstance(sets, dict) and text in sets):
        return f'write `{{ from = "{text}" }}`'
    if text in (wan_of(host, data), "lo") or text in bridges_of(host, data) or _DEVICE.fullmatch(text):
        return f'write `{{ interface = "{text}" }}`'
    return "write a table with `ports`, `from` or `interface`"


def _pass(path: KeyPath, value: str, data: Any) -> str:
    if found := re.fullmatch(r"\s*([\w.-]+)\s*(?:->|>|→)\s*([\w.-]+)\s*", value):
        return f'write `{{ from = "{found[1]}", to = "{found[2]}" }}`'
    wan = wan_of(path[1] if len(path) > 1 else "", data)
    if wan and wan != value and re.fullmatch(r"[\w.-]+", value):
        return f'write `{{ from = "{value}", to = "{wan}" }}`'
    return "write a table with `from` and `to`: the interfaces where connections arrive and leave"


def wan_of(host: Any, data: Any) -> str:
    wan = at(data, ("hosts", host, "wan"))
    return wan if isinstance(wan, str) else ""


def bridges_of(host: Any, data: Any) -> Collection[str]:
    bridges = at(data, ("hosts", host, "bridges"))
    return bridges if isinstance(bridges, dict) else ()


_MAPPED = re.compile(
    r"(?P<out>\d+(?:-\d+)?)(?::(?P<to>\[[0-9a-fA-F:]+\]|[0-9.]{7,}))?(?::(?P<port>\d+(?:-\d+)?))?(?:/(?P<by>tcp|udp))?"
)


def _publish(path: KeyPath, value: str | int, data: Any) -> str:
    """`8080:80` as containers have it, with a protocol and with an address before the second port, and a port alone.
    An address before the first port is the host's: `_published`."""
    found = _MAPPED.fullmatch(str(value).strip().lower())
    if not found:
        return _published(value, "bridges" in path) if isinstance(value, str) else ""
    if "-" in (found["out"] + (found["port"] or "")):
        return "write an entry for each port, since `port` takes one port"
    if not as_ports(found["out"]) or (found["port"] and not as_ports(found["port"])):
        return ""
    port, inside = f'"{found["out"]}/{found["by"] or "tcp"}"', found["port"] or ""
    if "bridges" not in path:
        return f"write `{{ port = {port}" + (f", to = {inside} }}`" if inside else " }`")
    behind = f":{inside}" if inside and inside != found["out"] else ""
    if there := found["to"]:
        return f'write `{{ port = {port}, to = "{there if behind else there.strip("[]")}{behind}" }}`'
    subnets = [str(net) for net in subnets_of(at(data, (*path[: path.index("publish")], "addresses")))]
    where = f" in {' or '.join(subnets)}" if subnets else ""
    return f'write `{{ port = {port}, to = "CONTAINER{behind}" }}`: for CONTAINER, its address{where}'


def _published(text: str, on_a_bridge: bool) -> str:
    """For `8080:80` as containers have it, and for a port alone."""
    found = re.fullmatch(r"(?:.*:)?(\d+):(\d+)(/udp)?", text)
    if not found and not re.fullmatch(r"\d+/(tcp|udp)", text):
        return ""
    if re.match(r"127\.|localhost:|\[?::1\]?:", text):
        return "leave it out: programs on the host reach the port without `publish`, and `publish` opens it to others"
    port, inside = (f"{found[1]}{found[3] or '/tcp'}", found[2]) if found else (text, "")
    place = f'"10.0.3.20{":" * bool(inside)}{inside}"' if on_a_bridge else inside
    return f'write `{{ port = "{port}"' + (f", to = {place}" if place else "") + " }`"


def several(value: object) -> tuple[str, ...]:
    """The values that stand in one string; nothing where it is one value."""
    if not isinstance(value, str) or "{" in value:
        return ()
    if len(ports := as_ports(value)) > 1:
        return ports
    parts = tuple(part.strip() for part in value.split(",") if part.strip()) if "," in value else ()
    return parts if len(parts) > 1 else ()


def without_length(path: KeyPath, value: str, data: Any) -> str:
    """A hint for an address that lacks the length of its prefix."""
    ip = as_address(value)
    bits = 32 if ip and ip.version == 4 else 128
    if ip is None:
        return ""
    if path[0] == "links":
        return _on_a_link(path, ip, data)
    if path[0] == "meshes":
        return f"write the length of the subnet too, such as `{ip}/{24 if bits == 32 else 64}`"
    owner = next((str(each) for each in reversed(path) if isinstance(each, str)), "")
    if owner == "addresses" and len(path) < 5 and path[0] == "hosts" and not ip.is_link_local():
        return f"write the length that `ip address` shows on the host, such as `{ip}/{24 if bits == 32 else 64}`"
    if "bridges" in path or ("namespaces" in path and owner == "address") or "uplinks" in path:
        return f"write the length of its subnet too, such as `{ip}/{24 if bits == 32 else 64}`"
    if ip.is_link_local() and bits == 128:
        return f"write `{ip}/64`"
    return f"write `{ip}/{bits}` if you mean this one address"


SHORTEST = {4: 16, 6: 48}
"""The length of the largest subnet that is proposed for a link, by family."""


def _on_a_link(path: KeyPath, ip: IPAddress, data: Any) -> str:
    """The subnet that the other end writes, or the longest that both ends have in common; for an end alone, that and
    what the other end would have."""
    near = str(path[3]) if len(path) > 3 else ""
    others = [net for host, end in ends_of(data, str(path[1])) if host != near for net in _networks(end)]
    others = [net for net in others if net.version == ip.version]
    last = int(ip) & 3
    other, length = (
        (IPAddress(int(ip) ^ 3, ip.version), 30) if last in (1, 2) else (IPAddress(int(ip) ^ 1, ip.version), 31)
    )
    length = 64 if ip.version == 6 else length
    if any(net.ip == ip for net in others):
        return f"both ends have this address: write `{ip}/{length}` at one of them, and `{other}/{length}` at the other"
    for net in others:
        bits = 32 if ip.version == 4 else 128
        shared = net.prefixlen if net.prefixlen < bits and ip in net else _common(ip, net.ip)
        if shared >= SHORTEST[ip.version]:
            return f"write `{ip}/{shared}`"
    why = ": the ends are in no common subnet" if others else ""
    if ip.version == 6:
        return f"write `{ip}/64`, and at the other end another address of that /64{why}"
    return f"write `{ip}/{length}`, and `{other}/{length}` at the other end{why}"


def _common(one: IPAddress, other: IPAddress) -> int:
    bits = 32 if one.version == 4 else 128
    if one.version == 6 and int(one) >> 64 == int(other) >> 64:
        return 64
    length = bits - (int(one) ^ int(other)).bit_length()
    if length == bits - 1:
        return length
    rest = (1 << (bits - length)) - 1
    edges = {int(ip) & rest for ip in (one, other)} & {0, rest}
    return max(length - bool(edges), 0)


def _networks(table: Any, key: str = "address") -> tuple[IPNetwork, ...]:
    """Addresses with the lengths that are written; /32 and /128 where none is."""
    value = table.get(key) if isinstance(table, dict) else None
    values = value if isinstance(value, list) else [value]
    return tuple(net for each in values if isinstance(each, str) and (net := _network(each)))


def _network(text: str) -> IPNetwork | None:
    ip = as_address(text.partition("/")[0])
    try:
        return IPNetwork(text) if ip else None
    except (AddrFormatError, ValueError):
        return IPNetwork(ip) if ip else None
