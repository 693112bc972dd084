"""Where lines come from: what `netc explain` says of a key is what happens to the output when its author changes it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import ndiff
from functools import cache
from pathlib import Path

import pytest

from examples import EXAMPLES, OUT, ROOT, compiled, netc, without_promises
from netc.diagnostic import KeyPath
from netc.language.read import read
from netc.provenance.alter import at, leaves, otherwise, tables, without
from netc.provenance.lines import Compiled, Lines, from_leaf, from_table
from netc.provenance.lines import compiled as all_of

START = ROOT / "examples" / "start.toml"


def topology_of(example: str) -> Compiled:
    folder = ROOT / "examples"
    text = (folder / f"{example}.toml").read_text()
    topology = read(text, "topo.toml", lambda name: (folder / name).read_text()).topology
    assert topology is not None
    base = all_of(topology, topology.hosts.keys())
    assert base is not None
    return base


base = cache(topology_of)


@cache
def causes(example: str) -> dict[KeyPath, Lines]:
    """What comes from each key and each table of an example."""
    found = base(example)
    own = {path: from_leaf(path, found) for path in leaves(found.topology)}
    return own | {path: from_table(path, found) for path in tables(found.topology)}


def by_experiment(example: str, old: str, new: str) -> set[tuple[str, str, int]]:
    """Lines that are lost when an author edits the text, by a compile of both texts and nothing of provenance."""
    text = without_promises((ROOT / "examples" / f"{example}.toml").read_text())
    assert text.count(old) == 1
    before, after = compiled(text), compiled(text.replace(old, new))
    found: set[tuple[str, str, int]] = set()
    for host, files in before.items():
        others = {file.path: file.text for file in after.get(host, ())}
        for file in files:
            if file.path != "MANIFEST":
                here = [
                    line
                    for line in ndiff(file.text.splitlines(), others.get(file.path, "").splitlines())
                    if line[0] in "- "
                ]
                found |= {
                    (host, file.path, number) for number, line in enumerate(here, 1) if line[0] == "-" and line[2:]
                }
    return found


EDITS = [
    ("start", ("hosts", "home", "id"), "id = 2", "id = 9"),
    ("start", ("hosts", "server", "wan"), 'id = 1\nwan = "eth0"', 'id = 1\nwan = "eth7"'),
    (
        "seedbox",
        ("hosts", "seedbox", "namespaces", "vpn", "access"),
        '"10.200.0.0/31", "fd00:200::/127"',
        '"10.200.0.2/31", "fd00:200::2/127"',
    ),
    ("start", ("forwards", "web", "ports"), '["80/tcp", "443/tcp"]', '["81/tcp", "442/tcp"]'),
    ("start", ("hosts", "server", "firewall", "allow", 0, "from"), "203.0.113.0/24", "203.0.114.0/24"),
    ("mesh", ("meshes", "core", "port"), "port = 52000", "port = 52001"),
    ("mesh", ("hosts", "tyo", "mtu"), "mtu = 1492", "mtu = 1493"),
    ("uplinks", ("hosts", "lin", "tunnels", "he", "interface"), 'interface = "he6"', 'interface = "he6x"'),
    (
        "laptop",
        ("hosts", "laptop", "splits", "cavorite", "ipv6"),
        'dns = "10.66.0.1"\nipv6 = "block"\ncommand',
        'dns = "10.66.0.1"\nipv6 = "direct"\ncommand',
    ),
    ("dn42", ("bgp", "asn"), "asn = 4242422547", "asn = 4242422548"),
]


@pytest.mark.parametrize(
    ("example", "path", "old", "new"),
    EDITS,
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) else None,
)
def test_lines_of_a_key_are_those_that_an_edit_changes(
    example: str, path: tuple[str | int, ...], old: str, new: str
) -> None:
    said = from_leaf(path, base(example))
    happened = by_experiment(example, old, new)

    assert happened
    assert said == happened


TABLES = [
    ("start", ("forwards", "web"), "[forwards.web]"),
    ("start", ("hosts", "server", "firewall"), "[hosts.server.firewall]"),
    ("slim-edge", ("forwards", "game2"), "[forwards.game2]"),
    ("uplinks", ("hosts", "lin", "uplinks", "second"), "[hosts.lin.uplinks.second]"),
    ("laptop", ("hosts", "laptop", "splits", "torrents"), "[hosts.laptop.splits.torrents]"),
    ("mesh", ("meshes", "core"), "[meshes.core]"),
]


@pytest.mark.parametrize(
    ("example", "path", "header"), TABLES, ids=lambda value: ".".join(value) if isinstance(value, tuple) else None
)
def test_lines_of_a_table_are_those_removed_with_it(example: str, path: tuple[str, ...], header: str) -> None:
    """Where nothing else needs it."""
    text = without_promises((ROOT / "examples" / f"{example}.toml").read_text())
    block = header + re.split(r"\n(?=#|\[)", text.partition(header)[2], maxsplit=1)[0]

    assert telling(from_table(path, base(example)), example) == telling(by_experiment(example, block, ""), example)


def telling(lines: Iterable[tuple[str, str, int]], example: str) -> set[tuple[str, str, int]]:
    """Without those that only close a block: of two chains, one goes, and a diff may name the brace of either."""
    texts = {(str(host), path): text.splitlines() for (host, path), text in base(example).texts.items()}
    return {(host, path, number) for host, path, number in lines if texts[host, path][number - 1].strip() != "}"}


def test_lines_of_a_forward_do_not_belong_to_its_link() -> None:
    """A forward's rules are the forward's, and not the link's that it goes by."""
    link, forward = (from_table(path, base("start")) for path in (("links", "home"), ("forwards", "web")))

    assert forward
    assert ("server", "files/etc/netc/parts/link-home/up", 1) in link
    assert not {line for line in link & forward if line[1].endswith("nftables.nft")}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_every_command_has_a_cause_and_every_cause_names_an_existing_line(example: Path) -> None:
    found = base(example.stem)
    lengths = {place: len(text.splitlines()) for place, text in found.texts.items()}
    known = {line for lines in causes(example.stem).values() for line in lines}
    orphans = [
        (place, line)
        for place, text in found.texts.items()
        # The filter and forwarding are the host's, and BIRD runs for BGP and for an IGP, whichever there is.
        if "/parts/" in place[1] and not re.search("/parts/(firewall|forwarding|bird)/", place[1])
        for number, line in enumerate(text.splitlines(), 1)
        if re.match("(step|undo) ", line) and (*place, number) not in known
    ]

    assert all(1 <= n <= lengths[host, path] for host, path, n in known)
    assert orphans == []


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_a_variant_of_a_leaf_differs_and_leaves_the_topology_unchanged(example: Path) -> None:
    topology = base(example.stem).topology
    silent = []
    for path in leaves(topology):
        others = list(otherwise(topology, path))
        silent += [path] if not others else []
        for other in others:
            if path[-1] != "files":
                assert repr(at(other, path)) != repr(at(topology, path)) or at(other, path) in (None, ())
            assert topology.model_copy() == topology

    assert [path for path in silent if path != ("version",) and path[-1] != "import"] == []


def test_without_removes_a_table() -> None:
    topology = base("start").topology

    assert "web" not in without(topology, ("forwards", "web")).forwards
    assert without(topology, ("hosts", "server", "firewall")).hosts["server"].firewall is None
    assert ("hosts", "server") not in set(tables(topology))


def explained(*words: str | Path) -> str:
    ran = netc("explain", *words)

    assert ran.code == 0, ran.err
    return ran.out


def line_of(file: str, text: str) -> str:
    """`PATH:LINE` of the one line that holds `text`."""
    lines = (OUT / file).read_text().splitlines()
    (number,) = [number for number, line in enumerate(lines, 1) if text in line]
    return f"{OUT / file}:{number}"


@pytest.mark.parametrize(
    ("file", "text", "example", "key", "said"),
    [
        (
            "start/home/files/etc/netc/parts/link-home/up",
            "address add 10.77.0.1/31",
            "start",
            "links.home.ends.home.address",
            ":32",
        ),
        (
            "start/server/files/etc/netc/nftables.nft",
            "tcp dport 22 accept",
            "start",
            "hosts.server.ssh",
            "not written, default: 22",
        ),
        (
            "start/server/files/etc/netc/nftables.nft",
            "tcp dport 9100",
            "start",
            "hosts.server.firewall.allow[0].from",
            ":18",
        ),
        ("start/server/files/etc/netc/wireguard/wg-home.conf", "ListenPort", "start", "hosts.home.id", "id = 2"),
        (
            "seedbox/seedbox/files/etc/netc/wireguard/wg-azire.conf",
            "PublicKey",
            "seedbox",
            "hosts.seedbox.tunnels.azire.peer[0].public_key",
            'import = "azire-se.conf"',
        ),
        (
            "slim-edge/edge2/files/etc/netc/nftables.nft",
            "2001:db8:bad::/48",
            "slim-edge",
            "sets.bad.prefixes",
            "prefixes = ",
        ),
    ],
)
def test_a_line_is_explained_by_its_keys(file: str, text: str, example: str, key: str, said: str) -> None:
    words = explained(line_of(file, text), ROOT / "examples" / f"{example}.toml").splitlines()
    row = next(line for line in words if line.startswith(f"{key} "))

    assert text in words[0]
    assert said in row
    assert f"{example}.toml:" in row


def test_a_line_of_a_library_comes_from_no_key() -> None:
    words = explained(f"{OUT}/start/server/files/usr/lib/netc/steps.bash:3", START)

    assert "no key in particular" in words


def test_a_line_with_two_equal_causes_belongs_to_its_part() -> None:
    where = line_of("dn42/fra/files/etc/netc/parts/bird/up", "step start_bird")

    assert "\nhosts.fra.bgp " in explained(where, ROOT / "examples" / "dn42.toml")


def test_a_key_is_explained_by_its_lines_in_the_output() -> None:
    words = explained("links.home", START)

    assert words.startswith(f"links.home  {START}:28\n")
    assert '     29  kind = "wireguard"\n' in words
    assert "  ttl: The outer TTL. It lets packets with an inner TTL of 1 pass (OSPF, BGP). Default: 64.\n" in words
    assert "in force on home\n" in words
    assert "    Carrier device=wg-home mtu=1440\n" in words
    assert "server/files/etc/netc/parts/link-home/up\n" in words
    assert "step ip -4 address add 10.77.0.0/31 dev wg-home\n" in words
    assert "usr/lib/netc/steps.bash\n" not in words


def test_one_value_is_explained_by_its_lines() -> None:
    words = explained("hosts.server.firewall.allow[0].ports", START)

    assert "tcp dport 9100" in words
    assert words.count("nftables.nft") == 1
    assert "in force" not in words


def test_a_single_table_in_place_of_a_list_needs_no_index() -> None:
    topo = ROOT / "examples" / "laptop.toml"

    assert explained("hosts.laptop.tunnels.escape.peer.endpoint", topo) == explained(
        "hosts.laptop.tunnels.escape.peer[0].endpoint", topo
    )


@pytest.mark.parametrize(
    "what", ["links.home.between[0]", "hosts.server", "network", "network.name", "forwards.web.to"]
)
def test_keys_of_every_form_are_explained(what: str) -> None:
    assert explained(what, START).startswith(f"{what}  {START}:")


def test_long_lists_are_cut() -> None:
    words = explained("sets.china", ROOT / "examples" / "laptop.toml")

    assert re.search(r"…  \d{4} more, to line \d{4}", words)
    assert len(words.splitlines()) < 200


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("links.homme", "has no links.homme"),
        ("links.home.kind.x", "has no links.home.kind.x"),
        ("links.home.between[7]", "has no links.home.between[7]"),
        ("links.home[0]", "has no links.home[0]"),
        ("hosts..a", "has no hosts..a"),
        ("", "has no "),
        ("links", "links holds several tables"),
        ("out/nowhere/files/x:3", "no host has the file"),
        ("out/nobody/MANIFEST:3", "no host has the file"),
        ("out/server/files/etc/netc/order", "write `out/server/files/etc/netc/order:14`"),
        ("out/server/files/etc/netc/order:99", "has 4 lines"),
    ],
)
def test_what_cannot_be_explained_is_wrong_use(what: str, said: str) -> None:
    ran = netc("explain", what, START)

    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


def test_output_of_another_topology_is_not_explained(tmp_path: Path) -> None:
    file = tmp_path / "server" / "files" / "etc" / "netc" / "order"
    file.parent.mkdir(parents=True)
    file.write_text("edited\n")
    ran = netc("explain", f"{file}:1", START)

    assert ran.code == 2
    assert "is not what" in ran.err


def test_a_topology_with_errors_has_no_output_to_explain(tmp_path: Path) -> None:
    topo = tmp_path / "topo.toml"
    topo.write_text('version = 1\nnetwork.name = "x"\n[hosts.a]\n')
    ran = netc("explain", "hosts.a", topo)

    assert ran.code == 1
    assert "error[NC0102]" in ran.err


def test_no_secret_is_shown(tmp_path: Path) -> None:
    topo = tmp_path / "topo.toml"
    secret = "aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789+/AbCdE="
    topo.write_text(START.read_text() + f"# private_key = {secret}\n")

    assert secret not in explained("forwards.web", topo)
