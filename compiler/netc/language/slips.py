"""What people write who know another program's words: the key or value that they meant, as a hint.

Each function takes what stands in the topology and returns the hint, or nothing where it knows no better one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

from netaddr import AddrFormatError, IPAddress, IPNetwork

from netc.diagnostic import KeyPath

NO_HOOKS = "netc has no hooks: put the command into a systemd unit of your own, with `After=netc.target`"
NO_NAMES = "a set holds addresses, not names: write `prefixes` or `files`"

KEYS = {
    "listenport": "port",
    "listen": "port",
    "persistentkeepalive": "keepalive",
    "psk": "preshared_key",
    "nexthop": "gateway",
    "router": "gateway",
    "peers": "peer",
}
"""Keys of wg-quick and others, without `_` and in small letters, and ours where a table has it."""

WORDS = {
    **dict.fromkeys(("preup", "postup", "predown", "postdown", "up", "down", "hook", "hooks"), NO_HOOKS),
    **dict.fromkeys(("domains", "domain", "hostnames", "names", "dns"), NO_NAMES),
}
"""Keys that stand for what netc does not do."""

CHOICES = {
    "kind": {
        **dict.fromkeys(("6in4", "he", "ip6ip", "ipv6ip"), "sit"),
        **dict.fromkeys(("4in4", "ip4ip4", "ipencap"), "ipip"),
        **dict.fromkeys(("wg", "wg-quick", "wireguard-go"), "wireguard"),
        **dict.fromkeys(("gre6", "gretap6"), "ip6gre"),
        **dict.fromkeys(("amneziawg", "awg", "openvpn", "tinc", "tailscale", "zerotier", "vtun"), "external"),
    },
    "role": {
        **dict.fromkeys(("customer", "client", "transit-customer"), "downstream"),
        **dict.fromkeys(("provider", "transit"), "upstream"),
        **dict.fromkeys(("peering", "bilateral"), "peer"),
        **dict.fromkeys(("rs", "routeserver"), "route-server"),
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

TABLES = {
    "allow": "{{ ports = {0} }}",
    "pass": '{{ from = {0}, to = "eth0" }}',
    "roa": "{{ rtr = {0} }}",
    "flaps": "{{ rtr = {0} }}",
    "members": "{{ base = {0} }}",
    "limit": "{{ ipv4 = {0} }}",
    "export_limit": "{{ ipv4 = {0} }}",
}
"""By key: the table that a value alone was meant for."""

YES, NO = ("yes", "on", "true", "1", "enable", "enabled"), ("no", "off", "false", "0", "disable", "disabled", "none")


def of_key(key: str, known: Collection[str]) -> str:
    """A hint for a key that the table does not have."""
    word = re.sub(r"[-_ ]", "", key).lower()
    if (ours := KEYS.get(word)) in known:
        return f"did you mean `{ours}`?"
    if WORDS.get(word) == NO_NAMES:
        return NO_NAMES if "minus" in known else ""
    return WORDS.get(word, "")


def of_choice(key: str, value: str) -> str:
    """The word that is meant by `value`; empty where it is unknown."""
    return CHOICES.get(key, {}).get(value.strip().lower(), "")


def of_switch(value: Any) -> str:
    """A hint for what is neither true nor false."""
    word = str(value).strip().lower()
    if word in YES:
        return "write `true`, without quotes"
    return "write `false`, without quotes" if word in NO else "write `true` or `false`, without quotes"


def of_number(key: str, value: Any, optional: bool) -> str:
    """A hint for a text where a number belongs."""
    text = value.strip() if isinstance(value, str) else ""
    if key == "table" and text.lower() in ("off", "auto", "main"):
        return "leave `table` out: the routes go into the main table"
    if key == "table" and re.fullmatch(r"[A-Za-z][\w-]*", text):
        return f"write the number that /etc/iproute2/rt_tables gives to {text}, such as `7000`"
    if found := re.fullmatch(r"(?i)AS\s*([0-9]{1,10})", text):
        return f"write the number alone: `{found[1]}`"
    if text.lower() in ("auto", "default", "any", "off", "none") and optional:
        return f"leave `{key}` out"
    return ""


def of_table(path: KeyPath, value: Any) -> str:
    """A hint for a value where a table belongs."""
    key = next((str(each) for each in reversed(path) if isinstance(each, str)), "")
    text = f'"{value}"' if isinstance(value, str) else str(value)
    if key == "publish" and isinstance(value, str) and (said := _published(value, "bridges" in path)):
        return said
    if len(path) > 1 and path[-2] == "ends" and isinstance(value, str) and "/" in value:
        return f"write `{{ address = {text} }}`"
    if key in ("bgp", "firewall") and str(value).lower() in YES:
        return "write `{}`"
    if key in TABLES and isinstance(value, (str, int)) and not isinstance(value, bool):
        return f"write `{TABLES[key].format(text)}`"
    return ""


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
    """The values that stand in one string with commas; nothing where it is one value."""
    if not isinstance(value, str) or "," not in value:
        return ()
    parts = tuple(part.strip() for part in value.split(",") if part.strip())
    if (ports := re.fullmatch(r"[0-9, -]+/(tcp|udp)", value)) is not None:
        parts = tuple(part if "/" in part else f"{part}/{ports[1]}" for part in parts)
    return parts if len(parts) > 1 else ()


def without_length(path: KeyPath, value: str, data: Any) -> str:
    """A hint for an address that lacks the length of its prefix."""
    ip = _ip(value)
    bits = 32 if ip and ip.version == 4 else 128
    if ip is None:
        return ""
    if path[0] == "links":
        return _on_a_link(path, ip, data)
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
    others = [net for host, end in _ends(data, str(path[1])) if host != near for net in _networks(end)]
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


def holder(value: str, data: Any) -> str:
    """The host that has this address in the topology, empty where none has."""
    ip = _ip(value)
    if ip is None or not isinstance(data, dict):
        return ""
    for host, table in _items(data.get("hosts")):
        if ip in _addresses(table, "addresses"):
            return host
    for link, _ in _items(data.get("links")):
        for host, end in _ends(data, link):
            if ip in _addresses(end):
                return host
    return ""


def _items(table: Any) -> Iterator[tuple[str, Any]]:
    return iter(table.items()) if isinstance(table, dict) else iter(())


def _ends(data: Any, link: str) -> Iterator[tuple[str, Any]]:
    links = data.get("links") if isinstance(data, dict) else None
    table = links.get(link) if isinstance(links, dict) else None
    return _items(table.get("ends") if isinstance(table, dict) else None)


def _addresses(table: Any, key: str = "address") -> tuple[IPAddress, ...]:
    return tuple(net.ip for net in _networks(table, key))


def _networks(table: Any, key: str = "address") -> tuple[IPNetwork, ...]:
    """Addresses with the lengths that are written; /32 and /128 where none is."""
    value = table.get(key) if isinstance(table, dict) else None
    values = value if isinstance(value, list) else [value]
    return tuple(net for each in values if isinstance(each, str) and (net := _network(each)))


def _network(text: str) -> IPNetwork | None:
    ip = _ip(text.partition("/")[0])
    try:
        return IPNetwork(text) if ip else None
    except (AddrFormatError, ValueError):
        return IPNetwork(ip) if ip else None


def _ip(text: str) -> IPAddress | None:
    try:
        return IPAddress(text)
    except (AddrFormatError, ValueError):
        return None
