"""One table knows what a kind of link is: it is whole, and nothing beside it compares kinds."""

from __future__ import annotations

import ast
import socket
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import pytest

from examples import EXAMPLES
from netc.language.kinds import KINDS, Kind, LinkKind, TunnelKind
from netc.language.tunnels import Tunnel
from test_layers import MODULES, parsed, place
from topologies import FULL

STANDS_FOR = {"LOCAL", "REMOTE", "TTL", "KEY", "VNI", "PORT"}
MADE_BY_IP = [kind for kind, properties in KINDS.items() if properties.form in ("plain", "numbered", "6to4")]


def test_every_kind_has_a_row_and_a_known_form() -> None:
    assert set(KINDS) == set(Kind) == set(get_args(TunnelKind))
    assert {KINDS[kind].form for kind in get_args(LinkKind)} <= {"wireguard", "plain", "numbered"}


@pytest.mark.parametrize("kind", MADE_BY_IP)
def test_arguments_of_ip_link_are_the_type_and_pairs_of_option_and_value(kind: str) -> None:
    words = KINDS[kind].ip_link.split()
    values = words[1::2]

    assert words[0] == "type"
    assert len(words) % 2 == 0
    assert {value for value in values if value.isupper()} <= STANDS_FOR
    assert "TTL" in values
    assert ("VNI" in values) == ("PORT" in values) == (KINDS[kind].form == "numbered")
    assert ("REMOTE" in values) == (KINDS[kind].form != "6to4")


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_has_the_properties_that_its_form_requires(kind: str) -> None:
    properties = KINDS[kind]

    assert bool(properties.prefix) == bool(properties.overhead or properties.ip_link) == (properties.form != "program")
    assert bool(properties.ip_link) == (kind in MADE_BY_IP)
    assert bool(properties.keys) == (properties.form == "program")
    assert bool(properties.port) == (properties.form == "numbered")
    assert bool(properties.protocol) == (properties.form in ("plain", "6to4"))
    assert properties.carries in ((4, 6), (4,), (6,))


PROTOCOLS = {"gre": socket.IPPROTO_GRE, "ip6gre": socket.IPPROTO_GRE, "ipip": 4, "sit": socket.IPPROTO_IPV6}
"""What devices of these types send (ip-link(8)), by IANA's numbers; 4 has no name in Python."""


@pytest.mark.parametrize("kind", [kind for kind in MADE_BY_IP if KINDS[kind].form != "numbered"])
def test_the_protocol_is_that_of_the_device(kind: str) -> None:
    """Or the packet filter lets in another one."""
    assert KINDS[kind].protocol == PROTOCOLS[KINDS[kind].ip_link.split()[1]]


def test_keys_of_a_kind_are_those_whose_description_names_it() -> None:
    """Or another kind takes them without a word, and nothing comes of them."""
    described: dict[str, set[str]] = {kind: set() for kind in KINDS}
    for name, field in Tunnel.model_fields.items():
        of = (field.description or "").partition(":")[0]
        if of in KINDS:
            described[of].add(name)

    assert {str(kind): set(properties.keys) for kind, properties in KINDS.items()} == described


def used(topology: Mapping[str, Any]) -> Iterator[str]:
    for table in (topology, *topology["hosts"].values()):
        for name in ("links", "meshes", "tunnels"):
            yield from (each.get("kind", "wireguard") for each in table.get(name, {}).values())


def test_every_kind_is_used_by_a_topology_that_is_brought_up() -> None:
    examples = [tomllib.loads(path.read_text()) for path in EXAMPLES]

    assert set(KINDS) == {kind for topology in (FULL, *examples) for kind in used(topology)}


def compared(module: Path) -> Iterator[str]:
    """Where a module asks which kind it has, and not what the table says of it; a form may be called like a kind."""
    for node in ast.walk(parsed(module)):
        inside: list[ast.AST] = []
        if isinstance(node, ast.Compare):
            inside = [node.left, *node.comparators]
        elif isinstance(node, ast.Match):
            inside = [node.subject, *(case.pattern for case in node.cases)]
        parts = [part for whole in inside for part in ast.walk(whole)]
        if any(isinstance(part, ast.Attribute) and part.attr == "form" for part in parts):
            continue
        for each in parts:
            if isinstance(each, ast.Constant) and each.value in set(Kind):
                yield f"{place(module)}:{each.lineno}: {each.value}"
            if isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name) and each.value.id == "Kind":
                yield f"{place(module)}:{each.lineno}: Kind.{each.attr}"


def test_kinds_are_compared_nowhere() -> None:
    assert [where for module in MODULES for where in compared(module)] == []


def test_a_comparison_of_kinds_would_be_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "wrong.py"
    module.write_text("a = kind in ('gre', x)\nb = kind == Kind.VXLAN\nmatch kind:\n    case 'sit':\n        pass\n")
    monkeypatch.setattr("test_layers.PACKAGE", tmp_path)

    assert sorted(compared(module)) == ["wrong.py:1: gre", "wrong.py:2: Kind.VXLAN", "wrong.py:4: sit"]


def test_one_module_has_the_path_of_keys() -> None:
    knowing = [place(module) for module in MODULES if "/etc/netc/keys" in module.read_text()]

    assert knowing == ["language/key_files.py"]
