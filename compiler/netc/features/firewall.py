"""The firewall of a host: ssh and ports that compiled parts need are open, and the rest is dropped.

    [hosts.edge.firewall]
    allow = [{ ports = ["9100/tcp"], from = ["10.77.0.0/24", "office"] }]
    deny = "203.0.113.0/24"
    pass = [{ from = "docker0", to = "eth0" }]

Openings follow from what is compiled for the host: each link adds its own. Also without the table, they are what the
packet filters of others must not drop.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from netaddr import IPAddress, IPNetwork, cidr_merge

from netc.diagnostic import KeyPath
from netc.language.firewall import Firewall
from netc.language.names import HostName, SetName
from netc.language.sets import Source
from netc.language.values import Ports
from netc.network.forwards import forwards_to, target_of
from netc.network.interface import Network
from netc.network.lookup import by_origin
from netc.network.passing import turned
from netc.network.uplinks import held_addresses
from netc.plan.facts import AddressSet, Ruleset
from netc.plan.facts.forwarding import forwarding
from netc.plan.host_plan import Share
from netc.plan.lists import address_set
from netc.plan.opened import merged, outer_openings
from netc.plan.ruleset import Denial, Filter, Opening, Passage, Sources
from netc.plan.walks import to_host


def plan(host: HostName, network: Network) -> Iterator[Share]:
    table = network.topology.hosts[host]
    origin: KeyPath = ("hosts", host, "firewall")
    openings = (*outer_openings(network.interfaces[host]), *_served(host, network))
    if table.firewall:
        openings += tuple(_allowed(table.firewall, origin))
    held = held_addresses(host, network)
    yield Share(walks=tuple(walk for one in openings for walk in to_host(one, table.wan, network.sets, held)))
    if table.firewall is None:
        return
    wall = table.firewall
    denied = sources_of(wall.deny)
    yield Share(
        forwarding=forwarding((4, 6), table.wan) if wall.pass_ else None,
        ruleset=Ruleset(
            origin,
            filter=Filter(origin, wall.input, wall.forward, table.ssh, wall.log),
            sets=tuple(_sets(wall, network)),
            denials=(Denial((*origin, "deny"), denied),) if denied else (),
            openings=openings,
            passages=tuple(
                Passage((*origin, "pass", index), one.from_, one.to) for index, one in enumerate(wall.pass_)
            ),
        ),
    )


# ---- what compiled parts need --------------------------------------------------------------------------------


def _served(host: HostName, network: Network) -> Iterator[Opening]:
    """Visitors of a forward that the host's own processes serve arrive by the link, at its address."""
    for name, forward in forwards_to(host, network.topology):
        near = by_origin(host, network).get(("links", forward.via))
        if near is None or forward.at == host:
            continue
        places: dict[tuple[Ports, ...], list[IPAddress]] = {}
        for there in (net.ip for net in near.addresses if not net.ip.is_link_local()):
            target = target_of(forward, there.version)
            if target and target.local and target.host == host:
                port = target.port
                ports = [Ports(port, port, one.protocol) if port else one for one in forward.ports]
                own = merged(one for one in ports if not _goes_on(one, there, host, network))
                places.setdefault(own, []).append(there)
        for own, on in places.items():
            if own:
                yield Opening(("forwards", name), devices=(near.name,), on=tuple(on), ports=own)


def _goes_on(ports: Ports, there: IPAddress, host: HostName, network: Network) -> bool:
    """Whether the host passes them on, in a chain of forwards."""
    spans = turned(host, network).get((there, ports.protocol))
    return spans is not None and spans.holds(ports.first, ports.last)


# ---- what the author allows ----------------------------------------------------------------------------------


def _allowed(wall: Firewall, origin: KeyPath) -> Iterator[Opening]:
    for index, allow in enumerate(wall.allow):
        devices = tuple(sorted(set(allow.interface)))
        yield Opening((*origin, "allow", index), sources_of(allow.from_), devices, ports=merged(allow.ports))


def sources_of(named: Iterable[Source]) -> Sources | None:
    """Prefixes without overlap, and sets; None when nothing is named."""
    named = tuple(named)
    prefixes = tuple(cidr_merge([one for one in named if isinstance(one, IPNetwork)]))
    sets = tuple(sorted({one for one in named if isinstance(one, SetName)}))
    return Sources(prefixes, sets) if named else None


def _sets(wall: Firewall, network: Network) -> Iterator[AddressSet]:
    """Those that this firewall uses."""
    used = {one for one in (*wall.deny, *(s for a in wall.allow for s in a.from_)) if isinstance(one, SetName)}
    return (address_set(name, network.sets) for name in sorted(used))
