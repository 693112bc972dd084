"""Sets of addresses on a kernel: what is listed is matched, and lists are replaced while they are used."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from bench.figure import SPAWN
from live.compiled import compiled, down, script, up
from live.faults import kills, run_with
from live.lab import Host, Lab
from live.state import difference
from live.traffic import client, echo

pytestmark = pytest.mark.live

TOPOLOGY = """version = 1
network.name = "t"

[hosts.a]
id = 1
wan = "eth0"
addresses = ["198.51.100.1/24", "2001:db8:1::1/64"]

[hosts.a.firewall]
allow = [{ ports = "80/tcp" }]
deny = "bad"

[sets.bad]
files = "bad.list"
minus = "good"
ipset = true

[sets.good]
prefixes = ["192.0.2.7/32", "2001:db8:bad::7/128"]
"""

LIST = "".join(f"203.0.{n}.0/25\n" for n in range(0, 200, 2)) + "192.0.2.0/24\n2001:db8:bad::/48 # and all below\n"
DENIED = ("192.0.2.6", "2001:db8:bad::6")
SPARED = ("192.0.2.7", "2001:db8:bad::7")
LATER = ("198.18.7.7", "2001:db8:5ad::7")
"""Who is listed by LIST, who is taken away from it, and whom the next list has."""


def long_list(prefixes: int) -> str:
    """A list of so many lines that cannot be merged, one in eight of them IPv6, in no order."""
    lines = [f"{1 + n // 65536 % 200}.{n // 256 % 256}.{n % 256}.{n % 2 * 64}/27" for n in range(prefixes * 7 // 8)]
    lines += [f"2a00:{n // 32768:x}:{n % 32768 * 2:x}::/48" for n in range(prefixes - len(lines))]
    return "".join(f"{lines[n * 7919 % len(lines)]}\n" for n in range(len(lines)))


def tree(folder: Path, listed: str = LIST) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "bad.list").write_text(listed)
    (folder / "topology.toml").write_text(TOPOLOGY)
    return compiled(folder / "topology.toml", folder)["a"]


@pytest.fixture
def a(lab: Lab, tmp_path: Path) -> Host:
    return lab.host("a", tree(tmp_path / "first"))


def has(host: Host, ipset: str, address: str) -> bool:
    return host.run(["ipset", "test", ipset, address], check=False).returncode == 0


def denies(host: Host, family: int, address: str) -> bool:
    """Whether a set that a rule drops by has it: of a long list, the piece of its part of the address space."""
    rules = host.run(["nft", "--terse", "list", "ruleset", "inet"]).stdout
    found = re.findall(rf"(?:(?<!@)ip6? saddr (\S+/\d+) )?ip6? saddr @(set{family}_bad\S*) drop", rules)
    name = next((name for place, name in found if not place or ip_address(address) in ip_network(place)), None)
    element = f"{{ {address} }}"
    return bool(name) and not host.run(["nft", "get", "element", "inet", "netc", name, element], check=False).returncode


def matched(host: Host, addresses: Iterable[str]) -> list[str]:
    """Those that the ipset and the ruleset have; they agree."""
    of = [(6 if ":" in address else 4, address) for address in addresses]
    found = [address for family, address in of if has(host, f"bad{family}", address)]
    assert found == [address for family, address in of if denies(host, family, address)]
    return found


def test_a_set_matches_its_members_and_nothing_else(a: Host) -> None:
    start = a.state()
    up(a)

    assert matched(a, (*DENIED, *SPARED, *LATER)) == list(DENIED)
    assert matched(a, ["203.0.4.127", "203.0.4.128", "203.0.198.0", "203.0.199.0"]) == ["203.0.4.127", "203.0.198.0"]
    down(a)
    assert difference(start, a.state()) == ""


@pytest.mark.netfilters
def test_packets_from_listed_sources_are_dropped(lab: Lab, a: Host) -> None:
    world = lab.host("world")
    near = ("198.51.100.9/24", "2001:db8:1::9/64")
    lab.wire(a, "eth0", world, "eth0", a_addresses=("198.51.100.1/24", "2001:db8:1::1/64"), b_addresses=near)
    for address in (*DENIED, *SPARED):
        world.run(["ip", "address", "add", address, "dev", "lo"])
    a.run(["ip", "route", "add", "default", "via", "198.51.100.9"])
    a.run(["ip", "route", "add", "default", "via", "2001:db8:1::9"])
    echo(a, 80)
    up(a)

    for to, denied, spared in zip(("198.51.100.1", "2001:db8:1::1"), DENIED, SPARED, strict=True):
        assert client(world, "tcp", to, 80, source=denied, timeout=1) is None
        assert client(world, "tcp", to, 80, source=spared) == spared


def test_an_ipset_is_reloaded_while_it_is_in_use(a: Host, tmp_path: Path) -> None:
    up(a)
    for ipset in ("bad4", "bad6"):
        a.run(["ipset", "restore"], input=f"create used-{ipset} list:set\nadd used-{ipset} {ipset}\n")
    before = a.state()
    a.run(["ipset", "restore", "-file", "/etc/netc/sets/bad.ipset"])
    assert difference(before, a.state()) == ""

    # Longer, so that it needs another table inside.
    a.lay(tree(tmp_path / "next", f"{long_list(20000)}198.18.0.0/15\n2001:db8:5ad::/48\n"))
    for part in ("firewall", "set-bad"):
        a.run(script(part, "reload"))
    assert matched(a, (*DENIED, *SPARED, *LATER)) == list(LATER)
    assert "\nbad4\n" in a.run(["ipset", "list", "used-bad4"]).stdout

    a.lay(tree(tmp_path / "first"))
    for part in ("firewall", "set-bad"):
        a.run(script(part, "reload"))
    assert difference(settled(before), settled(a.state())) == ""


def settled(state: dict[str, list[str]]) -> dict[str, list[str]]:
    """An ipset that was long may keep a larger table, and the journal knows of reloads."""
    return {name: lines for name, lines in state.items() if name != "run"}


def test_an_ipset_that_others_use_stays_and_the_next_up_reuses_it(a: Host) -> None:
    start = a.state()
    up(a)
    a.run(["ipset", "restore"], input="create used list:set\nadd used bad4\n")
    done = a.run(script("set-bad", "down"))

    assert "ipset bad4 is in use and stays for now" in done.stderr
    assert has(a, "bad4", DENIED[0])
    assert a.run(["ipset", "list", "-name"]).stdout.split() == ["bad4", "used"]
    a.run(script("set-bad", "up"))
    assert matched(a, (*DENIED, *SPARED)) == list(DENIED)
    a.run(["ipset", "destroy", "used"])
    down(a)
    assert difference(start, a.state()) == ""


@pytest.mark.parametrize("name", ["bad4", "bad6", "bad6-new"])
def test_a_foreign_ipset_is_refused_before_anything_is_touched(a: Host, name: str) -> None:
    a.run(["ipset", "create", name, "hash:ip", "family", "inet6" if "6" in name else "inet"])
    start = a.state()
    done = a.run(script("set-bad", "up"), check=False)

    assert done.returncode != 0
    assert f"an ipset {name} exists already, and is not from netc" in done.stderr
    assert difference(start, a.state()) == ""


@pytest.mark.parametrize("then", ["up", "down"])
def test_after_a_load_that_was_killed_the_next_run_ends_clean(a: Host, then: str) -> None:
    start = a.state()
    a.run(script("set-bad", "up"))
    good = a.state()
    a.run(script("set-bad", "down"))
    half = "".join(a.read("/etc/netc/sets/bad.ipset").partition("create -exist bad6 ")[:1])
    for fault in kills(1):
        run_with(a, script("set-bad", "up"), fault)
        a.run(["ipset", "restore", "-exist"], input=half)  # as far as ipset itself may have come
        a.run(script("set-bad", then))
        if fault.moment == "before" and fault.step == 1 and then == "down":
            a.run(["ipset", "destroy", "bad4-new"])  # nothing was noted yet, so nothing of this can have been
            a.run(["ipset", "destroy", "bad4"])
        assert difference(good if then == "up" else start, a.state()) == "", str(fault)
        a.run(script("set-bad", "down"))
        assert difference(start, a.state()) == "", str(fault)


def loaded_pieces(host: Host) -> dict[str, str]:
    """Handle of each set that is a piece, by name: a set that was made again has another one."""
    listed = host.run(["nft", "--handle", "--terse", "list", "ruleset", "inet"]).stdout
    return dict(re.findall(r"(?m)^\tset (set[46]_[^_ ]+_\S+) \{ # handle (\d+)", listed))


def relisted(host: Host, folder: Path, listed: str) -> None:
    host.lay(tree(folder, listed))
    host.run(script("firewall", "reload"))


def test_a_reload_makes_only_those_pieces_that_changed(a: Host, tmp_path: Path) -> None:
    many = long_list(20_000)
    a.lay(tree(tmp_path / "long", many))
    a.run(script("firewall", "up"))
    before = loaded_pieces(a)
    assert len(before) > 4
    relisted(a, tmp_path / "next", f"{many}{LATER[0]}\n")

    after = loaded_pieces(a)
    assert len(after.items() - before.items()) == 1
    assert len(before.items() - after.items()) <= 1
    assert denies(a, 4, LATER[0])
    relisted(a, tmp_path / "short", "192.0.2.0/24\n")
    assert loaded_pieces(a) == {}
    assert denies(a, 4, DENIED[0])
    relisted(a, tmp_path / "again", many)
    assert loaded_pieces(a).keys() == before.keys()
    a.run(script("firewall", "check"))


@pytest.mark.netfilters
def test_no_packet_of_a_listed_source_passes_while_lists_change(lab: Lab, a: Host, tmp_path: Path) -> None:
    world = lab.host("world")
    lab.wire(a, "eth0", world, "eth0", a_addresses=("198.51.100.1/24",), b_addresses=("198.51.100.9/24",))
    for address in (DENIED[0], SPARED[0]):
        world.run(["ip", "address", "add", address, "dev", "lo"])
    a.run(["ip", "route", "add", "default", "via", "198.51.100.9"])
    lists = [f"{LIST}{long_list(number)}" for number in (9000, 12000)]
    a.lay(tree(tmp_path / "lists", lists[0]))
    up(a)
    sent = {
        address: world.start(["ping", "-q", "-w", "6", "-i", "0.002", "-I", address, "198.51.100.1"])
        for address in (DENIED[0], SPARED[0])
    }
    turns = 0
    while any(process.alive for process in sent.values()):
        turns += 1
        a.lay(tree(tmp_path / "lists", lists[turns % 2]))
        for part in ("set-bad", "firewall"):
            a.run(script(part, "reload"))
    assert turns > 2
    assert " 0 received" in sent[DENIED[0]].said()
    assert " 0 received" not in sent[SPARED[0]].said()


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        ("nft delete element inet netc {name} '{{ 192.0.2.8/29 }}'", "set {name}: element 192.0.2.8/29 is not there"),
        ("nft add element inet netc {name} '{{ 198.18.7.7 }}'", "set {name}: element 198.18.7.7 is not from netc"),
        ("nft flush set inet netc {name}", "set {name}: element 203.0.0.0/25 is not there"),
        (
            "nft add set inet netc set4_old_0123456789ab '{{ type ipv4_addr; flags interval; }}'",
            "set set4_old_0123456789ab is not from netc",
        ),
    ],
)
def test_what_somebody_changed_in_a_long_list_is_drift_and_reload_repairs_it(a: Host, spoil: str, told: str) -> None:
    a.run(script("firewall", "up"))
    a.run(script("firewall", "check"))
    (name,) = (name for name in loaded_pieces(a) if name.startswith("set4_bad"))
    a.run(["bash", "-c", spoil.format(name=name)])
    said = a.run(script("firewall", "check"), check=False)

    assert told.format(name=name) in said.stdout
    a.run(script("firewall", "reload"))
    a.run(script("firewall", "check"))


def test_a_load_that_was_cut_off_leaves_the_old_rules_and_the_next_one_ends_clean(a: Host, tmp_path: Path) -> None:
    a.lay(tree(tmp_path / "long", f"{LIST}{long_list(9000)}"))
    a.run(script("firewall", "up"))
    a.lay(tree(tmp_path / "next", f"{long_list(12000)}"))
    half = "source /usr/lib/netc/steps.bash firewall none; source /usr/lib/netc/pieces.bash; load_pieces"
    a.run(["bash", "-c", half])

    assert denies(a, 4, DENIED[0])
    assert a.run(script("firewall", "check"), check=False).returncode == 1
    a.run(script("firewall", "reload"))
    assert not denies(a, 4, DENIED[0])
    a.run(script("firewall", "check"))


MOST = 64 * 1024
"""KiB that the largest process of `up`, `reload` and `check` may hold, with 400,000 prefixes."""


def held(host: Host, parts: Iterable[str], verb: str, status: int = 0) -> dict[str, int]:
    """KiB of the largest process of each part's script (getrusage(2)), where that is too much."""
    found = {}
    for part in parts:
        done = host.run([sys.executable, "-ISc", SPAWN, "1", *script(part, verb)])
        _, kib, code = done.stdout.split()[-3:]
        assert int(code) == status, done.stdout[-2000:] + done.stderr[-2000:]
        found[f"{part} {verb}"] = int(kib)
    return {what: kib for what, kib in found.items() if kib > MOST}


@pytest.mark.netfilters
def test_400_000_prefixes_take_64_mib(a: Host, tmp_path: Path) -> None:
    many, parts = long_list(400_000), ("set-bad", "firewall")
    a.lay(tree(tmp_path / "long", f"{many}{LATER[0]}\n{LATER[1]}\n"))
    assert held(a, parts, "up") == {}
    assert held(a, parts, "check") == {}
    assert is_listed(a, 4, LATER[0])
    assert is_listed(a, 6, LATER[1])
    assert not is_listed(a, 4, SPARED[0])

    a.run(["ipset", "flush", "bad4"])
    if is_nft(a):
        for name in list(loaded_pieces(a))[::20]:
            a.run(["nft", "flush", "set", "inet", "netc", name])
    assert held(a, parts[: 1 + is_nft(a)], "check", status=1) == {}
    a.lay(tree(tmp_path / "next", f"{many}{DENIED[0]}\n"))
    assert held(a, parts, "reload") == {}
    assert is_listed(a, 4, DENIED[0])
    assert not is_listed(a, 4, LATER[0])


def is_nft(host: Host) -> bool:
    return "nft" in host.read("/etc/netc/parts/firewall/up")


def is_listed(host: Host, family: int, address: str) -> bool:
    return denies(host, family, address) if is_nft(host) else has(host, f"bad{family}", address)
