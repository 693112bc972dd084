"""What an earlier release took, this one takes: its topologies compile, and into a folder that it has written."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from examples import ROOT, Ran, differences, netc, tree
from netc.diagnostic import dotted
from netc.language.changed import CHANGES, Change, Compiler, changed
from netc.language.schema import schema
from upgrade.kept import HERE, RELEASES, TOPOLOGIES, each_release, unpacked


@each_release
@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_a_topology_of_an_earlier_release_compiles_into_its_own_output(
    tmp_path: Path, release: str, topology: str
) -> None:
    kept = unpacked(release, topology, tmp_path)
    into, fresh = (netc("build", kept / "topo.toml", "-o", kept / folder) for folder in ("out", "fresh"))

    assert (into.code, fresh.code) == (0, 0), into.err
    assert differences(tree(kept / "fresh"), tree(kept / "out")) == []


Asked = set[tuple[str, str]]


def asked(host: Path) -> dict[str, tuple[str, Asked]]:
    """By path of a file: what it says without comments and descriptions, and what a change of it asks for."""
    found = {}
    for line in (host / "MANIFEST").read_text().splitlines():
        sum_, _, path, *takings = line.split()
        if takings and (host / path).is_file():
            commands = [
                each for each in (host / path).read_text().splitlines() if not re.match(r"\s*#|Description=", each)
            ]
            sum_ = "\n".join(commands)
        words = (taking.split(":", 1) for taking in ",".join(takings).split(",") if taking)
        found[path] = sum_, {(verb.replace("retire", "reload"), what) for verb, what in words}
    return found


def effects(old: Path, new: Path) -> set[str]:
    """What a host restarts, reloads, starts and takes down, when it goes from one tree to the other: names as
    CHANGELOG.md has them, `S` for an anycast service, `SERVICE` for a unit of others, and `P` for what else a part is
    named after."""
    before, after = asked(old), asked(new)
    orders = ((host / "files/etc/netc/order").read_text().splitlines() for host in (old, new))
    parts = [set(lines[1:]) for lines in orders]
    differing = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    found = {one for path in differing for side in (before, after) if path in side for one in side[path][1]}
    found = {(verb, what) for verb, what in found if verb == "unit" or what in parts[0] & parts[1]}
    found |= {("start", part) for part in parts[1] - parts[0]} | {("leave", part) for part in parts[0] - parts[1]}
    return {f"{verb} `{named(what)}`" for verb, what in found}


def named(what: str) -> str:
    """A part or a unit, without what the author called it. `SERVICE` stands for units of others."""
    what = re.sub(r"^(?!netc-).+\.(service|socket)$", "SERVICE", what)
    what = re.sub(r"anycast-[a-z0-9-]+", "anycast-S", what)
    return re.sub(r"(link|mesh|tunnel|uplink|split|namespace|bridge|set)-[a-z0-9-]+", r"\1-P", what)


CHANGELOG = (HERE.parents[1] / "CHANGELOG.md").read_text()


@each_release
def test_the_changelog_says_what_hosts_of_a_release_restart(tmp_path: Path, release: str) -> None:
    version = tomllib.loads((HERE / release / "RELEASE").read_text())["version"]
    newest = CHANGELOG.split("\n## [")[1]
    told = set(re.findall(rf"(?m)^\| {re.escape(version)} \| (\w+ `\S+`) \|", newest))
    found: set[str] = set()
    for topology in TOPOLOGIES:
        kept = unpacked(release, topology, tmp_path)
        assert netc("build", kept / "topo.toml", "-o", kept / "fresh").code == 0
        for host in (kept / "fresh").iterdir():
            found |= effects(kept / "out" / host.name, host) if host.is_dir() else set()

    assert found == told


def test_an_effect_on_a_host_is_seen(tmp_path: Path) -> None:
    for name, part, address in (("old", "link-a", "10.0.0.1"), ("new", "link-b", "10.0.0.2")):
        files = tmp_path / name / "files/etc/netc"
        for script in (part, "link-c"):
            (files / "parts" / script).mkdir(parents=True)
            (files / "parts" / script / "up").write_text(f"# {name}\nstep ip address add {address}\n")
        (files / "order").write_text(f"# The parts\n{part}\nlink-c\n")
        listed = (f"{name}  0755  files/etc/netc/parts/{each}/up  restart:{each}\n" for each in (part, "link-c"))
        (tmp_path / name / "MANIFEST").write_text("".join(listed))
    old, new = tmp_path / "old", tmp_path / "new"

    assert effects(old, new) == {"leave `link-P`", "start `link-P`", "restart `link-P`"}
    assert effects(old, old) == set()
    script = new / "files/etc/netc/parts/link-c/up"
    script.write_text("# another word\nstep ip address add 10.0.0.1\n")
    assert effects(old, new) == {"leave `link-P`", "start `link-P`"}


@pytest.mark.parametrize(
    ("path", "old", "new", "in_words"),
    [
        ("files/etc/netc/parts/link-a/up", "# a\nstep x\n", "# b\n# c\nstep x\n", True),
        ("files/etc/netc/parts/link-a/up", "# a\nstep x\n", "# a\nstep y\n", False),
        ("files/etc/netc/nftables.nft", "# a\n\tchain x {\n\t\t# b\n", "# a\n\tchain x {\n\t\t# c\n", True),
        ("files/etc/netc/nftables.nft", "a # b\n", "a # c\n", False),
        (
            "files/etc/systemd/system/netc-watch-a.service",
            "Description=a\nExecStart=x\n",
            "Description=b\nExecStart=x\n",
            True,
        ),
        (
            "files/etc/systemd/system/netc-watch-a.service",
            "Description=a\nExecStart=x\n",
            "Description=a\nExecStart=y\n",
            False,
        ),
    ],
)
def test_a_file_that_differs_in_comments_only_asks_for_nothing(
    tmp_path: Path, path: str, old: str, new: str, in_words: bool
) -> None:
    for name, text in (("old", old), ("new", new)):
        (tmp_path / name / path).parent.mkdir(parents=True)
        (tmp_path / name / path).write_text(text)
    ask = 'source "$1"; trees=$2; differs_in_comments_only old new "$3"'
    ran = subprocess.run(["bash", "-c", ask, "ask", ROOT / "templates/host/plan.bash", tmp_path, path], check=False)

    assert (ran.returncode == 0) is in_words


def test_kept_releases_state_their_commit_and_version() -> None:
    assert "315c900" in RELEASES
    for release in RELEASES:
        said = tomllib.loads((HERE / release / "RELEASE").read_text())
        assert said.keys() == {"commit", "version"}
        assert re.fullmatch(f"{release}[0-9a-f]{{33}}", said["commit"])
        assert (HERE / release / "trees.tar.xz").stat().st_size < 300_000


TOPOLOGY = """
version = 1
network.name = "lab"
hosts.a = { id = 1, wan = "eth0", addresses = "198.51.100.1/24", firewall = {} }
hosts.b = { id = 2, wan = "eth0", addresses = "198.51.100.2/24", firewall = { input = "drop" } }
"""
CHANGE = Change("0.2.1", ("hosts", "*", "firewall"), "input", "What nobody allows is dropped.")


@pytest.fixture
def later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """`netc build topo.toml -o out`, by a netc with a default that is another since this version."""
    monkeypatch.setattr("netc.language.changed.CHANGES", (CHANGE,))
    (tmp_path / "topo.toml").write_text(TOPOLOGY)
    return lambda *options: netc("build", tmp_path / "topo.toml", "-o", tmp_path / "out", *options)


def say_version(folder: Path, version: str) -> None:
    (folder / ".gitattributes").write_text(f"# Compiled by netc {version}, and so on\n")


def test_a_build_by_an_older_version_warns_of_a_changed_default(later: Callable[..., Ran], tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert "NC0125" not in later().err, "nobody built before"

    for said in (None, "0.2.0"):
        if said:
            say_version(out, said)
        for options in ((), ("--host", "a"), ("--check",)):
            (out / "a" / "MANIFEST").touch()
            ran = later(*options)
            assert ran.code == 0
            assert ran.err.count("warning[NC0125]") == 1
            assert "its default changed in netc 0.2.1: What nobody allows is dropped." in ran.err
            assert "hosts.a.firewall" in ran.err
            assert "hosts.b.firewall" not in ran.err
        assert later("--strict", "--check").code == 1

    for said in ("0.2.1", "0.10"):
        say_version(out, said)
        assert "NC0125" not in later("--host", "a").err


KNOWN = """
[[acknowledge]]
code = "NC0125"
at = "hosts.a.firewall"
reason = "it may be dropped"
"""


def test_an_acknowledged_changed_default_is_not_reported_by_any_verb(later: Callable[..., Ran], tmp_path: Path) -> None:
    later()
    say_version(tmp_path / "out", "0.2.0")
    topo = tmp_path / "topo.toml"
    topo.write_text(TOPOLOGY + KNOWN)

    assert "[NC" not in later("--strict", "--check").err
    assert netc("check", topo, "--strict").err == "", "it is told where something was built"
    assert later("--strict").err == ""
    assert later("--strict").err == "", "it was told, and others may have an earlier DIR"
    topo.write_text(TOPOLOGY.replace("firewall = {}", 'firewall = { input = "drop" }') + KNOWN)
    assert "NC2801" in later().err, "the key is said"


def test_the_hint_says_if_netc_cannot_record_that_it_warned(later: Callable[..., Ran], tmp_path: Path) -> None:
    later()
    (tmp_path / "out/.gitattributes").write_text("# mine\n* -text\n")
    for _ in range(2):
        ran = later()
        assert "warning[NC0125]" in ran.err
        assert "else acknowledge it: DIR/.gitattributes is not from netc, so netc reports it at every build" in ran.err
        assert "not report it again" not in ran.err
    (tmp_path / "topo.toml").write_text(TOPOLOGY + KNOWN)
    assert later("--strict").code == 0


ALLOW = ("hosts", "*", "firewall", "allow", "[]")


@pytest.mark.parametrize(
    ("written", "places"),
    [
        ('{ ports = "1/tcp" }', {"hosts.a.firewall.allow"}),
        ('[{ ports = "1/tcp" }, { from = "192.0.2.0/24", interface = "eth0" }]', {"hosts.a.firewall.allow[0]"}),
        ("[]", set()),
    ],
)
def test_a_changed_default_of_a_table_in_a_list_is_reported(
    written: str, places: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netc.language.changed.CHANGES", (Change("0.2.1", ALLOW, "interface", "Any."),))
    told = changed(TOPOLOGY.replace("firewall = {}", f"firewall = {{ allow = {written} }}"), Compiler("0.2.0"))

    assert {dotted(diagnostic.where) for diagnostic in told} == places


def astray(change: Change) -> bool:
    """Whether a change speaks of a key that the language does not have."""
    node = schema()
    for step in change.table:
        if step == "*":
            node = next(iter(node.get("patternProperties", {}).values()), {})
        elif step == "[]":
            node = node.get("items", {})
        else:
            node = node.get("properties", {}).get(step, {})
    return ("array" in node.get("type", ()) and "items" in node) or change.key not in node.get("properties", {})


def test_every_changed_default_names_a_key_of_the_language() -> None:
    assert [change for change in CHANGES if astray(change)] == []


@pytest.mark.parametrize(
    ("table", "key"),
    [
        (("hosts", "*", "firewal"), "input"),
        (("hosts", "firewall"), "input"),
        (("hosts", "*", "firewall"), "ports"),
        (("hosts", "*", "firewall", "allow"), "ports"),
        (("hosts", "*", "firewall", "allow", "*"), "ports"),
    ],
)
def test_a_changed_default_of_an_unknown_key_is_found(table: tuple[str, ...], key: str) -> None:
    assert astray(Change("0.2.1", table, key, ""))
    assert not astray(CHANGE)
    assert not astray(Change("0.2.1", ALLOW, "ports", ""))
    assert not astray(Change("0.2.1", ("network",), "name", ""))


SPLIT = 'version = 1\n[hosts.a.splits.s]\ntunnel = "t"\n'


@pytest.mark.parametrize(
    ("keys", "matters"),
    [
        ('service = "web.service"\ndns = "10.66.0.1"', True),
        ('group = "g"\ncommand = "t"\ndns = "10.66.0.1"', True),
        ('user = "ann"\ndns = "10.66.0.1"', False),
        ('service = "web.service"', False),
        ('service = "web.service"\ndns = "10.66.0.1"\nmode = "except"', False),
    ],
)
def test_the_bus_is_named_only_where_a_split_hides_it(keys: str, matters: bool) -> None:
    told = changed(SPLIT + keys, Compiler("0.1.0"))

    assert any("D-Bus" in one.what for one in told) is matters
