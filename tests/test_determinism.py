"""Output is a function of the topology, and of what it says, not of how it is written."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tomllib
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import night
from examples import EXAMPLES, OUT, ROOT, Tree, compiled, differences, netc, tree
from netc.cli import VERBS
from netc.diagnostic import InvalidTopology
from netc.emit.file import File
from topologies import FULL, Table, document, key, topologies

each_example = pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)

BUILD_ALL = """
import os, sys
from netc.cli import app
os.umask(int(sys.argv[1]))
for topo in sys.argv[2:]:
    app(args=["build", topo, "-o", os.path.basename(topo)], standalone_mode=False)
"""

FORWARDS = "files/etc/sysctl.d/60-netc.conf"
FILTERS = {f"files/etc/netc/{name}" for name in ("nftables.nft", "iptables.rules", "ip6tables.rules")}
"""A link's opening is one of the host's own rules."""
OF_THE_HOST = {f"files/etc/netc/{name}" for name in ("secrets", "expected", "walks")}
"""The first key or link of a kind, and what it asks of the host and of the filters of others."""


def built(folder: Path, topologies: list[Path], umask: int, **environment: str) -> Tree:
    """All examples, compiled in one fresh process."""
    folder.mkdir()
    subprocess.run(
        [sys.executable, "-c", BUILD_ALL, str(umask), *map(str, topologies)],
        cwd=folder,
        check=True,
        capture_output=True,
        env=os.environ | environment,
    )
    return tree(folder)


def test_a_build_does_not_depend_on_place_time_or_user(tmp_path: Path) -> None:
    elsewhere = tmp_path / "zz-elsewhere"
    elsewhere.mkdir()
    for path in (ROOT / "examples").iterdir():
        (elsewhere / path.name).write_bytes(path.read_bytes())
    moved = [elsewhere / example.name for example in EXAMPLES] + [elsewhere / "full.toml"]
    full = tmp_path / "full.toml"
    full.write_text(document(FULL))
    moved[-1].write_text(document(FULL))
    one = built(tmp_path / "one", [*EXAMPLES, full], 0o022, PYTHONHASHSEED="1", TZ="UTC", USER="root", LANG="C.UTF-8")
    other = built(tmp_path / "two", moved, 0o077, PYTHONHASHSEED="2", TZ="Asia/Tokyo", USER="zz-me", LANG="tr_TR.UTF-8")

    assert one
    assert differences(one, other) == []


@cache
def parsed(example: Path) -> Table:
    return tomllib.loads(example.read_text())


@cache
def wanted(example: Path) -> dict[str, tuple[File, ...]]:
    return compiled(example.read_text())


def shuffled(draw: st.DrawFn, value: Any) -> Any:
    if isinstance(value, dict):
        return {key: shuffled(draw, value[key]) for key in draw(st.permutations(sorted(value)))}
    if isinstance(value, list):
        return [shuffled(draw, inner) for inner in value]
    return value


reordered = st.composite(shuffled)


@each_example
def test_a_topology_survives_a_round_trip(example: Path) -> None:
    assert tomllib.loads(document(parsed(example))) == parsed(example)


@each_example
@settings(max_examples=night.number(200))
@given(data=st.data())
def test_the_order_of_tables_and_keys_does_not_matter(example: Path, data: st.DataObject) -> None:
    topology = data.draw(reordered(parsed(example)))

    assert compiled(document(topology)) == wanted(example)


@given(data=st.data(), topology=topologies())
def test_the_order_of_tables_and_keys_of_any_topology_does_not_matter(data: st.DataObject, topology: Table) -> None:
    assume(accepted(topology))

    assert compiled(document(data.draw(reordered(topology)))) == compiled(document(topology))


def accepted(topology: Table) -> bool:
    try:
        return bool(compiled(document(topology)))
    except InvalidTopology:
        return False


def unasking(topology: Table) -> Table:
    """Without what a host may say only while it forwards something."""
    hosts = {
        name: {key: value for key, value in host.items() if key not in ("docker", "offload")}
        for name, host in topology["hosts"].items()
    }
    return topology | {"hosts": hosts}


@settings(suppress_health_check=[HealthCheck.filter_too_much])
@given(topologies(least_hosts=2), st.data())
def test_removing_a_link_changes_its_two_hosts_and_no_other_part_of_them(topology: Table, data: st.DataObject) -> None:
    topology = unasking(topology)
    free = sorted(name for name in topology["links"] if name not in topology.get("bgp", {}).get("over", []))
    free = [name for name in free if name not in topology.get("igp", {}).get("over", [])]
    assume(free and accepted(topology))
    name = data.draw(st.sampled_from(free))
    topology = without_forwards(topology, name)
    rest = {other: link for other, link in topology["links"].items() if other != name}
    with_it, without = compiled(document(topology)), compiled(document(topology | {"links": rest}))
    changed = {host for host in with_it if with_it[host] != without[host]}
    shared = re.compile(
        r"MANIFEST|files/(etc/netc/(bird\.conf|order|secrets|target)"
        r"|etc/systemd/(system/netc\.target|network.*)|usr/lib/.*|etc/iproute2/.*)"
    )

    between = set(topology["links"][name]["between"])
    assert changed >= between
    for host in changed - between:  # no neighbour of any router of ours may announce the link's subnet
        one, other = ({file.path: file for file in files[host]} for files in (with_it, without))
        assert "bgp" in topology["hosts"][host]
        touched = {path for path in one.keys() | other.keys() if one.get(path) != other.get(path)}
        assert touched <= {"MANIFEST", "POLICY.md", "files/etc/netc/bird.conf"}
    for host in between:
        one, other = ({file.path: file for file in files[host]} for files in (with_it, without))
        assume("files/etc/netc/parts/nested/up" not in one)  # the link carried another one, which is changed then
        touched = {path for path in one.keys() | other.keys() if one.get(path) != other.get(path)}
        # A firewall has an opening for the link, and who learns from the kernel knows what of it is netc's.
        # What forwards makes TCP segments fit into each tunnel.
        has_filter = FORWARDS in one or {"firewall", "tunnels"} & topology["hosts"][host].keys()
        opened = FILTERS if has_filter else set()
        opened = opened | {FORWARDS} | OF_THE_HOST  # routes of the link may be of another family
        if any((path in one) != (path in other) for path in (FORWARDS, "files/etc/netc/parts/firewall/up")):
            # The link needs a part for the whole host, and other parts wait for it.
            opened = opened | {
                path for path in touched if re.fullmatch(r"files/etc/systemd/system/netc-.*\.service", path)
            }
        if "learn" in topology["hosts"][host].get("bgp", {}):
            opened = opened | {"files/etc/netc/bird.conf"}
        assert {path for path in touched if not shared.fullmatch(path) and path in other} <= opened


def without_forwards(topology: Table, link: str) -> Table:
    """Without those that go by a link or arrive at its addresses."""
    ends = topology["links"][link].get("ends", {}).values()
    held = {net.split("/")[0] for end in ends for net in end.get("address", [])}
    forwards = topology["forwards"].items()
    rest = {name: table for name, table in forwards if table["via"] != link and not held & set(table.get("on", []))}
    return topology | {"forwards": rest}


@settings(suppress_health_check=[HealthCheck.filter_too_much])
@given(topologies(least_hosts=2), st.data())
def test_removing_a_forward_changes_its_two_hosts_and_no_other(topology: Table, data: st.DataObject) -> None:
    topology = unasking(topology)
    assume(topology["forwards"] and accepted(topology))
    name = data.draw(st.sampled_from(sorted(topology["forwards"])))
    forward = topology["forwards"][name]
    rest = {other: table for other, table in topology["forwards"].items() if other != name}
    with_it, without = compiled(document(topology)), compiled(document(topology | {"forwards": rest}))
    changed = {host for host in with_it if with_it[host] != without[host]}

    assert {forward["at"]} <= changed <= set(topology["links"][forward["via"]]["between"])


@each_example
def test_the_order_of_members_and_of_ends_does_not_matter(example: Path) -> None:
    topology = parsed(example)
    links = {name: link | {"between": link["between"][::-1]} for name, link in topology.get("links", {}).items()}
    meshes = {
        name: mesh | {"hosts": mesh["hosts"] if mesh["hosts"] == "all" else mesh["hosts"][::-1]}
        for name, mesh in topology.get("meshes", {}).items()
    }

    assert compiled(document(topology | {"links": links, "meshes": meshes})) == wanted(example)


def explicit(topology: Table) -> Table:
    """With no mesh of `all`."""
    everyone = sorted(topology["hosts"])
    meshes = {
        name: mesh | {"hosts": everyone if mesh["hosts"] == "all" else mesh["hosts"]}
        for name, mesh in topology.get("meshes", {}).items()
    }
    return topology | {"meshes": meshes}


NEW = {
    "id": 4094,
    "wan": "eth0",
    "addresses": ["192.0.2.94/24", "2001:db8:94::1/64"],
    "public_key": key("zzz-new"),
}


def with_host(topology: Table, name: str) -> Table:
    return topology | {"hosts": {**topology["hosts"], name: NEW}}


@each_example
@pytest.mark.parametrize("name", ["aaa-new", "zzz-new"])
def test_an_unrelated_host_changes_no_byte_of_another(example: Path, name: str) -> None:
    before = compiled(document(explicit(parsed(example))))
    after = compiled(document(with_host(explicit(parsed(example)), name)))

    assert after.keys() - before.keys() == {name}
    assert {host: after[host] for host in before} == before


@each_example
@pytest.mark.parametrize("kind", ["wireguard", "vxlan"])
def test_adding_a_link_changes_its_two_hosts_and_no_other_part_of_them(example: Path, kind: str) -> None:
    topology = with_host(explicit(parsed(example)), "zzz-new")
    topology.pop("expect", None)  # a promise that nothing else is open is broken by a port of the link
    old = sorted(topology["hosts"])[0]
    topology["hosts"][old] = {"public_key": key(old)} | topology["hosts"][old]
    if topology["hosts"][old].get("endpoint") is False:
        topology["hosts"][old]["endpoint"] = "192.0.2.99"  # or no plain tunnel could lead there
    link = {"kind": kind, "between": ["zzz-new", old]}
    before = compiled(document(topology))
    after = compiled(document(topology | {"links": {**topology.get("links", {}), "aaa-new": link}}))
    changed = {host for host in before if after[host] != before[host]}
    lists = {"MANIFEST", "files/etc/netc/order", "files/etc/systemd/system/netc.target"}
    lists.add("files/etc/systemd/network/10-netc.network")
    old_files, new_files = ({file.path: file for file in files[old]} for files in (before, after))

    assert changed == {"zzz-new", old}
    assert old_files.keys() <= new_files.keys()
    has_filter = FORWARDS in old_files or {"firewall", "tunnels"} & topology["hosts"][old].keys()
    opened = FILTERS if has_filter else set()
    opened = opened | OF_THE_HOST
    assert {path for path in old_files if old_files[path] != new_files[path]} - opened == lists


def texts() -> dict[str, str]:
    return {f"{path.parent}/{path.name}": path.read_text() for path in OUT.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "pattern",
    [
        r"\b20\d\d-[01]\d-[0-3]\d\b",
        r"(?<![\w:])[0-2]\d:[0-5]\d:[0-5]\d(?![\w:])",
        r"\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun),? ",
        r"(?<!/var)/tmp\b|/home/|/root/",
        rf"(?<![\d.]){re.escape(version('netc'))}(?![\d.])",
        r"[Pp]ython|jinja",
    ],
)
def test_output_does_not_reveal_the_build(pattern: str) -> None:
    """But by the first line of .gitattributes, beside the hosts: by which version of netc they were compiled."""
    lines = [f"{path}: {line}" for path, text in texts().items() for line in text.splitlines()]
    found = [line for line in lines if re.search(pattern, line.partition(": ")[2])]
    version_told = f": # Compiled by netc {version('netc')}. If this is not the first line"

    assert [line for line in found if f"/.gitattributes{version_told}" not in line] == []


def test_output_does_not_reveal_the_machine_of_the_build() -> None:
    names = {str(ROOT), socket.gethostname(), os.environ.get("USER", "root")} - {"root", "localhost", ""}
    found = [f"{path}: {name}" for path, text in texts().items() for name in names if re.search(rf"\b{name}\b", text)]

    assert found == []


def secrets() -> set[str]:
    """What stands in a provider's file and may stand nowhere else."""
    files = [path.read_text() for path in (ROOT / "examples").iterdir() if path.suffix == ".conf"]
    return {key for text in files for key in re.findall(r"(?im)^(?:Private|Preshared)Key\s*=\s*(\S+)", text)}


def test_no_secret_is_compiled() -> None:
    found = [path for path, text in texts().items() if any(secret in text for secret in secrets())]

    assert secrets()
    assert found == []


def test_no_verb_prints_a_secret(tmp_path: Path) -> None:
    """A broken provider's file is shown to its author, and its keys are not."""
    breaks: list[Callable[[str], str]] = [
        lambda text: text,
        lambda text: text.replace("Key =", "Kye ="),
        lambda text: text.replace("Key =", "Key"),
        lambda text: text.replace("PrivateKey", "PresharedKey"),
        lambda text: text.replace("[Interface]", ""),
        lambda text: text.replace("[Interface]", "[Peer]"),
        lambda text: text.replace("Address = ", "Address = x"),
        lambda text: text.replace("PrivateKey = ", "PrivateKey = x "),
        lambda text: text[:-20],
    ]
    said = []
    pairs = night.some([*product(range(len(breaks)), range(len(EXAMPLES)))], least=len(breaks))
    for number, (broken, example) in enumerate((breaks[n], EXAMPLES[m]) for n, m in pairs):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / example.name).write_text(example.read_text())
        for path in (ROOT / "examples").glob("*.conf"):
            (folder / path.name).write_text(broken(path.read_text()))
        said += verbs(folder / example.name)

    assert any("NC01" in text for text in said)
    assert [text for text in said for secret in secrets() if secret in text] == []


def verbs(topo: Path) -> list[str]:
    """All that is said by all verbs; a new verb has to be tried here too."""
    host = sorted(parsed(ROOT / "examples" / topo.name)["hosts"])[0]
    out, bundles, fresh = (str(topo.parent / name) for name in ("out", "bundles", "new.toml"))
    words: dict[str, list[list[str | Path]]] = {
        "build": [[topo, "-o", out], [topo, "-o", out, "--check"]],
        "bundle": [[topo, "-o", bundles]],
        "check": [[topo]],
        "deploy": [[topo, "--ssh", "false"]],
        "diff": [[topo, "--live", "--ssh", "false"]],
        "explain": [[f"hosts.{host}.id", topo]],
        "fmt": [[topo, "--check"]],
        "keys": [[topo, "--ssh", "false"]],
        "lab": [[topo, "down"]],
        "new": [[fresh]],
        "plan": [[topo, host]],
        "schema": [[]],
        "status": [[topo, "--ssh", "false"], [topo, "--ssh", "false", "--json"]],
        "exposure": [[topo], [topo, str(host), "--json"]],
        "trace": [[topo, "internet", str(host)], [topo, "internet", str(host), "--json"]],
        "verify": [[topo, "--ssh", "false"], [topo, "--ssh", "false", "--json"]],
    }
    assert VERBS.keys() - {"import"} == words.keys()
    ran = [netc(verb, *rest) for verb, several in words.items() for rest in several]
    return [each.out + each.err for each in ran]


def test_the_schema_has_the_same_bytes_whatever_the_hash_seed() -> None:
    """Strings hash differently in each process, and so do sets of them."""
    printed = {
        subprocess.run(
            [sys.executable, "-c", "from netc.cli import main; main()", "schema"],
            env=os.environ | {"PYTHONHASHSEED": str(seed)},
            check=True,
            capture_output=True,
        ).stdout
        for seed in range(1, 5)
    }

    assert len(printed) == 1
