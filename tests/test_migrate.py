"""From one form of a confederation to the other: `netc plan --migrate`."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest

from examples import ROOT, Ran, netc
from netc.language.names import HostName
from netc.network.migration import Harm, Move, harm, move, order
from netc.pipeline import understand

HEAD = """
version = 1
network.name = "lab"
[bgp]
asn = 4242422547
prefixes = "172.20.0.0/24"
profile = "dn42"
members.base = 4225470000
over = [{over}]
{form}
"""
HOST = """
[hosts.{name}]
id = {id}
wan = "eth0"
addresses = "198.51.100.{id}/24"
loopback = "172.20.0.{id}/32"
[hosts.{name}.bgp]
{member}
"""
PEER = """
[hosts.{name}.bgp.peers.x]
asn = 424242000{id}
role = "peer"
interface = "ext0"
local = "fe80::2547"
address = "fe80::1"
"""
LINK = """
[links.{one}{other}]
kind = "vxlan"
between = ["{one}", "{other}"]
"""
REAL = 'internal = "confederation"\nnext_hop = "med"\n'
FAKE = 'internal = "fake-confederation"\n'
RING, STAR, TREE = "ab bc ca", "ab ac ad", "ab bc ca bd"
MANY, LINE = "ab bc ca bd be de", "ab bd ac ce"


def topology(form: str, links: str, fellows: str = "", edges: str = "") -> str:
    """`fellows` are routers of one member, `edges` those with neighbours outside."""
    names = sorted(set(links) - {" "})
    text = HEAD.format(over=", ".join(f'"{link}"' for link in links.split()), form=form)
    for id, name in enumerate(names, 1):
        text += HOST.format(name=name, id=id, member="member = 4225479999" if name in fellows else "")
        text += PEER.format(name=name, id=id) if name in edges else ""
    return text + "".join(LINK.format(one=link[0], other=link[1]) for link in links.split())


def moved(before: str, after: str) -> Move:
    old, new = (understand(text, "topology.toml", lambda _: "").network for text in (before, after))
    return move(old, new)


def both(links: str, fellows: str = "", edges: str = "", forms: tuple[str, str] = (REAL, FAKE)) -> Move:
    old, new = (topology(form, links, fellows, edges) for form in forms)
    return moved(old, new)


def groups(one: Move) -> list[str]:
    return ["".join(step.hosts) for step in order(one)]


def hosts(names: str) -> frozenset[HostName]:
    return frozenset(map(HostName, names))


@pytest.mark.parametrize(
    ("links", "fellows", "edges", "to_fake", "to_real"),
    [
        ("ab", "", "", ["ab"], ["ab"]),
        (RING, "", "a", ["abc"], ["abc"]),
        (STAR, "", "ad", ["abcd"], ["abcd"]),
        (TREE, "bd", "ab", ["abc", "d"], ["d", "abc"]),
        (TREE, "bd", "abd", ["abcd"], ["abcd"]),
        (TREE, "bd", "d", ["abc", "d"], ["d", "abc"]),
        (MANY, "bde", "a", ["abc", "e", "d"], ["d", "e", "abc"]),
        (LINE, "bd", "a", ["abce", "d"], ["d", "abce"]),
        ("ab", "ab", "ab", ["a", "b"], ["a", "b"]),
    ],
)
def test_all_members_change_at_one_moment_but_fellows_without_neighbours(
    links: str, fellows: str, edges: str, to_fake: list[str], to_real: list[str]
) -> None:
    assert groups(both(links, fellows, edges)) == to_fake
    assert groups(both(links, fellows, edges, (FAKE, REAL))) == to_real


@pytest.mark.parametrize("forms", [(REAL, FAKE), (FAKE, REAL)])
@pytest.mark.parametrize("edges", ["", "a", "abd", "e"])
@pytest.mark.parametrize(
    ("links", "fellows"),
    [(links, "") for links in (RING, STAR, TREE, MANY, LINE)]
    + [(TREE, "bd"), (LINE, "bd"), (MANY, "bd"), (MANY, "bde")],
)
def test_the_order_has_the_smallest_steps_without_harm(
    links: str, fellows: str, edges: str, forms: tuple[str, str]
) -> None:
    """Every state that it leads through is without harm, and no part of a step could be a step."""
    one = both(links, fellows, edges, forms)
    done: frozenset[HostName] = frozenset()
    for step in order(one):
        for count in range(1, len(step.hosts)):
            for part in combinations(step.hosts, count):
                assert harm(one, done | frozenset(part)) != Harm()
        done |= frozenset(step.hosts)
        assert harm(one, done) == Harm()
    assert done == frozenset(one.routers)


def test_an_intermediate_state_cuts_both_directions_of_a_session() -> None:
    one = both(RING, edges="a")
    broken = harm(one, hosts("a"))

    assert set(broken.cut) == {("a", "b"), ("a", "c"), ("b", "a"), ("c", "a")}
    assert broken.leaks == ()


def test_a_real_edge_behind_a_fake_fellow_leaks() -> None:
    one = both(TREE, "bd", "abd")

    assert harm(one, hosts("abc")) == Harm((), (("d", "a"),))
    assert {host for _, host in harm(one, hosts("d")).cut} == {"d"}


def test_anycast_prefixes_leak_like_routes_of_a_neighbour() -> None:
    """It is told to the world with the path that it came by."""
    served = '[anycast.dns]\naddresses = "172.20.0.53/32"\nhosts = "c"\nservices = "unbound.service"\n'
    served += '[anycast.dns.check]\ncommand = ["/bin/true"]\ninterval = "5s"\ntimeout = "2s"\n'
    old, new = (topology(form, TREE, "bd", "d") + served for form in (REAL, FAKE))

    assert harm(moved(old, new), hosts("abc")).leaks == (("d", "c"),)
    assert harm(both(TREE, "bd", "d"), hosts("abc")) == Harm()


def test_a_step_lists_restarted_and_mixed_sessions() -> None:
    first, second = order(both(TREE, "bd"))

    assert first.restarted == (("a", "b"), ("a", "c"), ("b", "c"), ("b", "d"))
    assert first.mixed == second.restarted == (("b", "d"),)
    assert second.mixed == ()


# ---- the command ---------------------------------------------------------------------------------------------


def migrate(folder: Path, before: str, after: str, *words: str) -> Ran:
    for name, text in (("before", before), ("after", after)):
        (folder / f"{name}.toml").write_text(text)
    return netc("plan", "--migrate", folder / "before.toml", folder / "after.toml", *words)


def test_the_order_is_printed(tmp_path: Path) -> None:
    ran = migrate(tmp_path, topology(REAL, TREE, "bd"), topology(FAKE, TREE, "bd"))

    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert lines[0] == "1. at the same time: a, b, c"
    assert lines[2].endswith("a - b, a - c, b - c, b - d")
    assert lines[4] == "2. d"
    assert "systemctl reload netc-bird" in ran.out


def test_external_sessions_restart_if_the_asn_of_a_member_changes(tmp_path: Path) -> None:
    """A member's own ASN is in one form's, and the AS's in the other's."""
    ran = migrate(tmp_path, topology(REAL, RING, edges="ac"), topology(FAKE, RING, edges="ac"))

    assert "     all sessions with external neighbours of a, c restart too\n" in ran.out


def test_the_remaining_steps_are_printed(tmp_path: Path) -> None:
    words = [word for name in "abc" for word in ("--moved", name)]
    ran = migrate(tmp_path, topology(REAL, TREE, "bd"), topology(FAKE, TREE, "bd"), *words)

    assert ran.code == 0
    assert ran.out.splitlines()[0] == "1. d"


@pytest.mark.parametrize(("names", "code"), [("a", "NC2602"), ("d", "NC2602"), ("abc", "NC2603")])
def test_an_intermediate_state_that_breaks_is_refused(names: str, code: str, tmp_path: Path) -> None:
    words = [word for name in names for word in ("--moved", name)]
    ran = migrate(tmp_path, topology(REAL, TREE, "bd", "abd"), topology(FAKE, TREE, "bd", "abd"), *words)

    assert (ran.code, ran.out) == (1, "")
    assert f"error[{code}]" in ran.err
    assert "change these at the same time: a, b, c, d" in ran.err


@pytest.mark.parametrize("names", [(), ("a",)])
def test_there_is_nothing_to_change_between_equal_forms(names: tuple[str, ...], tmp_path: Path) -> None:
    words = [word for name in names for word in ("--moved", name)]
    ran = migrate(tmp_path, topology(REAL, RING), topology(REAL, RING), *words)

    assert ran.code == 0
    assert ran.out.startswith("nothing to change")


def test_with_an_igp_all_routers_change_at_one_moment(tmp_path: Path) -> None:
    """What is told by an end that knows loopbacks means nothing to one that does not, also between fellows."""
    example = (ROOT / "examples/dn42.toml").read_text()
    over = example[example.index("over = ") :].splitlines()[0]
    igp = example[example.index("[igp]") : example.index("[hosts.hkg]")]
    form = 'internal = "confederation"\nnext_hop = "recursive"\n'
    after = example.replace(igp, "").replace(form, f'internal = "fake-confederation"\n{over}\n')
    ran = migrate(tmp_path, example, after)

    assert ran.code == 0
    assert ran.out.splitlines()[0] == "1. at the same time: fra, hkg, lax, nyc, sgp"


def test_differences_other_than_the_form_are_refused(tmp_path: Path) -> None:
    ran = migrate(tmp_path, topology(REAL, RING, edges="a"), topology(FAKE, RING).replace("20.0.2/32", "20.0.9/32"))

    assert ran.code == 1
    assert "`hosts.b.loopback[0]` differs" in ran.err or "`hosts.b.loopback` differs" in ran.err
    assert "`hosts.a.bgp.peers.x` differs" in ran.err or "`hosts.a.bgp.peers` differs" in ran.err


def test_an_error_in_either_topology_is_reported(tmp_path: Path) -> None:
    wrong = topology(REAL, RING).replace("id = 1\n", "id = 0\n")

    assert "before.toml" in migrate(tmp_path, wrong, topology(FAKE, RING)).err
    assert "after.toml" in migrate(tmp_path, topology(FAKE, RING), wrong).err


def test_another_address_of_the_same_network_is_a_difference(tmp_path: Path) -> None:
    moved = topology(FAKE, RING).replace("198.51.100.1/24", "198.51.100.99/24")

    assert "`hosts.a.addresses` differs" in migrate(tmp_path, topology(REAL, RING), moved).err


def test_an_unknown_host_and_moved_without_migrate_are_wrong_use(tmp_path: Path) -> None:
    ran = migrate(tmp_path, topology(REAL, RING), topology(FAKE, RING), "--moved", "q")

    assert ran.code == 2
    assert "no host is called 'q'" in ran.err
    assert netc("plan", tmp_path / "after.toml", "a", "--moved", "a").code == 2
