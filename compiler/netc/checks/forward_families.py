"""Each address family in which visitors of a forward arrive is served, or reported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct
from netaddr import IPAddress

from netc.checks.addresses import one_subnet
from netc.checks.forwards import LinkedForward, is_open, linked_forwards
from netc.diagnostic import Diagnostic, KeyPath, Severity
from netc.features.forwards import served
from netc.language.forwards import Target
from netc.language.kinds import KINDS
from netc.language.names import HostName
from netc.network.forwards import target_of
from netc.network.interface import Interface, Network
from netc.network.once import once
from netc.network.passing import arrivals


class Gap(Struct, frozen=True):
    """Why a family is not served. `astray`: its packets would be forwarded all the same, by another route."""

    why: str
    hint: str
    astray: bool = False


def check(network: Network) -> Iterator[Diagnostic]:
    for linked in linked_forwards(network):
        arriving = arrivals(linked.forward, network)
        if any(one_subnet(linked.forward.via, network.topology.links[linked.forward.via])):
            continue  # replies have no route for that reason
        found = ((family, _gap(linked, family, network)) for family in sorted({ip.version for ip in arriving}))
        gaps: dict[int, Gap] = {family: gap for family, gap in found if gap}
        if linked.forward.on:
            yield from _chosen(linked, gaps)
        else:
            yield from _by_default(linked, gaps, {ip.version for ip in arriving} > gaps.keys())
        yield from _unvisited(linked, {ip.version for ip in arriving})
        yield from _answered_elsewhere(linked, network)


def _chosen(linked: LinkedForward, gaps: dict[int, Gap]) -> Iterator[Diagnostic]:
    for index, ip in enumerate(linked.forward.on):
        if gap := gaps.get(ip.version):
            where: KeyPath = (*linked.where, "on", index)
            yield Diagnostic("NC1107", where, f"the forward does not serve {ip}: {gap.why}", gap.hint)


def _by_default(linked: LinkedForward, gaps: dict[int, Gap], is_served: bool) -> Iterator[Diagnostic]:
    for family, gap in gaps.items():
        severity = Severity.NOTE if is_served and not gap.astray else Severity.ERROR
        what = f"the forward does not serve IPv{family}: {gap.why}"
        yield Diagnostic("NC1107", linked.where, what, gap.hint, severity=severity, on_key=True)


def _unvisited(linked: LinkedForward, arriving: set[int]) -> Iterator[Diagnostic]:
    for index, target in enumerate(linked.forward.to):
        if target.address and arriving and target.address.version not in arriving:
            family = f"IPv{target.address.version}"
            what = (
                f"no visitor reaches {target.address}: `{linked.name}` has no {family} address that visitors can dial"
            )
            where: KeyPath = (*linked.where, "to", index)
            yield Diagnostic(
                "NC1107", where, what, f"leave it out, or add an {family} address to `on`", severity=Severity.WARNING
            )


def _answered_elsewhere(linked: LinkedForward, network: Network) -> Iterator[Diagnostic]:
    """Replies to visitors from a tunnel use table `main`, and so the uplink, unless `routes` of the tunnel match."""
    for index, ip in enumerate(linked.forward.on):
        for tunnel in _tunnels(linked.edge.host, network).get(ip, ()):
            routes = tunnel.routes if tunnel.table is None else ()
            if all(to.version != ip.version for to in routes):
                what = (
                    f"{ip} is on {tunnel.name}, and replies to visitors that are not in its subnet leave by the uplink"
                )
                hint = f"add the prefixes of the visitors to `routes` of {tunnel.origin[-1]}"
                where: KeyPath = (*linked.where, "on", index)
                yield Diagnostic("NC1107", where, what, hint, severity=Severity.WARNING)


@once
def _tunnels(host: HostName, network: Network) -> Mapping[IPAddress, Sequence[Interface]]:
    """Tunnels by their addresses."""
    found: dict[IPAddress, list[Interface]] = {}
    for tunnel in network.interfaces[host]:
        if tunnel.origin[0] == "hosts" and tunnel.namespace is None:
            for ip in {net.ip for net in tunnel.addresses}:
                found.setdefault(ip, []).append(tunnel)
    return found


def _gap(linked: LinkedForward, family: int, network: Network) -> Gap | None:
    carried = KINDS[linked.node.kind].carries
    if family not in carried:
        return Gap(
            f"{linked.node.kind} carries IPv{carried[0]} only",
            f'write `kind = "wireguard"` in links.{linked.forward.via}: it carries both families',
        )
    target = target_of(linked.forward, family)
    if target is None:
        return Gap(f"no target has an IPv{family} address", f"add an IPv{family} target to `to`")
    if not is_open(target, family, network):
        return _closed(target, family, network)
    return _no_family(linked, family, served(target, linked.forward, network, family))


def _closed(target: Target, family: int, network: Network) -> Gap:
    """The namespace of a target has no address of the family."""
    assert target.namespace is not None
    bridge = network.topology.hosts[target.host].namespaces[target.namespace].bridge
    prefix = "10.200.0.0/31" if family == 4 else "fd00:200::/127"
    hint = (
        f"give it an IPv{family} `address` on bridge {bridge}"
        if bridge
        else f'write `access = ["{prefix}"]` in hosts.{target.host}.namespaces.{target.namespace}'
    )
    return Gap(f"namespace `{target.namespace}` has no IPv{family} address on its veth pair", hint)


def _no_family(linked: LinkedForward, family: int, there: IPAddress | None) -> Gap | None:
    """Between the two ends of the link."""
    link = linked.forward.via
    pair = "a /31" if family == 4 else "a /127"
    both = f"give both ends of {link} an IPv{family} address, such as the two of {pair}"
    if there is None:
        return Gap(f"link `{link}` has no {_kind(linked.node, family)} on {linked.node.host}", both)
    near = tuple(_addresses(linked.edge, family))
    if not near:
        return Gap(f"link `{link}` has no {_kind(linked.edge, family)} on {linked.edge.host}", both, astray=True)
    # A reply to a visitor's own address needs no route but the link. A next hop on Ethernet and a masked source do.
    is_asked = not linked.forward.keep_source or KINDS[linked.node.kind].ethernet
    back = is_asked and not any(_reaches(linked.node, ip) for ip in near)
    for end, ip, is_lost in ((linked.edge, there, not _reaches(linked.edge, there)), (linked.node, near[0], back)):
        if is_lost:
            hint = f"give both ends addresses in one subnet, such as {pair}"
            return Gap(f"{end.host} has no route to {ip} over link `{link}`", hint, astray=True)
    return None


def _kind(end: Interface, family: int) -> str:
    local = any(net.version == family for net in end.addresses)
    return f"IPv{family} address other than a link-local one" if local else f"IPv{family} address"


def _addresses(interface: Interface, family: int) -> Iterator[IPAddress]:
    return (net.ip for net in interface.addresses if net.version == family and not net.ip.is_link_local())


def _reaches(near: Interface, there: IPAddress) -> bool:
    """By its own subnet or by `routes`. Ethernet needs a neighbour in the subnet."""
    routes = near.routes if near.table is None and not KINDS[near.kind].ethernet else ()
    return any(there in net for net in routes) or any(there in net.cidr for net in near.addresses)
