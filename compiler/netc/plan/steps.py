"""The steps of a part. `up` runs them in this order, `down` in the reverse of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import assert_never

from netaddr import IPAddress, IPNetwork

from netc.language.links import Kind
from netc.language.names import CredentialName, HostPath, Name
from netc.network.forwards import MARK_MASK
from netc.plan.host_plan import (
    Address,
    Bridge,
    Carrier,
    Device,
    Flowtable,
    KeptRoute,
    LinkSetting,
    Loose,
    Namespace,
    Part,
    PastDocker,
    PlainTunnel,
    Route,
    Rule,
    Veth,
    WayPastDocker,
    Wireguard,
)
from netc.plan.lists import ipset_names, ipset_path
from netc.plan.ruleset import AddressSet, Ruleset

PROTOCOL = 77
"""netc's routing protocol number (rtnetlink(7), rtm_protocol) and link group: what carries it is netc's."""

IPPROTO = {"tcp": 6, "udp": 17}
"""By number: a minimal Debian has no /etc/protocols to look the names up in."""

Word = str | int | Name | HostPath | CredentialName | IPAddress | IPNetwork
Command = tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Falls:
    """Taken back by taking back what it stands on: an address goes when its device goes."""

    on: str


@dataclass(frozen=True, slots=True)
class Step:
    """One change to a host, and the change that takes it back. `why` is printed where a reader would ask."""

    up: Command
    down: Command | Falls
    why: str = ""


def steps(part: Part) -> tuple[Step, ...]:
    """Every step of `part`, in groups that belong together."""
    return (
        *(_forwarding(part)),
        *(step for namespace in part.namespaces for step in _namespace(namespace)),
        *map(_ipset, part.ipsets),
        *map(_ruleset, part.rulesets),
        *(step for device in part.devices for step in _device(device)),
        *map(_setting, part.settings),
        *map(_address, part.addresses),
        *map(_carrier, part.carriers),
        *map(_route, part.routes),
        *map(_kept, part.kept),
        *map(_loose, part.loose),
        *map(_rule, part.rules),
        *map(_flowtable, part.flowtables),
        *map(_past_docker, part.past_docker),
    )


def ip(namespace: str | None, *words: Word) -> Command:
    return ("ip", *(("-n", namespace) if namespace else ()), *words)


def _forwarding(part: Part) -> Iterator[Step]:
    if part.forwarding:
        path = "/etc/sysctl.d/60-netc.conf"
        yield Step(
            up=("sysctls", path),
            down=("keep_sysctls", path),
        )


def _namespace(namespace: Namespace) -> Iterator[Step]:
    yield Step(
        up=("ip", "netns", "add", namespace.name),
        down=("ip", "netns", "delete", namespace.name),
    )
    yield Step(
        up=ip(namespace.name, "link", "set", "dev", "lo", "up"),
        down=Falls(namespace.name),
    )


def _ipset(found: AddressSet) -> Step:
    return Step(
        up=("ipset", "restore", "-file", ipset_path(found)),
        down=("remove_sets", *ipset_names(found)),
    )


def ruleset_path(ruleset: Ruleset) -> str:
    return f"/etc/netc/namespaces/{ruleset.namespace}.nft" if ruleset.namespace else "/etc/netc/nftables.nft"


def _ruleset(ruleset: Ruleset) -> Step:
    if ruleset.namespace:
        return Step(
            up=("ip", "netns", "exec", ruleset.namespace, "nft", "-f", ruleset_path(ruleset)),
            down=Falls(ruleset.namespace),
            why="The guard stands before there is anything to guard.",
        )
    return Step(
        up=("nft", "-f", ruleset_path(ruleset)),
        down=("nft", "delete", "table", "inet", "netc"),
    )


OFFLOAD_PATH = "/etc/netc/offload.nft"


def _flowtable(table: Flowtable) -> Step:
    return Step(
        up=("offload", OFFLOAD_PATH, *table.devices),
        down=("nft", "delete", "table", "inet", "netc_offload"),
    )


def _past_docker(pass_: PastDocker | WayPastDocker) -> Step:
    if isinstance(pass_, WayPastDocker):
        way = (pass_.entering, pass_.leaving)
        return Step(
            up=("way_past_docker", "add", *way),
            down=("way_past_docker", "remove", *way),
        )
    ports = f"{pass_.ports.first}:{pass_.ports.last}"
    flow: Command = (IPPROTO[pass_.ports.protocol], pass_.on, ports, pass_.to)
    return Step(
        up=("past_docker", "add", *flow),
        down=("past_docker", "remove", *flow),
    )


def _device(device: Device) -> Iterator[Step]:
    match device:
        case Wireguard():
            yield from _wireguard(device)
        case PlainTunnel():
            yield Step(
                up=("ip", "link", "add", "dev", device.name, "group", PROTOCOL, *_tunnel(device)),
                down=("remove_link", device.name),
            )
            yield from _move(device)
        case Veth():
            pair = ("type", "veth", "peer", "name", device.inner, "netns", device.namespace)
            yield Step(
                up=("ip", "link", "add", "dev", device.name, "group", PROTOCOL, *pair),
                down=("remove_link", device.name),
            )
            if device.bridge:
                yield Step(
                    up=("ip", "link", "set", "dev", device.name, "master", device.bridge),
                    down=Falls(device.name),
                )
        case Bridge():
            yield _bridge(device)
        case _:
            assert_never(device)


def _bridge(device: Bridge) -> Step:
    """Spanning tree (IEEE 802.1D) is for loops, which containers do not make; with it, a new port would be silent for
    twice the forward delay, 15 s, or for none when that is 0."""
    own: Command = ("group", PROTOCOL, "address", device.hardware_address)
    return Step(
        up=("ip", "link", "add", "dev", device.name, *own, "type", "bridge", "stp_state", 0, "forward_delay", 0),
        down=("remove_link", device.name),
        why="A new port carries packets at once, and the address stays when containers come and go.",
    )


def _wireguard(device: Wireguard) -> Iterator[Step]:
    yield Step(
        up=("wireguard", device.name),
        down=("remove_link", device.name),
    )
    yield Step(
        up=("wg", "addconf", device.name, f"/etc/netc/wireguard/{device.name}.conf"),
        down=Falls(device.name),
    )
    yield Step(
        up=("wg", "set", device.name, "private-key", device.private_key),
        down=Falls(device.name),
    )
    for peer in device.peers:
        if peer.preshared_key:
            yield Step(
                up=("wg", "set", device.name, "peer", peer.public_key, "preshared-key", peer.preshared_key),
                down=Falls(device.name),
            )
    yield from _move(device)


def _move(device: Wireguard | PlainTunnel) -> Iterator[Step]:
    if device.namespace:
        yield Step(
            up=("ip", "link", "set", "dev", device.name, "netns", device.namespace),
            down=("remove_link", device.name, device.namespace),
            why="Born here, moved there: its outer packets still leave by the host's own uplink.",
        )


def _tunnel(device: PlainTunnel) -> Command:
    """The type and its options (ip-link(8)). A fixed TTL: an inner TTL of 1 would not survive the way."""
    ends: Command = ("local", device.local, "remote", device.remote or "any", "ttl", device.ttl)
    key: Command = () if device.key is None else ("key", device.key)
    match device.kind:
        case Kind.GRE:
            return ("type", "gre", *ends, *key)
        case Kind.IP6GRE:
            return ("type", "ip6gre", *ends, "encaplimit", "none", *key)
        case Kind.IPIP:
            return ("type", "ipip", *ends)
        case Kind.SIT | Kind.SIX_TO_FOUR:
            return ("type", "sit", *ends)
        case Kind.VXLAN:
            return ("type", "vxlan", "id", device.vni or 0, *ends, "dstport", device.port or 0)
        case Kind.WIREGUARD:
            raise TypeError("a wireguard device is no plain tunnel")
        case _:
            assert_never(device.kind)


def _setting(setting: LinkSetting) -> Step:
    path = f"net/{setting.family}/conf/{setting.device}/{setting.key}"
    return Step(
        up=("setting", path, setting.value, *((setting.namespace,) if setting.namespace else ())),
        down=Falls(setting.device),
    )


def _flag(family: int) -> str:
    return f"-{family}"


def _address(address: Address) -> Step:
    words: Command = ("address", "add", address.network, "dev", address.device, *(("nodad",) if address.nodad else ()))
    return Step(
        up=ip(address.namespace, _flag(address.network.version), *words),
        down=Falls(address.device),
    )


def _carrier(carrier: Carrier) -> Step:
    size: Command = ("mtu", carrier.mtu) if carrier.mtu else ()
    return Step(
        up=ip(carrier.namespace, "link", "set", "dev", carrier.device, *size, "up"),
        down=Falls(carrier.device),
    )


MAIN = 254
"""rt_tables of iproute2."""

WORST = 4278198272
"""The metric of a route of last resort (uint32); a device's own default is better."""


def _route(route: Route) -> Step:
    if route.device is None:
        table: Command = ("table", route.table) if route.table else ()
        refusal: Command = ("unreachable", "default", "metric", WORST, *table, "protocol", PROTOCOL)
        return Step(
            up=ip(route.namespace, _flag(route.to.version), "route", "add", *refusal),
            down=ip(route.namespace, _flag(route.to.version), "route", "delete", *refusal),
        )
    to: Word = "default" if route.to.prefixlen == 0 else route.to
    words: Command = ("route", "add", to)
    words += ("via", route.via) if route.via else ()
    words += ("dev", route.device)
    words += ("src", route.source) if route.source else ()
    words += ("table", route.table) if route.table else ()
    return Step(
        up=ip(route.namespace, _flag(route.to.version), *words, "protocol", PROTOCOL),
        down=Falls(route.device),
    )


def kept_words(kept: KeptRoute) -> Command:
    """The route as `ip route` takes it, after the family."""
    words: Command = ("default", *(("via", kept.via) if kept.via else ()), "dev", kept.device)
    words += ("onlink",) if kept.onlink else ()
    words += ("src", kept.source) if kept.source else ()
    return (*words, "table", kept.table, "protocol", PROTOCOL)


def _kept(kept: KeptRoute) -> Step:
    flag = _flag(kept.family)
    return Step(
        up=("keep", flag, *kept_words(kept)),
        down=("ip", flag, "route", "flush", "table", kept.table, "dev", kept.device, "protocol", PROTOCOL),
    )


def _loose(loose: Loose) -> Step:
    return Step(
        up=("loosen", loose.device),
        down=("tighten", loose.device),
        why="Whoever dials this uplink and is passed on is answered by it: strict reverse path filtering cannot know.",
    )


def _rule(rule: Rule) -> Step:
    match_: Command = ("from", rule.source or "all")
    if rule.mark is not None:
        match_ += ("fwmark", f"{rule.mark:#010x}/{MARK_MASK:#010x}")
    if rule.source_ports:
        match_ += ("ipproto", IPPROTO[rule.source_ports.protocol], "sport", rule.source_ports.span)
    there: Command = ("main",) if rule.table == MAIN else (rule.table,)
    there += ("suppress_prefixlength", 0) if rule.specific else ()
    words = ("priority", rule.priority, *match_, "lookup", *there, "protocol", PROTOCOL)
    return Step(
        up=ip(rule.namespace, _flag(rule.family), "rule", "add", *words),
        down=Falls(rule.namespace) if rule.namespace else ip(None, _flag(rule.family), "rule", "delete", *words),
    )
