"""Nothing is planned and then forgotten, and nothing is named that is not there."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from hypothesis import Phase, example, given, settings
from msgspec import Struct
from msgspec.structs import replace
from netaddr import IPAddress, IPNetwork

import night
from examples import EXAMPLES, OUT
from netc.emit import emit
from netc.emit.file import File
from netc.emit.host import SAME_ON_EVERY_HOST
from netc.language.kinds import Kind
from netc.language.names import HostName, HostPath, Label, Name, PartName, ProtocolName
from netc.language.values import Endpoint, Port, Ports
from netc.network.derive import MAIN
from netc.network.interface import Peer
from netc.plan import bgp, host_plan, ruleset
from netc.plan.facts import FACTS, Address, Fact, Router, Ruleset, docker
from netc.plan.host_plan import HostPlan, Part, Share
from netc.plan.join import join
from netc.plan.text import as_text
from netc.verify import Outcome, verify_all
from test_mirror import drawn_plans, plans
from topologies import FULL, key

Files = dict[str, File]


def full() -> HostPlan:
    """FULL's first host. A topology has one IGP; the plan has both, and what only a BIRD of later has."""
    plan = drawn_plans(FULL)[0]
    parts = tuple(replace(part, facts=tuple(map(with_all_of_bird, part.facts))) for part in plan.parts)
    return replace(plan, parts=parts, target="debian-13")


def with_all_of_bird(router: Fact) -> Fact:
    if isinstance(router, Address) and router.network.version == 4:
        return replace(router, peer=IPAddress("172.22.119.1"))
    if not isinstance(router, Router):
        return router
    assert router.system
    (server, *files) = router.system.roa
    roa = (replace(server, password=HostPath("/etc/netc/keys/rtr")), *files)
    sessions = [replace(one, send_hold=480, requires=("as4", "extended-next-hop")) for one in router.sessions]
    private: dict[str, Any] = {"private_asns": (64512,), "begins": (64515, 64512)}
    sessions = [replace(one, **private) if one.kind == "upstream" else one for one in sessions]
    # Behind other routers, by one of several uplinks.
    hops: dict[str, Any] = {"hops": 2, "uplink": 12001, "own_hops": (IPNetwork("192.0.2.0/24"),)}
    upstream = next(one for one in sessions if one.kind == "upstream")
    sessions.append(
        replace(upstream, name=ProtocolName("peer_far"), direct=False, device=None, shared=False, gtsm=False, **hops)
    )
    # At an exchange, where a session over IPv6 carries IPv4 too.
    sessions = [replace(one, remote=IPAddress("2a99::9")) if one.shared else one for one in sessions]
    shared = next(one for one in sessions if one.shared)
    lan = {"lan": IPNetwork("2a99::/64"), "shared": False}
    sessions.append(
        replace(shared, name=ProtocolName("peer_rs"), kind="route-server", remote=IPAddress("2a99::8"), **lan)
    )
    ways: dict[str, Any] = {"extended_next_hop": True, "rtt_cost": 96, "password": HostPath("/etc/netc/keys/igp")}
    babel = (replace(way, kind="babel", bfd=False, next_hop=IPAddress("10.0.0.1"), **ways) for way in router.igp)
    system = replace(router.system, roa=roa, private_asns=(64512, 64513))
    outer = (IPAddress("192.0.2.9"), IPAddress("2001:db8::9"))
    return replace(router, system=system, sessions=tuple(sessions), igp=(*router.igp, *babel), outer=outer)


def files_of(plan: HostPlan) -> Files:
    return {file.path: file for file in emit(plan)}


# ---- every fact reaches a file -------------------------------------------------------------------------------


def facts() -> set[type]:
    """All records that a HostPlan can hold."""
    rooms = (host_plan, ruleset, bgp, docker)
    here = [v for room in rooms for v in vars(room).values() if getattr(v, "__module__", "") == room.__name__]
    records = {value for value in here if isinstance(value, type) and issubclass(value, Struct)}
    return (records | set(FACTS)) - {HostPlan, Share}


def variants(value: Any, owner: str) -> Iterator[tuple[str, Any]]:
    """`value` with one thing changed in it: what was changed (`Route.table`), and the whole with that."""
    if isinstance(value, Struct) and not isinstance(value, (Endpoint, Port, Ports)):
        for field in value.__struct_fields__:
            inside = variants(getattr(value, field), f"{type(value).__name__}.{field}")
            for number, (what, inner) in enumerate(inside):
                changed = replace(value, **{field: inner})
                yield what, changed
                if number == 0:
                    yield owner, changed
    elif isinstance(value, tuple) and not is_range(value):
        for index, each in enumerate(value):
            for what, inner in variants(each, owner):
                yield what, (*value[:index], inner, *value[index + 1 :])
        if value:
            yield owner, value[:-1]
    elif (changed := other(value)) is not None:
        yield owner, changed


def is_range(value: tuple[Any, ...]) -> bool:
    return len(value) == 2 and all(isinstance(end, int) for end in value)


OTHERS = {"tcp": "udp", "udp": "tcp", "ipv6": "ipv4", "part": "firewall", "nftables": "iptables", "ospf": "babel"}


def other(value: Any) -> Any:
    match value:
        case (int() as first, int() as last):
            return first, last + 1
        case None:
            return None
        case bool():
            return not value
        case Kind():
            return Kind.GRE if value != Kind.GRE else Kind.IPIP
        case int():
            return {4: 6, 6: 4}.get(value, value + 1)
        case Name() if value.endswith((".service", ".socket", ".slice")):
            return type(value)(f"x{value}")
        case Name() if value.endswith(".prom"):
            return type(value)(f"/x{value}")
        case Name() if len(value) == 44:
            return type(value)(key(value))
        case Name():
            return type(value)(f"{value}x")
        case str():
            return OTHERS.get(value, f"{value}x")
        case IPAddress():
            return value + 1
        case IPNetwork():
            return moved(value)
        case Port():
            return Port(value.number + 1, value.protocol)
        case Ports():
            return Ports(value.first, value.last + 1, value.protocol)
        case Endpoint():
            return Endpoint(value.host, (value.port or 0) + 1)
        case _:
            raise TypeError(f"no other value is known for {value!r}")


def moved(net: IPNetwork) -> IPNetwork:
    """Another prefix of another length."""
    ip = IPAddress(int(net.ip) ^ 1 << (30 if net.version == 4 else 120), net.version)
    return IPNetwork(f"{ip}/{max(net.prefixlen - 1, 1)}")


def test_every_fact_that_is_planned_reaches_a_file() -> None:
    """What is around a host is for walks alone."""
    around = ("Brought.", "HostPlan.around", "Image.", "Wire.")
    assert [what for what in silent(tried(emitted)) if not what.startswith(around)] == []


def tried(say: Callable[[HostPlan], object]) -> Iterator[tuple[str, bool]]:
    """What was changed, and whether that can be told. A whole plan takes twenty times as long as each part alone."""
    plan = full()
    parts = (
        *plan.parts,
        *(replace(part, facts=tuple(map(opened, part.facts))) for part in plan.parts if part.every(Ruleset)),
        *(replace(part, facts=tuple(map(opened, part.facts))) for part in plan.parts if part.every(Router)),
    )
    pieces = (replace(plan, parts=()), *(replace(plan, parts=(part,), confined=()) for part in parts))
    for piece in pieces:
        before = say(piece)
        yield from ((what, say(changed) != before) for what, changed in variants(piece, "HostPlan"))


def test_every_fact_of_a_packet_filter_reaches_the_rules_of_iptables() -> None:
    """But what a list holds: that is an ipset, a part of its own."""
    loaded = [replace(r, netfilter="iptables") for part in full().parts for r in part.every(Ruleset)]
    heard = [one for rules in (*loaded, *map(opened, loaded)) for one in in_iptables(rules)]

    # Who sends a packet is not known to iptables: the guard has root's.
    assert silent(heard) == ["AddressSet.v4", "AddressSet.v6", "SplitTunnel.takes_root"]


def in_iptables(rules: Fact) -> Iterator[tuple[str, bool]]:
    assert isinstance(rules, Ruleset)
    plan = iptables_alone(rules)
    before = emit(plan)
    (part,) = plan.parts
    for what, changed in variants(part.facts, "Part"):
        yield what, emitted(replace(plan, parts=(replace(part, facts=changed),))) != before


def opened(fact: Fact) -> Fact:
    """Without a filter that drops by default, other rules decide; in the main table, which routes cut tunnels off."""
    if isinstance(fact, Router):
        return replace(fact, table=MAIN)
    return replace(fact, filter=None) if isinstance(fact, Ruleset) else fact


def iptables_alone(rules: Ruleset) -> HostPlan:
    part = Part(PartName("firewall"), rules.origin, "a filter", facts=(rules,), kind="firewall")
    return HostPlan(Label("net"), HostName("a"), (part,), ())


def silent(tried: Iterable[tuple[str, bool]]) -> list[str]:
    """What changed nothing wherever it was changed."""
    heard: dict[str, bool] = {}
    for what, matters in tried:
        heard[what] = heard.get(what, False) or matters
    return sorted(what for what, matters in heard.items() if not matters)


def emitted(plan: HostPlan) -> tuple[File, ...] | None:
    """None when an emitter refuses, which is no silence."""
    try:
        return emit(plan)
    except TypeError:
        return None


def test_every_field_of_every_fact_is_tried() -> None:
    """A new fact belongs into FULL."""
    tried = {what for what, _ in variants(full(), "HostPlan")}
    wanted = {f"{fact.__name__}.{field}" for fact in (*facts(), HostPlan, Peer) for field in fact.__struct_fields__}

    assert sorted(wanted - tried) == []


def test_every_fact_can_be_shown() -> None:
    """All but where a part comes from, which `about` says, and its kind, which is its name."""
    assert silent(tried(as_text)) == ["Part.kind", "Part.origin"]


# ---- what is named is there ----------------------------------------------------------------------------------

NAMED = re.compile(
    r"(?<![\w$/-])/(?:etc/(?:netc|netns|sysctl\.d|sysusers\.d)|usr/lib/netc)(?:/[\w.@+:=-]*[\w@+=-])+(?![\w$/-])"
)
"""A whole path; one that goes on with a variable is some other's to know."""

ON_THE_HOST = ("/etc/netc/keys/", "/etc/sysctl.d/61-netc-ra.conf")
"""Secrets are brought by their owner, and which interfaces live by router advertisements the host finds out."""


def named_files(files: Files) -> Iterator[str]:
    for path, file in files.items():
        if path in SAME_ON_EVERY_HOST:  # names what may be there
            continue
        for line in file.text.splitlines():
            if not line.startswith("#") and "[[ -e /" not in line:  # to ask for a file is not to need it
                yield from (path for path in NAMED.findall(line) if not path.startswith(ON_THE_HOST))


def missing_files(files: Files) -> list[str]:
    return sorted({path for path in named_files(files) if f"files{path}" not in files})


def units_of(files: Files) -> dict[str, str]:
    found = ((re.search(r"/systemd/system/([^/]+)$", path), file) for path, file in files.items())
    return {match[1]: file.text for match, file in found if match}


def missing_units(files: Files) -> list[str]:
    """systemd says nothing when a unit that it should wait for is nowhere."""
    units = units_of(files)
    texts = [file.text for path, file in files.items() if "/systemd/system/" in path]
    named = {
        unit
        for text in texts
        for line in re.findall(r"(?m)^[A-Z][A-Za-z]+=(.*)$", text)
        for unit in re.findall(r"\bnetc(?:-[a-z0-9-]+)?\.(?:service|timer|target|socket|path)\b", line)
    }
    # A timer starts the service of its own name.
    named |= {unit.replace(".timer", ".service") for unit in units if unit.endswith(".timer")}
    return sorted(named - units.keys())


@given(plans)
def test_every_file_that_is_named_is_written(hosts: tuple[HostPlan, ...]) -> None:
    for plan in hosts:
        assert missing_files(files_of(plan)) == []


@given(plans)
def test_every_unit_that_is_waited_for_is_written(hosts: tuple[HostPlan, ...]) -> None:
    for plan in hosts:
        assert missing_units(files_of(plan)) == []


def out_hosts() -> Iterator[tuple[str, Files]]:
    for topology in EXAMPLES:
        for host in sorted(path for path in (OUT / topology.stem).iterdir() if path.is_dir()):
            paths = [path for path in host.rglob("*") if path.is_file()]
            files = [File(str(path.relative_to(host)), path.read_text()) for path in paths]
            yield f"{topology.stem}/{host.name}", {file.path: file for file in files}


def test_files_and_units_that_out_names_are_in_out() -> None:
    hosts = dict(out_hosts())

    assert {name: missing_files(files) for name, files in hosts.items() if missing_files(files)} == {}
    assert {name: missing_units(files) for name, files in hosts.items() if missing_units(files)} == {}


def test_a_missing_file_is_found() -> None:
    files = files_of(full())
    for_nobody = {
        *SAME_ON_EVERY_HOST,
        "MANIFEST",
        "POLICY.md",
        "install",
        "files/etc/netc/expected",
        "files/etc/netc/order",
        "files/etc/netc/secrets",
        "files/etc/netc/target",
        "files/etc/netc/walks",
        "files/etc/iproute2/rt_protos.d/netc.conf",
        "files/etc/iproute2/rt_tables.d/netc.conf",
        "files/etc/systemd/network/10-netc.network",
        "files/etc/systemd/networkd.conf.d/50-netc.conf",
        "files/usr/local/bin/t",
    }
    lost = {
        path
        for path in files
        if missing_files(rest := {p: f for p, f in files.items() if p != path}) or missing_units(rest)
    }
    drop_ins = {path for path in files if re.search(r"\.(service|socket|slice)\.d/50-netc", path)}
    of_netc_host = r"files/etc/netc/(parts/[^/]+/check|sets/[^/]+/[^/]+\.nft)"
    read_by_netc_host = {path for path in files if re.fullmatch(of_netc_host, path)}

    assert files.keys() - lost == for_nobody | drop_ins | read_by_netc_host


@given(plans)
def test_every_file_is_used_by_another(hosts: tuple[HostPlan, ...]) -> None:
    """A script that nothing runs and a ruleset that nothing loads are left from something."""
    for plan in filter(lambda plan: plan.parts, hosts):
        files = files_of(plan)
        named = set(named_files(files))
        of_netc = r"netc/(expected|order|secrets|target|walks|wireguard/.*|parts/[^/]+/check|sets/[^/]+/[^/]+\.nft)"
        apart = rf"files/(etc/({of_netc}|(systemd|iproute2|sysctl\.d|netns)/.*)|usr/local/b.*)"
        orphans = [
            path
            for path in files
            if path.startswith("files/") and path.removeprefix("files") not in named and not re.fullmatch(apart, path)
            if path not in SAME_ON_EVERY_HOST
        ]

        assert orphans == []


# ---- parts and files -----------------------------------------------------------------------------------------

SHARED = re.compile(
    r"MANIFEST|install|files/(usr/(lib/netc|local/sbin)/.*|etc/iproute2/.*"
    r"|etc/netc/(expected|order|secrets|target|walks)"
    r"|etc/systemd/(system/netc(\.target|-back\.service|-(check-)?\.service\.d/.*)|network/.*|networkd\.conf\.d/.*))"
)


def alone(plan: HostPlan, part: Part) -> set[str]:
    return {path for path in files_of(replace(plan, parts=(part,), confined=())) if not SHARED.fullmatch(path)}


@given(plans)
def test_a_file_belongs_to_one_part(hosts: tuple[HostPlan, ...]) -> None:
    for plan in hosts:
        owners = Counter(path for part in plan.parts for path in alone(plan, part))
        paths = [file.path for file in emit(plan)]
        rest = {path for path in paths if not SHARED.fullmatch(path) and path not in owners}

        assert [path for path, count in owners.items() if count > 1] == []
        assert len(set(paths)) == len(paths)
        assert all("/50-netc" in path for path in rest)


@given(plans)
def test_the_files_of_a_part_do_not_depend_on_other_parts(hosts: tuple[HostPlan, ...]) -> None:
    """So a change touches the parts that it changes and no other."""
    for plan in hosts:
        whole = files_of(plan)
        for part in plan.parts:
            lone = files_of(replace(plan, parts=(part,), confined=()))

            assert {p: lone[p].text for p in alone(plan, part)} == {p: whole[p].text for p in alone(plan, part)}


def test_a_part_comes_after_its_dependencies_whatever_its_name_is() -> None:
    first, then, last = (Part(PartName(name), ("x",), name) for name in ("z", "a", "b"))
    share = Share(parts=(replace(then, after=(first.name,)), last, first))

    assert [part.name for part in join(Label("net"), HostName("a"), "nftables", [share]).parts] == ["b", "z", "a"]


# ---- the judges ----------------------------------------------------------------------------------------------


# To make a failure smaller would take minutes.
@settings(max_examples=night.number(20), phases=[Phase.explicit, Phase.generate])
@example(drawn_plans(FULL))
@given(plans)
def test_judges_fail_no_file_of_a_plan(hosts: tuple[HostPlan, ...]) -> None:
    files = {plan.host: tuple(file for file in emit(plan) if file.path not in SAME_ON_EVERY_HOST) for plan in hosts}
    said = [v for _, _, verdicts in verify_all(files.items()) for v in verdicts]

    assert [f"{v.subject}: {v.detail}" for v in said if v.outcome == Outcome.FAILED] == []
