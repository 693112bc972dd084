"""Claims about what is said twice: whoever leaves out all that netc tells of keeps what he had."""

from __future__ import annotations

from itertools import product
from typing import Any

import tomlkit
from hypothesis import example, given
from hypothesis import strategies as st
from netaddr import IPAddress, IPNetwork

from netc.diagnostic import Diagnostic, KeyPath
from netc.language.names import SetName
from netc.network.sets import builtin, members
from netc.pipeline import understand

PORTS = ("80/tcp", "79-81/tcp", "81/tcp", "80/udp", "51820/udp", "22/tcp")
DEVICES = ("eth0", "eth1", "wg-v")
STRANGERS = "wg-v"
TUNNEL = {
    "kind": "wireguard",
    "address": "10.64.0.2/32",
    "peer": {
        "public_key": "q+dCgbgLdNvA//cWS/5+uwsRtykg0avzh+RnTSX9pwk=",
        "endpoint": "192.0.2.77:51820",
        "allowed_ips": "0.0.0.0/0",
    },
}
SOURCES = ("8.8.8.0/30", "8.8.8.0/31", "8.8.8.2/31", "8.8.8.1/32", "8.8.8.0/29", "even", "low", "wide")
SETS = {"even": ["8.8.8.0/32", "8.8.8.2/32"], "low": ["8.8.8.0/30"], "wide": ["8.8.8.0/28", "2001:4860::/32"]}
Allow = dict[str, list[str]]


def several(values: tuple[str, ...]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), max_size=3)


allows = st.lists(
    st.builds(
        lambda **said: {key.rstrip("_"): value for key, value in said.items() if value},
        ports=several(PORTS),
        from_=several(SOURCES),
        interface=several(DEVICES),
    ).filter(bool),
    min_size=1,
    max_size=5,
)


def reported(wall: dict[str, Any]) -> list[Diagnostic]:
    host = {"id": 1, "wan": "eth0", "addresses": "198.51.100.1/24", "firewall": wall, "tunnels": {"v": TUNNEL}}
    hosts = {"a": host}
    sets = {name: {"prefixes": prefixes, "ipset": True} for name, prefixes in SETS.items()}
    data = {"version": 1, "network": {"name": "x"}, "hosts": hosts, "sets": sets}
    found = understand(tomlkit.dumps(data), "topo.toml", lambda name: name).notes
    return [diagnostic for diagnostic in found if diagnostic.code in ("NC2902", "NC2903")]


def lets_in(rules: list[Allow], port: str, device: str, source: IPAddress) -> bool:
    """By the book: netc opens ssh to everybody itself, but for strangers: they come in where a rule names the interface
    of their tunnel, or by one for everybody that is not about ssh."""
    return (port == "22/tcp" and device != STRANGERS) or any(
        ("ports" not in rule or any(holds(each, port) for each in rule["ports"]))
        and ("interface" not in rule or device in rule["interface"])
        and (device != STRANGERS or "interface" in rule or not (port == "22/tcp" or "from" in rule))
        and (
            "from" not in rule
            or any(source in IPNetwork(net) for name in rule["from"] for net in SETS.get(name, [name]))
        )
        for rule in rules
    )


def holds(ports: str, port: str) -> bool:
    span, _, protocol = ports.partition("/")
    first, _, last = span.partition("-")
    number, _, other = port.partition("/")
    return protocol == other and int(first) <= int(number) <= int(last or first)


PACKETS = tuple(
    product(
        ("79/tcp", "80/tcp", "81/tcp", "80/udp", "22/tcp", "443/tcp", "51820/udp"),
        DEVICES,
        tuple(IPAddress(f"8.8.8.{last}") for last in range(10)),
    )
)


def without(rules: list[Allow], path: KeyPath) -> None:
    """Marks what is told of."""
    number = path[4]
    assert isinstance(number, int)
    if len(path) == 5:
        rules[number].clear()
    elif rules[number]:
        key, index = path[5], path[6]
        assert isinstance(key, str)
        assert isinstance(index, int)
        rules[number][key][index] = ""


@example([{"ports": ["80/tcp", "80/udp"]}, {"ports": ["80/tcp", "81/tcp"]}])
@example([{"ports": ["80/tcp"], "from": ["low", "8.8.8.0/29"]}, {"from": ["low", "even"], "interface": ["eth0"]}])
@example([{"ports": ["80/tcp"], "from": ["low"]}, {"ports": ["80/tcp"], "from": ["low"], "interface": ["wg-v"]}])
@example([{"ports": ["22/tcp"], "interface": ["wg-v"]}, {"interface": ["eth0", "wg-v"]}, {"from": ["low"]}])
@given(allows)
def test_a_reported_rule_can_be_left_out(rules: list[Allow]) -> None:
    left = [{key: list(value) for key, value in rule.items()} for rule in rules]
    for diagnostic in reported({"allow": rules}):
        without(left, diagnostic.where)
    left = [{key: [one for one in value if one] for key, value in rule.items()} for rule in left if rule]

    assert all(value for rule in left for value in rule.values())
    assert [lets_in(rules, *packet) for packet in PACKETS] == [lets_in(left, *packet) for packet in PACKETS]
    assert reported({"allow": left}) == []


@given(
    st.lists(st.sampled_from([*SOURCES, "private", "bogons", "10.0.0.0/8", "2001:db8::/32"]), min_size=1, max_size=8)
)
def test_a_reported_source_can_be_left_out(deny: list[str]) -> None:
    found = {diagnostic.where[-1] for diagnostic in reported({"deny": deny})}
    left = [source for index, source in enumerate(deny) if index not in found]

    assert whole(deny) == whole(left)
    assert reported({"deny": left}) == []


def whole(sources: list[str]) -> object:
    own = {SetName(name): members(map(IPNetwork, nets), {}) for name, nets in SETS.items()}
    named = [IPNetwork(one) if "/" in one else SetName(one) for one in sources]
    return members(named, {**builtin(), **own})


def test_an_ordinary_firewall_gets_no_warning() -> None:
    assert reported({"allow": [{"ports": ["80/tcp", "443/tcp"]}, {"ports": ["9100/tcp"], "from": ["low"]}]}) == []
