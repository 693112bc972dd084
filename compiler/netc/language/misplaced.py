"""Keys that belong in another table, or that another program has: what to write, and where."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Any

from netc.diagnostic import KeyPath, dotted
from netc.language.kinds import has_port
from netc.language.names import quoted
from netc.language.respelt import as_ports, has_protocol

Keys = Callable[[KeyPath], Collection[str]]
"""The keys that the table at a path may have."""

NO_HOOKS = "netc has no hooks: put the command into a systemd unit of your own, with `After=netc.target`"
NO_NAMES = "a set holds addresses, not names: write `prefixes` or `files`"
NO_NAMES_HERE = "a split selects destinations by address, not by name: write prefixes or sets in `direct`"

KEYS = {
    "listenport": ("port",),
    "listen": ("port",),
    "dstport": ("port",),
    "persistentkeepalive": ("keepalive",),
    "psk": ("preshared_key",),
    "pubkey": ("public_key",),
    "nexthop": ("gateway",),
    "router": ("gateway",),
    "via": ("gateway",),
    "peers": ("peer",),
    "hosts": ("between",),
    "neighbor": ("address",),
    "neighbour": ("address",),
    "remoteas": ("asn",),
    "peeras": ("asn",),
    "as": ("asn",),
    "relation": ("role",),
    "type": ("kind",),
    "subnet": ("addresses",),
    "nat": ("masquerade",),
    "nameservers": ("dns",),
    "nameserver": ("dns",),
    "resolvers": ("dns",),
    "address": ("addresses", "subnet"),
    "addresses": ("address", "prefixes"),
}
"""Keys of wg-quick and others, without `_` and in small letters, and ours: the first that a table has."""

HOOKS = ("preup", "postup", "predown", "postdown", "up", "down", "hook", "hooks")
NAMES = ("domains", "domain", "hostnames", "names", "dns")

WORDS = {
    **dict.fromkeys(HOOKS, NO_HOOKS),
    "saveconfig": "leave it out: netc never writes the state of an interface back",
    "nameservers": "netc does not set the resolvers of a host: write `dns` in a tunnel or a namespace",
}
"""Keys that stand for what netc does not do."""


def plain(key: str) -> str:
    return re.sub(r"[-_ ]", "", key).lower()


def meant(key: str, known: Collection[str]) -> str:
    """The key of the table that another spelling or another program's word stands for; empty where there is none."""
    word = plain(key)
    same = (ours for ours in known if plain(ours) == word and ours != key)
    return next(same, "") or next((ours for ours in KEYS.get(word, ()) if ours in known), "")


def of_key(path: KeyPath, value: Any, data: Any, keys: Keys) -> str:
    """A hint for a key that the table does not have."""
    key, word, known = str(path[-1]), plain(str(path[-1])), keys(path[:-1])
    if hint := _elsewhere(path, value, data, keys):
        return hint
    if word in ("port", "proto", "protocol") and "ports" in known and (hint := _with_protocol(word, path, data)):
        return hint
    if ours := meant(key, known):
        return f"did you mean `{ours}`?"
    if word in NAMES:
        return NO_NAMES if "minus" in known else NO_NAMES_HERE if "direct" in known and word != "dns" else ""
    return WORDS.get(word, "")


def _with_protocol(word: str, path: KeyPath, data: Any) -> str:
    """`port = 22` and `proto = "tcp"`, which are one value: `ports = "22/tcp"`."""
    table = at(data, path[:-1])
    table = table if isinstance(table, dict) else {}
    port = next((value for key, value in table.items() if plain(key) in ("port", "ports")), None)
    protocol = next((value for key, value in table.items() if plain(key) in ("proto", "protocol")), None)
    if isinstance(port, (str, int)) and isinstance(protocol, str) and not has_protocol(port):
        port = f"{port}/{protocol}"
    if word != "port":
        ports = as_ports(port)
        return f"leave it out: the port has it, as in `{ports[0]}`" if ports else "write it with the port"
    if ports := as_ports(port):
        from_reader = f'"{ports[0]}"' if len(ports) == 1 else "[" + ", ".join(f'"{one}"' for one in ports) + "]"
        return f"write `ports = {from_reader}` in place of `{path[-1]}`"
    return ""


def _elsewhere(path: KeyPath, value: Any, data: Any, keys: Keys) -> str:
    """A hint that names the table which has the key."""
    table, key = path[:-1], str(path[-1])
    is_link, is_end = table[:1] == ("links",) and len(table) == 2, table[:1] == ("links",) and len(table) == 4
    is_tunnel = len(table) == 4 and table[0] == "hosts" and table[2] == "tunnels"
    is_peer = len(table) > 4 and table[0] == "hosts" and table[2] == "tunnels" and table[4] == "peer"
    if is_link:
        return _of_an_end(path, value, data, keys((*table, "ends", "HOST")))
    if is_end and (ours := _key_of(key, keys(table[:2]), keys(table))) and ours not in ("ends", "between", "port"):
        return _up(ours, value, table[:2], "both ends have the same")
    if is_tunnel and (ours := _key_of(key, keys((*table, "peer")), keys(table))):
        return _of_a_peer(key, ours, value, at(data, (*table, "peer")))
    if is_peer and (ours := _key_of(key, keys(table[:4]), keys(table))):
        return _up(ours, value, table[:4], "it is a key of the tunnel") if ours != "peer" else ""
    return ""


def _key_of(key: str, there: Collection[str], here: Collection[str]) -> str:
    """The key of the other table that is meant, unless this table has it."""
    ours = key if key in there else meant(key, there)
    return ours if ours and ours not in here and not (key not in there and meant(key, here)) else ""


def _up(ours: str, value: Any, table: KeyPath, why: str) -> str:
    text = _toml(value)
    return f"write `{ours} = {text}` in {dotted(table)}: {why}" if text else f"write it in {dotted(table)}: {why}"


def _of_a_peer(key: str, ours: str, value: Any, peer: Any) -> str:
    if isinstance(peer, list):
        return f"`{ours}` is a key of each `peer`"
    if isinstance(peer, dict) and ours in peer:
        return f"leave it out: `peer` has a `{ours}`"
    text = _toml(value)
    return f"write `peer.{ours} = {text}` in place of `{key}`" if text else f"write `{ours}` in `peer`"


def _of_an_end(path: KeyPath, value: Any, data: Any, there: Collection[str]) -> str:
    """A link's `listen_port`, `address`, `endpoint`: each end has its own."""
    key = str(path[-1])
    link = at(data, path[:-1])
    link = link if isinstance(link, dict) else {}
    if plain(key) in ("listenport", "listen", "dstport") and has_port(link.get("kind")):
        return ""
    ours = key if key in there else meant(key, there)
    if not ours:
        return ""
    hosts = names_in(link.get("between"))
    if len(hosts) != 2:
        return f"write it as `ends.HOST.{ours}`: each end has its own"
    if isinstance(value, list) and len(value) == 2 and ours == "address" and "ends" not in link:
        texts = [_toml(each) for each in value]
        if all(texts):
            tables = ", ".join(f"{h} = {{ address = {text} }}" for h, text in zip(hosts, texts, strict=True))
            return f"write `ends = {{ {tables} }}` in place of `{key}`, or the other way round"
    near, far = _likely(ours, hosts, data)
    text = _toml(value)
    if not text:
        return f"write it as `ends.{near}.{ours}` or `ends.{far}.{ours}`: each end has its own"
    return f"write `ends.{near}.{ours} = {text}` in place of `{key}`, or `ends.{far}.{ours}`: each end has its own"


def _likely(key: str, hosts: list[str], data: Any) -> tuple[str, str]:
    """The end that is meant first: behind NAT it is the one that keeps NAT open, and not the one that is dialled."""
    first, second = hosts
    hidden = [host for host in hosts if at(data, ("hosts", host, "endpoint")) is False]
    if key in ("keepalive", "port", "endpoint") and len(hidden) == 1:
        turned = (first in hidden) != (key == "keepalive")
        return (second, first) if turned else (first, second)
    return first, second


def at(data: Any, path: KeyPath) -> Any:
    """What stands there; None for nothing."""
    for key in path:
        if isinstance(data, dict) and isinstance(key, str):
            data = data.get(key)
        elif isinstance(data, list) and isinstance(key, int) and key < len(data):
            data = data[key]
        else:
            return None
    return data


def names_in(value: Any) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _toml(value: Any) -> str:
    """The reader's value as TOML has it, empty for what is too long or no simple value."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return f'"{value}"' if quoted(value) == f"`{value}`" and re.fullmatch(r"[^\"\\`\x00-\x1f]+", value) else ""
    if isinstance(value, list) and value and len(value) < 5 and all(isinstance(each, (str, int)) for each in value):
        texts = [_toml(each) for each in value]
        return f"[{', '.join(texts)}]" if all(texts) else ""
    return ""
