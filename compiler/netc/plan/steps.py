"""The steps of a part. `up` runs them in this order, `down` in the reverse of it."""

from __future__ import annotations

from collections.abc import Iterator

from netaddr import IPNetwork

from netc.language.names import ProtocolName
from netc.language.values import Family
from netc.network.derive import MAIN
from netc.network.forwards import MARK_MASK
from netc.plan.bgp import Router
from netc.plan.devices import device_steps
from netc.plan.host_plan import (
    Address,
    Carrier,
    Congestion,
    Flowtable,
    KeptRoute,
    LinkSetting,
    Loopback,
    Loose,
    Namespace,
    Part,
    PastDocker,
    Route,
    Rule,
    WayPastDocker,
)
from netc.plan.lists import ipset_names, ipset_path
from netc.plan.ruleset import AddressSet, Ruleset
from netc.plan.step import (
    IPPROTO,
    PROTOCOL,
    Command,
    Falls,
    Step,
    Word,
    address_shown,
    bare,
    ip,
    link_shown,
    route_shown,
    rule_shown,
)


def steps(part: Part) -> tuple[Step, ...]:
    """Every step of `part`, in groups that belong together."""
    return (
        *(_forwarding(part)),
        *map(_congestion, part.congestion),
        *(step for namespace in part.namespaces for step in _namespace(namespace)),
        *map(_ipset, part.ipsets),
        *(step for ruleset in part.rulesets for step in _groups(ruleset)),
        *(step for ruleset in part.rulesets for step in _ruleset(ruleset)),
        *(step for device in part.devices for step in device_steps(device)),
        *map(_setting, part.settings),
        *map(_address, part.addresses),
        *map(_carrier, part.carriers),
        *map(_route, part.routes),
        *map(_kept, part.kept),
        *map(_loose, part.loose),
        *map(_rule, part.rules),
        *map(_flowtable, part.flowtables),
        *map(_past_docker, part.past_docker),
        *map(_loopback, part.loopbacks),
        *(step for router in part.routers for step in _bird(router)),
    )


def _forwarding(part: Part) -> Iterator[Step]:
    if part.forwarding:
        path = "/etc/sysctl.d/60-netc.conf"
        yield Step(
            up=("sysctls", path),
            down=("keep_sysctls", path),
            holds=(("are_set", path),),
        )


def _congestion(congestion: Congestion) -> Step:
    return Step(
        up=("congestion", congestion.control, congestion.queue),
        down=("congestion_before", congestion.control, congestion.queue),
        holds=(("speed_is", congestion.control),),
    )


def _namespace(namespace: Namespace) -> Iterator[Step]:
    yield Step(
        up=("ip", "netns", "add", namespace.name),
        down=("ip", "netns", "delete", namespace.name),
        holds=(("exists", f"/run/netns/{namespace.name}"),),
    )
    yield Step(
        up=ip(namespace.name, "link", "set", "dev", "lo", "up"),
        down=Falls(namespace.name),
        holds=(link_shown(namespace.name, "lo", "UP"),),
    )


def _ipset(found: AddressSet) -> Step:
    return Step(
        up=("ipset", "restore", "-file", ipset_path(found)),
        down=("remove_sets", *ipset_names(found)),
        holds=(("members_are", ipset_path(found)),),
    )


def ruleset_path(ruleset: Ruleset) -> str:
    return f"/etc/netc/namespaces/{ruleset.namespace}.nft" if ruleset.namespace else "/etc/netc/nftables.nft"


PROGRAMS: dict[Family, str] = {4: "iptables", 6: "ip6tables"}


def rules_path(ruleset: Ruleset, family: Family) -> str:
    """As ruleset_path, where the packet filter is iptables'."""
    place = f"namespaces/{ruleset.namespace}." if ruleset.namespace else ""
    return f"/etc/netc/{place}{PROGRAMS[family]}.rules"


def groups_path(ruleset: Ruleset) -> str | None:
    """The groups that a ruleset names, as sysusers.d(5) has them; None where it names none."""
    return "/etc/sysusers.d/netc.conf" if any(split.group for split in ruleset.splits) else None


def control_groups(ruleset: Ruleset) -> tuple[str, ...]:
    """Folders below /sys/fs/cgroup that a ruleset names."""
    return tuple(sorted({split.slice.control_group for split in ruleset.splits if split.slice}))


def _groups(ruleset: Ruleset) -> Iterator[Step]:
    if path := groups_path(ruleset):
        yield Step(
            up=("make_groups", path),
            down=("keep_groups", path),
            holds=(("groups_are", path),),
        )


def loading(ruleset: Ruleset) -> tuple[Command, ...]:
    """The commands that put it in the place of what is there, if anything is."""
    place = ruleset.namespace
    if ruleset.netfilter == "iptables":
        families = ((program, rules_path(ruleset, family)) for family, program in PROGRAMS.items())
        return tuple(("load_tables", program, path, *((place,) if place else ())) for program, path in families)
    enter: Command = ("ip", "netns", "exec", place) if place else ()
    return ((*enter, "nft", "-f", ruleset_path(ruleset)),)


def _loaded(ruleset: Ruleset) -> tuple[Command, ...]:
    """What asks whether each of `loading` still holds."""
    place = (ruleset.namespace,) if ruleset.namespace else ()
    if ruleset.netfilter == "iptables":
        return tuple(
            ("tables_are", program, rules_path(ruleset, family), *place) for family, program in PROGRAMS.items()
        )
    return (("rules_are", ruleset_path(ruleset), *place),)


def _ruleset(ruleset: Ruleset) -> Iterator[Step]:
    held = control_groups(ruleset)
    if held:
        yield Step(
            up=("make_control_groups", *held),
            down=("remove_control_groups", *held),
            holds=(("control_groups_are",),),
            why="They are looked up when rules are loaded, and systemd takes what it finds.",
        )
    removing: list[Command] = [("nft", "delete", "table", "inet", "netc")]
    if ruleset.netfilter == "iptables":
        removing = [("remove_tables", program) for program in PROGRAMS.values()]
    why = "The guard stands before there is anything to guard." if ruleset.namespace else ""
    for load, remove, asked in zip(loading(ruleset), removing, _loaded(ruleset), strict=True):
        yield Step(load, Falls(ruleset.namespace) if ruleset.namespace else remove, (asked,), why=why)
        why = ""
    if held:
        yield Step(
            up=("remember_control_groups",),
            down=("forget_control_groups",),
            holds=(("control_groups_are",),),
            why="One that is made anew has another number, and `hold` compares.",
        )
    if ruleset.sends_ports_elsewhere:
        yield Step(
            up=("remember_ports",),
            down=("forget_ports",),
            holds=(("ports_are_remembered",),),
            why="A reload compares.",
        )


OFFLOAD_PATH = "/etc/netc/offload.nft"


def _flowtable(table: Flowtable) -> Step:
    return Step(
        up=("offload", OFFLOAD_PATH, *table.devices),
        down=("nft", "delete", "table", "inet", "netc_offload"),
        holds=(("shortcut_is", OFFLOAD_PATH, *table.devices),),
    )


def _past_docker(pass_: PastDocker | WayPastDocker) -> Step:
    if isinstance(pass_, WayPastDocker):
        way = (pass_.entering, pass_.leaving)
        return Step(
            up=("way_past_docker", "add", *way),
            down=("way_past_docker", "remove", *way),
            holds=(("docker_lets_way", *way),),
        )
    ports = f"{pass_.ports.first}:{pass_.ports.last}"
    flow: Command = (IPPROTO[pass_.ports.protocol], pass_.on, ports, pass_.to)
    return Step(
        up=("past_docker", "add", *flow),
        down=("past_docker", "remove", *flow),
        holds=(("docker_lets", *flow),),
    )


def _setting(setting: LinkSetting) -> Step:
    path = f"net/{setting.family}/conf/{setting.device}/{setting.key}"
    words = (path, setting.value, *((setting.namespace,) if setting.namespace else ()))
    return Step(
        up=("setting", *words),
        down=Falls(setting.device),
        holds=(("is_set", *words),),
    )


def _flag(family: int) -> str:
    return f"-{family}"


def _address(address: Address) -> Step:
    verb = "replace" if address.again else "add"
    words: Command = ("address", verb, address.network, "dev", address.device, *(("nodad",) if address.nodad else ()))
    return Step(
        up=ip(address.namespace, _flag(address.network.version), *words),
        down=Falls(address.device),
        holds=(address_shown(address.namespace, address.device, address.network),),
    )


def _carrier(carrier: Carrier) -> Step:
    size: Command = ("mtu", carrier.mtu) if carrier.mtu else ()
    return Step(
        up=ip(carrier.namespace, "link", "set", "dev", carrier.device, *size, "up"),
        down=Falls(carrier.device),
        holds=(link_shown(carrier.namespace, carrier.device, "UP", *((f"mtu {carrier.mtu}",) if carrier.mtu else ())),),
    )


def _loopback(loopback: Loopback) -> Step:
    flag = _flag(loopback.network.version)
    return Step(
        up=ip(None, flag, "address", "add", loopback.network, "dev", "lo"),
        down=("remove_address", loopback.network),
        holds=(address_shown(None, "lo", loopback.network),),
    )


BIRD_PATH = "/etc/netc/bird.conf"
BIRD_PASSWORDS = "/run/netc/bird.passwords"
BIRD_SWITCHES = "/run/netc/bird.switches"
BIRD_PID = "/run/netc/bird-keeper.pid"
"""Where bird.bash keeps the id of the process that keeps the daemon running."""


def bird_passwords(router: Router) -> Iterator[Step]:
    for session in router.sessions:
        if session.password:
            yield Step(
                up=("bird_password", session.name, session.password),
                down=("no_bird_password", session.name),
                holds=(("exists", f"{BIRD_PASSWORDS}/{session.name}"),),
            )


def bird_switches(router: Router) -> tuple[ProtocolName, ...]:
    """Protocols that others turn on and off while BIRD runs."""
    return tuple(name for one in router.anycast for name in (one.name, one.draining) if name)


def _bird(router: Router) -> Iterator[Step]:
    yield from bird_passwords(router)
    if names := bird_switches(router):
        yield Step(
            up=("switches", "off", *names),
            down=("no_switches",),
            holds=tuple(("exists", f"{BIRD_SWITCHES}/{name}") for name in names),
        )
    yield Step(
        up=("start_bird", BIRD_PATH),
        down=("end_bird",),
        holds=(("bird_runs", BIRD_PATH),),
    )


MAIN_TABLE = 254
"""linux/rtnetlink.h, RT_TABLE_MAIN."""
EVERYTHING = {4: IPNetwork("0.0.0.0/0"), 6: IPNetwork("::/0")}

WORST = 4278198272
"""The metric of a route of last resort (uint32); a device's own default is better."""


def _route(route: Route) -> Step:
    if route.device is None:
        table: Command = ("table", route.table) if route.table else ()
        refusal: Command = ("unreachable", "default", "metric", WORST, *table, "protocol", PROTOCOL)
        return Step(
            up=ip(route.namespace, _flag(route.to.version), "route", "add", *refusal),
            down=ip(route.namespace, _flag(route.to.version), "route", "delete", *refusal),
            holds=(route_shown(route.namespace, route.to, f"metric {WORST}", f"table {route.table or MAIN_TABLE}"),),
        )
    to: Word = "default" if route.to.prefixlen == 0 else route.to
    shown = route_shown(route.namespace, route.to, *_way(route, route.device))
    if route.again:
        return Step(
            up=("instead", _flag(route.to.version), to, "dev", route.device, "protocol", PROTOCOL),
            down=Falls(route.device),
            holds=(shown,),
        )
    words: Command = ("route", "add", to)
    other: Command = ("inet6",) if route.via and route.via.version != route.to.version else ()
    words += ("via", *other, route.via) if route.via else ()
    words += ("dev", route.device)
    words += ("src", route.source) if route.source else ()
    words += ("table", route.table) if route.table else ()
    return Step(
        up=ip(route.namespace, _flag(route.to.version), *words, "protocol", PROTOCOL),
        down=Falls(route.device),
        holds=(shown,),
    )


def _way(route: Route, device: str) -> Iterator[str]:
    """As `ip route show` says it."""
    if route.via:
        yield f"via {'inet6 ' if route.via.version != route.to.version else ''}{route.via}"
    yield f"dev {device}"
    if route.source:
        yield f"src {route.source}"
    yield f"table {route.table or MAIN_TABLE}"


def kept_words(kept: KeptRoute) -> Command:
    """The route as `ip route` takes it, after the family."""
    words: Command = ("default", *(("via", kept.via) if kept.via else ()), "dev", kept.device)
    words += ("onlink",) if kept.onlink else ()
    words += ("src", kept.source) if kept.source else ()
    return (*words, "table", kept.table, "protocol", PROTOCOL)


def _kept(kept: KeptRoute) -> Step:
    flag = _flag(kept.family)
    way = (*((f"via {kept.via}",) if kept.via else ()), f"dev {kept.device}", f"table {kept.table}")
    shown = route_shown(None, EVERYTHING[kept.family], *way)
    return Step(
        up=("keep", flag, *kept_words(kept)),
        down=("ip", flag, "route", "flush", "table", kept.table, "dev", kept.device, "protocol", PROTOCOL),
        holds=(("keeps", flag, kept.device, kept.source or "-", *shown),),
    )


def _loose(loose: Loose) -> Step:
    return Step(
        up=("loosen", loose.device),
        down=("tighten", loose.device),
        holds=(("is_loose", loose.device),),
        why="Whoever dials this uplink and is passed on is answered by it: strict reverse path filtering cannot know.",
    )


def _rule(rule: Rule) -> Step:
    match_: Command = ("from", rule.source or "all")
    match_ += ("to", rule.to) if rule.to else ()
    match_ += ("iif", rule.device) if rule.device else ()
    if rule.mark is not None:
        match_ += ("fwmark", f"{rule.mark:#010x}/{MARK_MASK:#010x}")
    if rule.source_ports:
        match_ += ("ipproto", IPPROTO[rule.source_ports.protocol], "sport", rule.source_ports.span)
    there: Command = ("unreachable",)
    if rule.table is not None:
        there = ("lookup", "main" if rule.table == MAIN else rule.table)
    there += ("suppress_prefixlength", 0) if rule.specific else ()
    words = ("priority", rule.priority, *match_, *there, "protocol", PROTOCOL)
    return Step(
        up=ip(rule.namespace, _flag(rule.family), "rule", "add", *words),
        down=Falls(rule.namespace) if rule.namespace else ip(None, _flag(rule.family), "rule", "delete", *words),
        holds=(rule_shown(rule.namespace, rule.family, rule.priority, *_matches(rule)),),
    )


def _matches(rule: Rule) -> Iterator[str]:
    """As `ip rule show` says it; that it refuses, an old one says in a word and a new one in a number."""
    yield f"from {bare(rule.source) if rule.source else 'all'}"
    if rule.to:
        yield f"to {bare(rule.to)}"
    if rule.device:
        yield f"iif {rule.device}"
    if rule.mark is not None:
        yield f"fwmark {rule.mark:#x}/{MARK_MASK:#x}"
    if rule.source_ports:
        yield f"ipproto {IPPROTO[rule.source_ports.protocol]}"
        yield f"sport {rule.source_ports.span}"
    if rule.table is not None:
        yield f"lookup {MAIN_TABLE if rule.table == MAIN else rule.table}"
    if rule.specific:
        yield "suppress_prefixlength 0"
