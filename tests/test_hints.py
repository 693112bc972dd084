"""Every diagnostic names a key that there is; every hint that can be pasted cures what it is given for.

A hint is pasted as its author would: `key = value` into the table of the place, `[header]` as a table of its own, a
value in place of the one that is wrong, a name in place of one that is misspelt; what is to be left out is taken out.
All other hints are prose. `PROSE` counts them: fewer are better, and a new one is a decision.
"""

from __future__ import annotations

import copy
import re
import tomllib
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from netc.cli.files import beside
from netc.diagnostic import Diagnostic, InvalidTopology, KeyPath, dotted
from netc.language.schema import Schema, schema
from netc.pipeline import understand
from test_diagnostics import CASES, DIAGNOSTICS
from topologies import document
from wrong_values import LINES, UPLINK

LEADS_ON = {
    *("NC0102", "NC0206", "NC0208", "NC0603", "NC1107", "NC1204", "NC1304", "NC2002"),
}
"""What may be told next: a hint begins a table that still lacks something, or corrects the first of two mistakes."""

PROSE = 621
"""Hints of the cases that are prose."""


@cache
def reported(case: str) -> tuple[Diagnostic, ...]:
    path = DIAGNOSTICS / f"{case}.toml"
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        return ()
    return diagnostics(text, path)


def diagnostics(text: str, path: Path) -> tuple[Diagnostic, ...]:
    try:
        return understand(text, path.name, beside(path)).notes
    except InvalidTopology as mistakes:
        return mistakes.diagnostics


@cache
def parsed(case: str) -> dict[str, Any] | None:
    """None for what is no TOML, and what has dates, which no hint is about."""
    try:
        found = tomllib.loads((DIAGNOSTICS / f"{case}.toml").read_bytes().decode("utf-8-sig"))
        document(found)
    except (ValueError, TypeError, RecursionError):
        return None
    return found


# ---- places --------------------------------------------------------------------------------------------------


def is_in_schema(path: KeyPath) -> bool:
    nodes = [schema()]
    for key in path:
        nodes = [inner for node in nodes if (inner := step(node, key)) is not None]
    return bool(nodes)


def step(node: Schema, key: str | int) -> Schema | None:
    if isinstance(key, int):
        items = node.get("items")
        return items[key] if isinstance(items, list) and key < len(items) else items
    if key in node.get("properties", {}):
        return node["properties"][key]
    for pattern, inner in node.get("patternProperties", {}).items():
        if re.search(pattern, key):
            return inner
    return None


def is_written(topology: Any, path: KeyPath) -> bool:
    for key in path:
        if isinstance(key, int) and not isinstance(topology, list):
            continue  # a value alone stands for a list of one
        try:
            topology = topology[key]
        except (KeyError, IndexError, TypeError):
            return False
    return True


@pytest.mark.parametrize("case", CASES)
def test_every_place_is_a_key_of_the_topology_or_of_the_language(case: str) -> None:
    topology = parsed(case)
    places = [path for one in reported(case) for path in (one.where, *one.also) if isinstance(path, tuple)]

    assert [dotted(path) for path in places if not (is_in_schema(path) or is_written(topology, path))] == []


@pytest.mark.parametrize("case", CASES)
def test_no_diagnostic_is_reported_twice(case: str) -> None:
    said = Counter((one.code, dotted(one.where), one.what, one.place) for one in reported(case))

    assert [one for one, times in said.items() if times > 1] == []


# ---- hints ---------------------------------------------------------------------------------------------------


class Prose(Exception):
    """A hint that cannot be pasted."""


def at(topology: Any, path: KeyPath) -> Any:
    for key in path:
        if not (isinstance(key, int) and not isinstance(topology, list)):
            topology = topology[key]
    return topology


def written(topology: Any, path: KeyPath) -> KeyPath:
    """The path without the index of a value that stands alone for a list."""
    found: KeyPath = ()
    for key in path:
        if not (isinstance(key, int) and not isinstance(at(topology, found), list)):
            found = (*found, key)
    return found


def nearest_table(topology: Any, path: KeyPath) -> Any:
    for length in range(len(path), -1, -1):
        if is_written(topology, path[:length]):
            found = at(topology, path[:length])
            if isinstance(found, dict):
                return found
    return topology


def merge(table: Any, new: Any) -> None:
    for key, value in new.items():
        if isinstance(value, dict) and isinstance(table.get(key), dict):
            merge(table[key], value)
        else:
            table[key] = value


def replaced(topology: Any, path: KeyPath, value: Any) -> Any:
    path = written(topology, path)
    at(topology, path[:-1])[path[-1]] = value
    return topology


def renamed(topology: Any, path: KeyPath, name: str) -> Any:
    """In place, since the order of keys is the author's."""
    path = written(topology, path)
    table = at(topology, path[:-1])
    items = [(name if key == path[-1] else key, value) for key, value in table.items()]
    table.clear()
    table.update(items)
    return topology


def removed(topology: Any, path: KeyPath) -> Any:
    path = written(topology, path)
    del at(topology, path[:-1])[path[-1]]
    return topology


TABLE_OUT = re.compile(r"leave \[([\w.-]+)\] out(: .*)?")
LEAVE_OUT = re.compile(r"(leave (it|them|`\w+`) out|take it out)(?! of)( for [^,]*)?([;,:].*)?")
WRITE = re.compile(
    r"(?:leave `\w+` out, or )?write(?: it without quotes:| the number alone:)? "
    r"(?:`(?P<code>[^`]+)`|(?P<header>\[[\w.-]+\]))"
    r"(?: in place of `(?P<instead>\w+)`| in (?P<table>\[?[\w.-]+\]?)| for everything)?"
    r"(?P<rest>$|[:;,].*| or .*| if .*)"
)
"""A hint, up to where another possibility or the reason begins."""


def pasted(diagnostic: Diagnostic, topology: dict[str, Any]) -> dict[str, Any]:
    """The topology with the hint in it. Raises Prose."""
    made, hint, where = copy.deepcopy(topology), diagnostic.hint, diagnostic.where
    if re.search(r"\b(NAME|HOST|CONTAINER)\b|…", hint) or not where:
        raise Prose
    if found := re.match(r"did you mean `([^`]+)`", hint):
        if diagnostic.place:
            raise Prose
        return renamed(made, where, found[1]) if diagnostic.on_key else replaced(made, where, found[1])
    if (out := TABLE_OUT.fullmatch(hint)) and is_written(made, there := tuple(out[1].split("."))):
        return removed(made, there)
    if (out := LEAVE_OUT.fullmatch(hint)) and is_written(made, where):
        whole = isinstance(where[-1], int) and out[2] not in ("it", "them", None)  # the key, and not an entry of it
        return removed(made, where[:-1] if whole else where)
    if not (write := WRITE.fullmatch(hint)):
        raise Prose
    if write["header"] or re.fullmatch(r"\[[\w.-]+\]", write["code"]):
        header = write["header"] or write["code"]
        if diagnostic.code == "NC0106":  # a table under another name
            *tables, name = header.strip("[]").split(".")
            table = at(made, where)
            removed(made, where[: len(tables) + 1])
            nearest_table(made, tuple(tables))[name] = table
        else:
            merge(made, tomllib.loads(header))
        return made
    pair = toml(write["code"])
    if pair is None:
        value = toml(f"x = {write['code']}")
        if diagnostic.place or (not value and re.fullmatch(r"\w+", write["code"]) and " `" in write["rest"]):
            raise Prose
        new = value["x"] if value else write["code"]
        on_key = diagnostic.on_key and diagnostic.code != "NC0116"  # where the whole line is hidden
        return renamed(made, where, write["code"]) if on_key else replaced(made, where, new)
    there = tuple((write["table"] or "").strip("[]").split(".")) if write["table"] else where
    table = nearest_table(made, there[:-1] if there[-1] in pair else there)
    if write["instead"]:
        table.pop(write["instead"])
    merge(table, pair)
    if write["table"] and diagnostic.code == "NC0101":  # a key moves
        removed(made, where)
    return made


def toml(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None


HINTS = [
    (case, number)
    for case in CASES
    if parsed(case) is not None
    for number, diagnostic in enumerate(reported(case))
    if diagnostic.hint
]


@cache
def tried(case: str, number: int) -> str:
    """What is wrong with a hint; `prose` for one that cannot be pasted."""
    diagnostic, topology = reported(case)[number], parsed(case)
    assert topology is not None
    try:
        made = pasted(diagnostic, topology)
    except Prose:
        return "prose"
    after = diagnostics(document(made), DIAGNOSTICS / f"{case}.toml")
    before = Counter(map(sense, reported(case)))
    said = f"{diagnostic.code} {dotted(diagnostic.where)}: {diagnostic.hint}"
    if Counter(map(sense, after))[sense(diagnostic)] >= before[sense(diagnostic)] and len(after) >= len(reported(case)):
        return f"{said}: is told again"
    new = [one for one in after if sense(one) not in before and one.code not in LEADS_ON]
    errors = any(one.severity == "error" for one in reported(case))
    caused = [one for one in new if one.where[:2] == diagnostic.where[:2] and (one.severity == "error" or not errors)]
    return f"{said}: makes {caused[0].code}: {caused[0].what}" if caused else ""


# ---- words of other programs ---------------------------------------------------------------------------------

ROWS = [(topology, line) for topology, lines in LINES.items() for line in lines.strip().splitlines()]
AND_THEN = ("NC0201", "NC0303", "NC0701", "NC0705", "NC1301", "NC1306", "NC1801")
"""What else may be told next: a line that has one mistake in it may lack something, or be one of two."""

SAMPLES = (
    *("192.0.2.1", "2001:db8::1", "10.0.3.20", "vpn.example.net", "443/tcp", "30000-30100", "transmission-daemon"),
    *("/usr/sbin/prog", "NAME.key", "media.slice", "eth0", "10.0.3.1"),
)
"""Values of netc's own; a hint that has one and gets pasted says something that its author never meant."""


@cache
def wrong(topology: str, line: str) -> tuple[dict[str, Any], tuple[Diagnostic, ...]]:
    """The topology with the line, and what is told that is not told without."""
    value, _, without = line.partition(" # without ")
    found = tomllib.loads(topology)
    if ".uplinks.u." in value:
        merge(found, tomllib.loads(UPLINK))
    for key in filter(None, without.split(", ")):
        removed(found, tuple(key.split(".")))
    before = {sense(one) for one in diagnostics(document(found), Path("topo.toml"))}
    merge(found, tomllib.loads(value))
    return found, tuple(one for one in diagnostics(document(found), Path("topo.toml")) if sense(one) not in before)


@pytest.mark.parametrize(("topology", "line"), ROWS, ids=[line for _, line in ROWS])
def test_a_hint_for_another_program_s_words_passes_or_leads_on(topology: str, line: str) -> None:
    found, told = wrong(topology, line)
    errors = [one for one in told if one.severity == "error"]
    assert errors

    for one in errors:
        try:
            made = pasted(one, found)
        except Prose:
            continue
        after = [each for each in diagnostics(document(made), Path("topo.toml")) if each.severity == "error"]
        assert (one.code, one.where, one.what) not in [(each.code, each.where, each.what) for each in after], one.hint
        new = [
            each for each in after if sense(each) not in map(sense, told) and each.code not in (*LEADS_ON, *AND_THEN)
        ]
        assert [f"{each.code} {dotted(each.where)}: {each.what}" for each in new] == [], one.hint


@pytest.mark.parametrize(("topology", "line"), ROWS, ids=[line for _, line in ROWS])
def test_a_hint_for_another_program_s_words_has_its_author_s_values(topology: str, line: str) -> None:
    hints = [one.hint for one in wrong(topology, line)[1] if one.severity == "error"]

    assert all(hints)
    assert [hint for hint in hints for sample in SAMPLES if sample in hint and bare(sample) not in line] == []


def bare(sample: str) -> str:
    return sample.removesuffix("/tcp").removesuffix(".slice")


def test_hints_for_other_programs_words_are_these(update: bool) -> None:
    told = [
        f"{line}\n"
        + "".join(f"    {one.code} {one.hint}\n" for one in wrong(topology, line)[1] if one.severity == "error")
        for topology, line in ROWS
    ]
    expected = Path(__file__).with_name("wrong_values.txt")
    if update:
        expected.write_text("".join(told))

    assert "".join(told) == expected.read_text(), "`pytest --update` writes it"


def sense(diagnostic: Diagnostic) -> tuple[str, str]:
    """What is told, wherever: places in a list move when one of its items goes."""
    return diagnostic.code, re.sub(r"\[\d+\]", "[]", diagnostic.what)


@pytest.mark.parametrize("case", sorted({case for case, _ in HINTS}))
def test_a_hint_that_is_applied_removes_its_diagnostic(case: str) -> None:
    wrong = [tried(case, number) for name, number in HINTS if name == case]

    assert [one for one in wrong if one not in ("", "prose")] == []


def test_hints_that_are_prose_are_counted() -> None:
    prose = sum(tried(case, number) == "prose" for case, number in HINTS)

    assert len(HINTS) > 800
    assert prose <= PROSE


# ---- hints that are followed by hand ---------------------------------------------------------------------------

NAT = """
version = 1
network.name = "x"
[hosts.a]
id = 1
wan = "eth0"
addresses = "198.51.100.1/24"
[hosts.b]
id = 2
wan = "eth0"
addresses = "192.168.1.2/24"
endpoint = false
[links.l]
kind = "gre"
between = ["a", "b"]
ends.a.address = "10.0.0.0/31"
ends.b.address = "10.0.0.1/31"
"""

AMNEZIA = """
version = 1
network.name = "x"
[hosts.a]
id = 1
wan = "eth0"
addresses = "198.51.100.1/24"
tunnels.t = { kind = "wireguard", import = "NC0121-import-amneziawg.conf" }
namespaces.n = { tunnel = "t", dns = "9.9.9.9", services = "web.service" }
"""

TWO_PREFIXES = """
version = 1
network.name = "x"
[bgp]
asn = 4242422547
internal = "mesh"
profile = "dn42"
prefixes = ["172.22.76.184/29", "172.22.77.0/28"]
[hosts.a]
id = 1
addresses = "198.51.100.1/24"
loopback = "172.22.76.185/32"
bgp = {}
[anycast.dns]
addresses = "172.22.76.190/29"
hosts = "a"
check = { command = "/bin/true" }
"""

MESH = (DIAGNOSTICS / "NC2103-ipv4-over-a-mesh.toml").read_text()
TO_SIX = "add an IPv6 prefix to `bgp.prefixes`, and an IPv6 `loopback` to each router"
SIX = {
    "bgp.prefixes": ["45.10.0.0/24", "2a10:10::/48"],
    **{f"hosts.{h}.loopback": [f"45.10.0.{i}/32", f"2a10:10::{i}/128"] for i, h in enumerate("abc", 1)},
}
TARGETS = {f"hosts.{host}.target": "debian-13" for host in "abc"}
TO_BABEL = '`extended_next_hop = true` in [igp] and `target = "debian-13"` for each router that runs it'
OSPF_TO_BABEL = f'{TO_SIX}, or write `kind = "babel"` and {TO_BABEL}'
REFLECTORS = MESH.replace('"internet"\n', '"internet"\ninternal = "reflectors"\nreflectors = "a"\n')
MEMBERS = 'internal = "confederation"\nnext_hop = "recursive"\nmembers.base = 4225470000\n'
CONFEDERATION = MESH.replace('"internet"\n', f'"internet"\n{MEMBERS}')
NO_IGP = (DIAGNOSTICS / "NC2003-reflectors-over.toml").read_text()
DOWNSTREAM = """
version = 1
network.name = "x"
[bgp]
asn = 64500
prefixes = "45.10.0.0/24"
profile = "internet"
[hosts.a]
id = 1
wan = "eth0"
addresses = "198.51.100.1/24"
loopback = "45.10.0.1/32"
firewall = {}
[hosts.a.bgp.peers.c]
asn = 3333
role = "downstream"
address = "198.51.100.253"
prefixes = "45.64.0.0/25"
"""
LONGER = "hosts.a.bgp.peers.c.prefixes"
OVERLAPPING = DOWNSTREAM.replace('"45.10.0.0/24"', '["45.10.0.0/24", "45.10.0.0/16"]').replace("/25", "/24")

FOLLOWED = [
    *((text, "NC2103", OSPF_TO_BABEL, SIX) for text in (MESH, REFLECTORS, CONFEDERATION)),
    *(
        (text, "NC2103", OSPF_TO_BABEL, {**TARGETS, "igp.kind": "babel", "igp.extended_next_hop": True})
        for text in (MESH, REFLECTORS, CONFEDERATION)
    ),
    (
        REFLECTORS.replace('"ospf"', '"babel"'),
        "NC2103",
        f"{TO_SIX}, or write {TO_BABEL}",
        {**TARGETS, "igp.extended_next_hop": True},
    ),
    (
        NO_IGP,
        "NC2003",
        f'write [igp], with `kind = "ospf"` and the `over` of [bgp], which [bgp] must not have then; also {TO_SIX}',
        {"bgp.over": None, "igp.kind": "ospf", "igp.over": "m", **SIX},
    ),
    (
        OVERLAPPING,
        "NC2007",
        "leave 45.10.0.0/16 out, unless all of it is yours: then leave 45.10.0.0/24 out",
        {"bgp.prefixes": "45.10.0.0/24"},
    ),
    *(
        (DOWNSTREAM.replace("45.64.0.0/25", net), "NC2204", "write another in its place", {LONGER: "45.64.0.0/24"})
        for net in ("45.64.0.0/25", "0.0.0.0/0", "45.10.0.0/24", "192.168.0.0/24")
    ),
    (
        NAT,
        "NC0302",
        "write its public IPv4 address as `ends.b.endpoint`, if the NAT passes all `gre` to it, or use `wireguard`, "
        "which needs one end alone",
        {"links.l.ends.b.endpoint": "203.0.113.9"},
    ),
    (
        AMNEZIA,
        "NC0121",
        'in place of `import`, and `address = "10.9.0.2/32"`',
        {
            "hosts.a.tunnels.t": {
                "kind": "external",
                "start": ["/usr/bin/awg-quick", "up", "NAME"],
                "interface": "NAME",
                "address": "10.9.0.2/32",
            }
        },
    ),
    (TWO_PREFIXES, "NC2504", "write `172.22.76.190/32`", {"anycast.dns.addresses": "172.22.76.190/32"}),
    (
        TWO_PREFIXES.replace('"172.22.76.185/32"', '"172.22.77.1/32"').replace("190/29", "191/29"),
        "NC2504",
        "write `172.22.76.191/32`, or take 172.22.76.184/29 out of `bgp.prefixes`",
        {"bgp.prefixes": ["172.22.77.0/28"]},
    ),
]
"""A topology, what is told, its hint (or how it ends), and what its author writes then; None for what he takes out."""


@pytest.mark.parametrize(("text", "code", "hint", "writes"), FOLLOWED, ids=[code for _, code, *_ in FOLLOWED])
def test_a_hint_that_is_followed_by_hand_leads_to_no_other_error(
    text: str, code: str, hint: str, writes: dict[str, Any]
) -> None:
    found = tomllib.loads(text)
    told = [one for one in diagnostics(document(found), DIAGNOSTICS / "x.toml") if one.severity == "error"]
    assert [one.code for one in told] == [code]
    assert told[0].hint.endswith(hint)
    assert hint.startswith("in place") or told[0].hint == hint

    for key, value in writes.items():
        table, name = table_at(found, key), key.split(".")[-1]
        table.update({name: value}) if value is not None else table.pop(name)
    after = diagnostics(document(found), DIAGNOSTICS / "x.toml")
    assert [(one.code, one.what) for one in after if one.severity == "error"] == []


def table_at(topology: Any, key: str) -> Any:
    """The table that the key is in, which is made if it is not there."""
    for word in key.split(".")[:-1]:
        topology = topology.setdefault(word, {})
    return topology
