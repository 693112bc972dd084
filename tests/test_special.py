"""Every key that takes an address or a prefix says which special ones can never work there."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from netc.language.schema import Schema, schema
from netc.language.special import RANGES, REFUSED, Place, Special
from test_hints import diagnostics, merge
from topologies import document
from wrong_values import LAB

PLACES: dict[str, Place] = {
    "hosts.*.addresses": "held",
    "hosts.*.loopback": "reached",
    "hosts.*.endpoint": "dialled",
    "hosts.*.tunnels.*.address": "held",
    "hosts.*.tunnels.*.dns": "resolver",
    "hosts.*.tunnels.*.routes": "routed",
    "hosts.*.tunnels.*.local": "held",
    "hosts.*.tunnels.*.remote": "dialled",
    "hosts.*.tunnels.*.peer.endpoint": "dialled",
    "hosts.*.tunnels.*.peer.allowed_ips": "carried",
    "hosts.*.tunnels.*.open.from": "sender",
    "hosts.*.tunnels.*.peer_address": "router",
    "hosts.*.namespaces.*.address": "held",
    "hosts.*.namespaces.*.access": "reached",
    "hosts.*.namespaces.*.dns": "resolver",
    "hosts.*.namespaces.*.open.from": "sender",
    "hosts.*.namespaces.*.publish.allow": "sender",
    "hosts.*.bridges.*.addresses": "held",
    "hosts.*.bridges.*.snat": "reached",
    "hosts.*.bridges.*.publish.allow": "sender",
    "hosts.*.splits.*.source": "sender",
    "hosts.*.splits.*.dns": "resolver",
    "hosts.*.splits.*.open.from": "sender",
    "hosts.*.bgp.router_id": "router id",
    "hosts.*.bgp.prefixes": "announced",
    "hosts.*.bgp.peers.*.address": "router",
    "hosts.*.bgp.peers.*.local": "held",
    "hosts.*.bgp.peers.*.prefixes": "announced",
    "links.*.ends.*.address": "held",
    "links.*.ends.*.endpoint": "dialled",
    "links.*.ends.*.local": "held",
    "links.*.ends.*.routes": "routed",
    "links.*.ends.*.allowed_ips": "carried",
    "meshes.*.subnet": "held",
    "anycast.*.addresses": "reached",
    "anycast.*.unicast.*": "reached",
    "bgp.prefixes": "announced",
    "bgp.roa.rtr": "asked",
    "bgp.flaps.rtr": "asked",
    "forwards.*.to": "server",
}

OTHERS = {
    **dict.fromkeys(("hosts.*.uplinks.*.prefixes", "hosts.*.uplinks.*.gateway"), "NC1210"),
    "hosts.*.bgp.learn": "NC2107",
    "hosts.*.firewall.allow.from": "a sender, but for 0.0.0.0, from which clients of DHCP send",
    **dict.fromkeys(("hosts.*.namespaces.*.publish.on", "hosts.*.bridges.*.publish.on"), "an address of the host"),
    "forwards.*.on": "an address of the host",
    "hosts.*.bridges.*.publish.to": "an address on the bridge",
    **dict.fromkeys(("hosts.*.firewall.deny", "hosts.*.splits.*.direct", "bgp.refuse"), "any"),
    **dict.fromkeys(("sets.*.prefixes", "sets.*.minus"), "any"),
}
"""Keys of addresses that a check looks at, or that take all."""

ONE: dict[Special, tuple[str, ...]] = {
    "unspecified": ("0.0.0.0", "::"),
    "broadcast": ("255.255.255.255",),
    "loopback": ("127.0.0.1", "127.9.9.9", "::1"),
    "multicast": ("224.0.0.5", "239.1.1.1", "ff02::5"),
    "reserved": ("240.0.0.1",),
    "link-local": ("fe80::1",),
}


def of_addresses(node: Schema, path: str = "") -> Iterator[str]:
    """The keys whose values have an address in them, by the schema."""
    if "[0-9]{1,3}(\\.[0-9]{1,3}){3}" in node.get("pattern", "") or "[0-9A-Fa-f:.]+\\]" in node.get("pattern", ""):
        yield path
    if "[0-9]+\\.[0-9.]+" in node.get("pattern", ""):
        yield path
    for key in ("anyOf", "oneOf", "allOf"):
        for inner in node.get(key, ()):
            yield from of_addresses(inner, path)
    items = node.get("items", ())
    for inner in (items,) if isinstance(items, dict) else items:
        yield from of_addresses(inner, path)
    for key, inner in node.get("properties", {}).items():
        yield from of_addresses(inner, f"{path}.{key}".lstrip("."))
    for inner in node.get("patternProperties", {}).values():
        yield from of_addresses(inner, f"{path}.*")
    if isinstance(node.get("additionalProperties"), dict):
        yield from of_addresses(node["additionalProperties"], f"{path}.*")


def test_every_key_of_addresses_says_what_they_are_there() -> None:
    assert set(of_addresses(schema())) == {*PLACES, *OTHERS}


NAMES = {"hosts": "edge", "links": "wg0", "ends": "edge", "meshes": "m", "forwards": "web", "anycast": "any"}
NAMES |= {"tunnels": "prov", "namespaces": "vpn", "bridges": "br0", "splits": "s", "peers": "p", "unicast": "edge"}


def told(key: str, value: str) -> set[str]:
    """The codes of what is told of this value there, alone in a topology that has all of these tables."""
    words = key.split(".")
    named = [NAMES[words[at - 1]] if word == "*" else word for at, word in enumerate(words)]
    found = tomllib.loads(LAB)
    new: Any = value
    for word in reversed(named):
        new = {word: new}
    if named[-1] == "to":
        new = {"forwards": {"web": {"to": f"home:[{value}]" if ":" in value else f"home:{value}"}}}
    for table, inner in (("roa", "rtr"), ("flaps", "rtr")):
        if named[:2] == ["bgp", table]:
            new = {"bgp": {table: [{inner: f"[{value}]:323" if ":" in value else f"{value}:323"}]}}
    if "publish" in named or "open" in named:
        new = listed(new)
    merge(found, new)
    return {one.code for one in diagnostics(document(found), Path("topo.toml"))}


def listed(new: Any) -> Any:
    """`publish` and `open` have a list of tables."""
    return {k: [v] if k in ("publish", "open") else listed(v) for k, v in new.items()} if isinstance(new, dict) else new


LENGTHS = {4: "/32", 6: "/128"}
ALONE = ("dns", "local", "peer_address", "remote", "endpoint", "snat", "router_id", "rtr", "to")


@pytest.mark.parametrize("key", PLACES)
def test_a_special_address_is_refused_where_it_cannot_work(key: str) -> None:
    bare = key.endswith(ALONE) or key.endswith("peers.*.address")
    wrong = []
    for sort, values in ONE.items():
        for value in values:
            text = value if bare else value + LENGTHS[6 if ":" in value else 4]
            if ("NC0406" in told(key, text)) != (sort in REFUSED[PLACES[key]]):
                wrong.append((sort, text))

    assert wrong == []


def test_the_whole_ranges_are_refused_as_routes() -> None:
    ranges = [str(net) for sort in REFUSED["routed"] for net in RANGES[sort]]

    assert [net for net in ranges if "NC0406" not in told("hosts.*.tunnels.*.routes", net)] == []


@pytest.mark.parametrize(
    "net", ["0.0.0.0/0", "::/0", "0.0.0.0/1", "128.0.0.0/1", "224.0.0.0/3", "0.0.0.0/5", "8000::/1"]
)
def test_a_route_that_is_wider_than_a_special_range_is_none(net: str) -> None:
    assert "NC0406" not in told("hosts.*.tunnels.*.routes", net)


def test_clients_of_dhcp_send_from_no_address() -> None:
    rule = {"ports": "67/udp", "from": "0.0.0.0/32"}
    found = tomllib.loads(LAB)
    found["hosts"]["edge"]["firewall"] = {"allow": [rule]}
    assert diagnostics(document(found), Path("topo.toml")) == () or all(
        one.severity != "error" for one in diagnostics(document(found), Path("topo.toml"))
    )

    rule["from"] = "127.0.0.0/8"
    assert [one.code for one in diagnostics(document(found), Path("topo.toml"))] == ["NC0406"]


PROVIDER = """
[Interface]
PrivateKey = 6CAdVyhw4xCAMcRDHVdV5oQF5e8IhVGCn8fJc6ZwfXA=
Address = 10.9.0.2/32
DNS = 9.9.9.9
[Peer]
PublicKey = Qoe1VYOdIm3fPkBAuZ6f2zXUasEDMuCsOHeIDIpsCkA=
Endpoint = 192.0.2.9:51820
AllowedIPs = 0.0.0.0/0
"""


@pytest.mark.parametrize(
    ("line", "other"),
    [
        ("DNS = 9.9.9.9", "DNS = 0.0.0.0"),
        ("DNS = 9.9.9.9", "DNS = 9.9.9.9, fe80::1"),
        ("Address = 10.9.0.2/32", "Address = 224.0.0.2/32"),
        ("Endpoint = 192.0.2.9:51820", "Endpoint = 255.255.255.255:51820"),
        ("AllowedIPs = 0.0.0.0/0", "AllowedIPs = 0.0.0.0"),
    ],
)
def test_a_provider_s_file_is_read_by_the_same_table(line: str, other: str, tmp_path: Path) -> None:
    topology = tomllib.loads(LAB)
    topology["hosts"]["edge"]["tunnels"]["prov"] = {"kind": "wireguard", "import": "prov.conf"}
    for text, codes in ((PROVIDER, set()), (PROVIDER.replace(line, other), {"NC0406"})):
        (tmp_path / "prov.conf").write_text(text)
        found = diagnostics(document(topology), tmp_path / "topo.toml")
        assert {one.code for one in found if one.severity == "error"} == codes
