"""What hosts have loaded, beside packets: the peers of their tunnels, the addresses that the topology does not say, and
the ports and addresses that their rules and routes name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from msgspec import Struct
from msgspec.structs import replace
from netaddr import AddrFormatError, IPAddress, IPNetwork

from netc.language.names import HostName
from netc.language.values import Family
from netc.live.hosts import HOSTS_AT_ONCE, Hosts, by_space, said, unasked
from netc.network.dialling import public
from netc.network.interface import Peer
from netc.plan.facts import Wireguard
from netc.plan.image import Wire
from netc.walk.met import Verdict
from netc.walk.outer import Problem
from netc.walk.stack import Device, Stack
from netc.walk.world import World

SILENT = 180
"""Seconds after which WireGuard forgets a session (REJECT_AFTER_TIME of its paper)."""


class Named(Struct, frozen=True):
    """Ports and addresses that one line of rules or routes names."""

    ports: frozenset[int]
    addresses: frozenset[tuple[Family, int]]


class State(Struct, frozen=True):
    """Of one host. `peers`: by interface and key the allowed prefixes; `heard`: seconds since the last handshake."""

    seen_from: str
    """The address that this machine has for the host."""
    held: Mapping[str, tuple[IPAddress, ...]]
    peers: Mapping[tuple[str, str], tuple[IPNetwork, ...]]
    heard: Mapping[tuple[str, str], int]
    named: frozenset[Named]


def states(hosts: Hosts, paper: World) -> dict[HostName, State]:
    """Asks all. Of a host that does not answer, and of a stack that cannot be copied, `hosts` keeps the reason."""
    spaces = {host: [str(place[1] or "-") for place in paper.stacks if place[0] == host] for host in hosts.names}
    with ThreadPoolExecutor(min(HOSTS_AT_ONCE, len(spaces) or 1)) as pool:
        answers = list(pool.map(lambda host: said(hosts.carrier, host, "state", spaces[host]), spaces))
    found: dict[HostName, State] = {}
    for host, lines in zip(spaces, answers, strict=True):
        if isinstance(lines, str):
            hosts.why_not[host, None] = lines
            continue
        for space, known in by_space(lines).items():
            place = next((one for one in paper.stacks if one[0] == host and str(one[1] or "-") == space), None)
            if place and (why := unasked(known)):
                hosts.why_not[place] = why
        try:
            found[host] = _state(lines)
        except (ValueError, IndexError, AddrFormatError):
            hosts.why_not[host, None] = "its answer has another form than netc knows"
    return found


def _state(lines: list[str]) -> State:
    seen_from, now = "", 0
    held: dict[str, list[IPAddress]] = {}
    peers: dict[tuple[str, str], tuple[IPNetwork, ...]] = {}
    heard: dict[tuple[str, str], int] = {}
    named: set[Named] = set()
    for line in lines:
        kind, _, rest = line.partition(" ")
        words = rest.split()
        if kind == "from":
            seen_from = rest
        elif kind == "held" and " scope 0 " in f"{rest} ":
            held.setdefault(words[1], []).append(IPAddress(words[3].partition("/")[0]))
        elif kind == "peer":
            peers[words[0], words[1]] = tuple(IPNetwork(word) for word in words[2:] if word != "(none)")
        elif kind == "heard":
            heard[words[0], words[1]] = int(words[2])
        elif kind == "now":
            now = int(rest)
        elif kind in ("rule", "route", "turn"):
            named.add(_named(rest, ports=kind == "rule"))
    ages = {key: now - at for key, at in heard.items() if at}
    return State(seen_from, {name: tuple(ips) for name, ips in held.items()}, peers, ages, frozenset(named))


WORD = re.compile(r"[0-9a-fA-F:.]+(?:/\d+)?")


def _named(line: str, *, ports: bool) -> Named:
    numbers: set[int] = set()
    addresses: set[tuple[Family, int]] = set()
    for word in re.split(r"[\s,{}\"-]+", line):
        if ports and re.fullmatch(r"\d{1,5}(:\d{1,5})?", word):
            numbers |= {number for part in word.split(":") if 0 < (number := int(part)) < 65536}
        elif WORD.fullmatch(word) and (word.count(".") == 3 or word.count(":") > 1):
            try:
                net = IPNetwork(word)
            except (AddrFormatError, ValueError):
                continue
            family: Family = 4 if net.version == 4 else 6
            addresses |= {(family, net.first), (family, net.last)}
    return Named(frozenset(numbers), frozenset(addresses))


# ---- the network as it is loaded -------------------------------------------------------------------------------


def with_real_addresses(hosts: Hosts, paper: World, known: Mapping[HostName, State]) -> None:
    """For the stand-ins of addresses that the topology does not say."""
    for stack, device in paper.devices():
        state = known.get(stack.place[0])
        if state is None or not isinstance(device.made, Wire):
            continue
        for net in device.networks:
            family: Family = 4 if net.version == 4 else 6
            if (family, int(net.ip)) not in paper.standing:
                continue
            ips = [ip for ip in state.held.get(device.name, ()) if ip.version == family and not ip.is_link_local()]
            best = next((ip for ip in ips if public(ip)), ips[0] if ips else None)
            if best is not None:
                hosts.real[family, int(net.ip)] = int(best)
                hosts.paper[family, int(best)] = int(net.ip)


def as_loaded(made: World, known: Mapping[HostName, State], *, handshakes: bool) -> None:
    """Gives the tunnels of `made` the peers that the hosts have, and whether they have been heard of. Without
    `handshakes`, outer packets get where they get on paper."""
    for stack, device in made.devices():
        state = known.get(stack.place[0])
        if state and isinstance(device.made, Wireguard):
            fact = device.made
            device.made = replace(fact, peers=tuple(_peers(fact, state)))
            for peer in device.made.peers if handshakes else ():
                key = (stack.place, device.name, peer.public_key, 0, None)
                made.carried[key] = Problem(_silent(stack, device, peer, state))


def _peers(fact: Wireguard, state: State) -> Iterator[Peer]:
    for peer in fact.peers:
        for key in filter(None, (peer.public_key, peer.next_key)):
            if (nets := state.peers.get((str(fact.name), str(key)))) is not None:
                yield replace(peer, allowed_ips=nets)
                break


def _silent(stack: Stack, device: Device, peer: Peer, state: State) -> Verdict | None:
    keys = filter(None, (peer.public_key, peer.next_key))
    age = min(
        (state.heard[device.name, str(key)] for key in keys if (device.name, str(key)) in state.heard), default=None
    )
    if age is not None and age <= SILENT:
        return None
    since = "no handshake yet" if age is None else f"no handshake for {age} s"
    return Verdict("dropped", device.origin, f"{device.name} of {stack.name} has had {since} with {peer.name}")


def of_all(known: Iterable[State]) -> frozenset[Named]:
    return frozenset().union(*(state.named for state in known))
