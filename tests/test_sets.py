"""Sets of addresses: as netaddr would have them, whatever form they are written in, and the same in every file."""

from __future__ import annotations

import ipaddress
import itertools
import re
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from netaddr import IPAddress, IPNetwork, IPRange, IPSet, cidr_merge

from examples import ROOT
from netc.diagnostic import InvalidTopology
from netc.language.lists import SHOWN, AddressList, read_list
from netc.language.names import HostName, SetName
from netc.language.sets import BUILTIN
from netc.language.values import Family, Range
from netc.network.interface import Network
from netc.network.ranges import BITS, Ranges, blocks, holds, merged, minus, prefixes
from netc.network.sets import members
from netc.pipeline import compile_hosts, understand

# ---- arithmetic ----------------------------------------------------------------------------------------------


@st.composite
def ranges_of(draw: st.DrawFn, family: Family) -> list[Range]:
    """Near each other and at the ends of the address space, so that they overlap and touch."""
    last = 2 ** BITS[family] - 1
    near = st.sampled_from((0, 2**31, 3 * 2**20, last - 40))
    found = []
    for _ in range(draw(st.integers(0, 8))):
        first = draw(near) + draw(st.integers(0, 40))
        found.append((first, min(last, first + draw(st.sampled_from((0, 0, 1, 2, 7, 31, 2**16))))))
    return found


def as_set(ranges: Iterable[Range], family: Family) -> IPSet:
    found = IPSet()
    for first, last in ranges:
        found.update(IPSet(IPRange(IPAddress(first, family), IPAddress(last, family))))
    return found


families = st.sampled_from((4, 6))


@given(st.data(), families)
def test_merged_and_minus_agree_with_netaddr(data: st.DataObject, family: Family) -> None:
    some, taken = data.draw(ranges_of(family)), data.draw(ranges_of(family))

    assert as_set(merged(some), family) == as_set(some, family)
    assert as_set(minus(merged(some), merged(taken)), family) == as_set(some, family) - as_set(taken, family)
    assert is_apart(merged(some))
    assert is_apart(minus(merged(some), merged(taken)))


def is_apart(ranges: Ranges) -> bool:
    """Sorted, and none overlaps or touches the next."""
    return all(one[1] + 1 < other[0] for one, other in itertools.pairwise(ranges))


@given(st.data(), families)
def test_prefixes_are_as_few_as_netaddr_makes_them(data: st.DataObject, family: Family) -> None:
    some = data.draw(ranges_of(family))
    nets = cidr_merge([net for first, last in some for net in as_set([(first, last)], family).iter_cidrs()])

    assert [IPNetwork(f"{IPAddress(first, family)}/{length}") for first, length in blocks(merged(some), family)] == nets
    assert [IPNetwork(text) for text in prefixes(merged(some), family)] == nets


def test_the_whole_address_space_is_one_prefix() -> None:
    assert list(prefixes(((0, 2**32 - 1),), 4)) == ["0.0.0.0/0"]
    assert list(prefixes(((0, 2**128 - 1),), 6)) == ["::/0"]


@given(st.data(), families, st.integers(0, 80))
def test_holds_agrees_with_netaddr(data: st.DataObject, family: Family, at: int) -> None:
    some = data.draw(ranges_of(family))
    address = IPAddress(3 * 2**20 + at - 20, family)

    assert holds(merged(some), address) == (address in as_set(some, family))


# ---- lists ---------------------------------------------------------------------------------------------------


def held(found: AddressList) -> IPSet:
    return as_set(merged(found.v4), 4) | as_set(merged(found.v6), 6)


@st.composite
def lines(draw: st.DrawFn) -> tuple[str, IPSet]:
    """An entry as lists have it, and what it means."""
    family: Family = draw(families)
    number = draw(st.integers(0, 2 ** BITS[family] - 2**17))
    address = IPAddress(number, family)
    if family == 6 and address.is_ipv4_mapped():
        return "", IPSet()
    form = draw(st.sampled_from(("address", "prefix", "range", "nothing")))
    if form == "prefix":
        net = IPNetwork(f"{address}/{draw(st.integers(0, BITS[family]))}").cidr
        if family == 6 and net.ip.is_ipv4_mapped():
            return "", IPSet()
        text = draw(st.sampled_from((str(net), str(net).upper())))
        return text, IPSet([net])
    if form == "range":
        last = address + draw(st.integers(0, 2**16))
        between = draw(st.sampled_from(("-", " - ")))
        return f"{address}{between}{last}", IPSet(IPRange(address, last))
    return (str(address), IPSet([address])) if form == "address" else ("", IPSet())


@given(
    st.lists(st.tuples(lines(), st.sampled_from(("", "  ", "\t")), st.sampled_from(("", " # a", ";b", " # 1.2.3.4"))))
)
def test_a_list_is_read_in_every_form(drawn: list[tuple[tuple[str, IPSet], str, str]]) -> None:
    wanted = IPSet()
    for (_, meant), _, _ in drawn:
        wanted.update(meant)
    for end in ("\n", "\r\n"):
        found = read_list("".join(f"{indent}{entry}{after}{end}" for (entry, _), indent, after in drawn))

        assert found.bad == ()
        assert held(found) == wanted


@given(st.text(st.sampled_from("0123456789abcdef.:/-#; \t\r\n%x,é١"), max_size=60))
def test_netaddr_reads_every_accepted_line_and_bad_ones_are_marked(text: str) -> None:
    found = read_list(text)

    for bad in found.bad:
        marked = text.split("\n")[bad.line - 1][bad.column - 1 : bad.end - 1]
        assert marked
        assert marked == marked.strip()
        assert bad.error.hint
        assert bad.source in text
    wrong = {bad.line for bad in found.bad}
    for number, line in enumerate(text.split("\n"), 1):
        entry = re.split("[#;]", line)[0].strip()
        if entry and number not in wrong and not found.more and "-" not in entry:
            assert IPNetwork(entry) in held(found)


def test_some_of_many_bad_lines_are_shown_and_the_rest_is_counted() -> None:
    found = read_list("no\n" * (SHOWN + 5) + "192.0.2.1\n")

    assert len(found.bad) == SHOWN
    assert found.more == 5
    assert found.v4 == ((3221225985, 3221225985),)


@pytest.mark.parametrize(
    "line", ["01.2.3.4", "1.2.3", "1.2.3.4/33", "1.2.3.4/024", "1.2.3.4/", "/8", "1.2.3.256", "-", "1.2.3.4-"]
)
def test_a_line_that_nft_reads_differently_is_refused(line: str) -> None:
    assert len(read_list(line).bad) == 1


# ---- sets ----------------------------------------------------------------------------------------------------

HEAD = """version = 1
network.name = "t"
hosts.b = { id = 2, addresses = "198.51.100.2/24" }
hosts.a = { id = 1, addresses = "198.51.100.1/24", firewall = { deny = "x" } }
"""

LIST = "192.0.2.0/25\r\n2001:db8::/32 ; all of it\n192.0.2.128-192.0.2.191\n"


def network(text: str) -> Network:
    return understand(HEAD + text, "topo.toml", {"some.list": LIST, "none.list": "# nothing\n"}.__getitem__).network


def members_of(text: str, name: str = "x") -> IPSet:
    found = network(text).sets[SetName(name)]
    return as_set(found.v4, 4) | as_set(found.v6, 6)


def test_a_set_has_its_files_prefixes_and_sets_without_those_of_minus() -> None:
    found = members_of(
        """
[sets.x]
files = "some.list"
prefixes = ["192.0.2.224/27", "10.0.0.0/8"]
sets = ["other", "linklocal"]
minus = ["10.0.0.0/9", "taken"]

[sets.other]
prefixes = "203.0.113.0/24"

[sets.taken]
prefixes = ["2001:db8:1::/48", "192.0.2.0/28"]
"""
    )
    wanted = ["192.0.2.16/28", "192.0.2.32/27", "192.0.2.64/26", "192.0.2.128/26", "192.0.2.224/27", "10.128.0.0/9"]

    assert found == IPSet([*wanted, "203.0.113.0/24", "169.254.0.0/16", "fe80::/10", "2001:db8::/32"]) - IPSet(
        ["2001:db8:1::/48"]
    )


def test_an_empty_set_is_an_error_unless_it_may_be_empty() -> None:
    with pytest.raises(InvalidTopology, match="1 problems"):
        network('sets.x.files = "none.list"')

    assert members_of('sets.x = { files = "none.list", may_be_empty = true }') == IPSet()


def files_of(text: str, host: str) -> dict[str, str]:
    found = dict(compile_hosts(network(text)))[HostName(host)]
    return {file.path.removeprefix("files"): file.text for file in found}


def test_an_empty_set_is_in_no_rule_and_admits_nobody() -> None:
    text = HEAD.replace('deny = "x"', 'allow = [{ from = "x", ports = "80/tcp" }]')
    checked = understand(f"{text}sets.x = {{ may_be_empty = true, ipset = true }}", "topo.toml", {}.__getitem__)
    files = {file.path: file.text for file in dict(compile_hosts(checked.network))[HostName("a")]}
    ruleset = files["files/etc/netc/nftables.nft"]

    assert "dport 80" not in ruleset
    assert "set" not in re.findall(r"(?m)^\t(\w+)", ruleset)
    assert "create -exist x4 hash:net family inet " in files["files/etc/netc/sets/x.ipset"]
    assert "create -exist x6 hash:net family inet6 " in files["files/etc/netc/sets/x.ipset"]


@pytest.mark.parametrize(("hosts", "there"), [("true", "ab"), ('"all"', "ab"), ('["b"]', "b"), ("false", "")])
def test_an_ipset_is_on_the_hosts_that_are_named(hosts: str, there: str) -> None:
    text = f'sets.x = {{ prefixes = "192.0.2.0/24", ipset = {hosts} }}'

    assert "".join(host for host in "ab" if "/etc/netc/sets/x.ipset" in files_of(text, host)) == there


def added(restore: str, name: str) -> list[IPNetwork]:
    return [IPNetwork(prefix) for prefix in re.findall(rf"(?m)^add {name}-new (\S+)$", restore)]


@given(st.data())
def test_rulesets_and_ipsets_hold_what_the_set_holds(data: st.DataObject) -> None:
    some = {family: merged(data.draw(ranges_of(family))) for family in (4, 6)}
    if not any(some.values()):
        return
    listed = [prefix for family, ranges in some.items() for prefix in prefixes(ranges, family)]
    text = f"{HEAD}sets.x = {{ files = 'l', ipset = true }}"
    checked = understand(text, "topo.toml", {"l": "\n".join(reversed(listed))}.__getitem__)
    files = {file.path.removeprefix("files"): file.text for file in dict(compile_hosts(checked.network))[HostName("a")]}

    for family, ranges in some.items():
        loaded = re.search(rf"set set{family}_x {{[^}}]*}}", files["/etc/netc/nftables.nft"])
        elements = loaded[0] if loaded else ""
        nets = [IPNetwork(one) for one in re.findall(r"(?m)^\s*([0-9a-f:.]+[:.][0-9a-f:./]*),?$", elements)]

        assert bool(loaded) == bool(ranges)
        assert IPSet(nets) == as_set(ranges, family)
        assert IPSet(added(files["/etc/netc/sets/x.ipset"], f"x{family}")) == as_set(ranges, family)
        assert len(cidr_merge(nets)) == len(nets)


def test_an_ipset_of_everything_has_two_halves() -> None:
    restore = files_of('sets.x = { prefixes = ["0.0.0.0/0", "::/0"], ipset = true }', "b")["/etc/netc/sets/x.ipset"]

    assert added(restore, "x4") == [IPNetwork("0.0.0.0/1"), IPNetwork("128.0.0.0/1")]
    assert added(restore, "x6") == [IPNetwork("::/1"), IPNetwork("8000::/1")]


# ---- sets that are always there ------------------------------------------------------------------------------


def test_no_bogon_is_an_address_of_the_internet() -> None:
    """As Python has IANA's registries."""
    for prefix in BUILTIN[SetName("bogons")]:
        net = ipaddress.ip_network(prefix)
        first = net.network_address

        is_younger_than_some_pythons = prefix in ("64:ff9b:1::/48", "3fff::/20", "5f00::/16")
        assert not first.is_global or first.is_multicast or is_younger_than_some_pythons


def test_bogons_include_private_and_linklocal_and_private_excludes_cgnat() -> None:
    found = network('sets.x = { prefixes = "192.0.2.0/24" }').sets

    assert not members([SetName("private"), SetName("linklocal")], found) - found[SetName("bogons")]
    assert IPAddress("100.64.0.1") in found[SetName("bogons")]
    assert IPAddress("100.64.0.1") not in found[SetName("private")]


def test_the_reference_names_every_builtin_set() -> None:
    text = (ROOT / "docs/reference/language.md").read_text()

    assert [name for name in BUILTIN if f"`{name}`" not in text] == []
