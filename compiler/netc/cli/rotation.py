"""`netc keys --rotate`: a key is replaced in two phases, between which the hosts get a tree.

First the host makes its next key, and the topology gets the public half. When all peers have that, the host switches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from netc.cli.edit import replace
from netc.cli.printer import say, warn
from netc.cli.topology import wrong_use

if TYPE_CHECKING:
    from netc.deploy.carrier import Carrier
    from netc.network.interface import Network


@dataclass(frozen=True)
class Turn:
    """A key that is replaced. `whose`: the table of the topology with `public_key`; `file`: on the host."""

    host: str
    whose: tuple[str, ...]
    file: str
    next: str | None


def turns(name: str, network: Network, places: Mapping[str, Mapping[str, str]]) -> list[Turn]:
    """The keys of a host's identity, or of the ends of a link that have keys of their own. `places`: the file of each
    key, by host and by the key path of its public half."""
    from netc.language.nearest import did_you_mean

    topology = network.topology
    keys: list[tuple[str, tuple[str, ...], str | None]] = []
    keys += [(host, ("hosts", host), table.next_public_key) for host, table in topology.hosts.items() if host == name]
    for link, of in topology.links.items():
        if name in (link, f"links.{link}") and not keys:
            ends = [(one, end) for one, end in of.ends.items() if end.public_key]
            keys = [(one, ("links", link, "ends", one), end.next_public_key) for one, end in ends]
            if not keys:
                what = f"no end of link {link} has a key of its own: it uses the keys of {' and '.join(of.between)}"
                raise wrong_use(what, f"name a host: `--rotate {of.between[0]}`")
    if not keys:
        known = sorted([*topology.hosts, *topology.links])
        raise wrong_use(f"no host and no link is called {name!r}", did_you_mean(name, known) or "")
    found = []
    for host, whose, following in keys:
        file = places.get(host, {}).get(".".join((*whose, "public_key")))
        if file is None:
            raise wrong_use(f"{'.'.join(whose)} has no key that {host} uses for a tunnel")
        if file.startswith("/etc/credstore/"):
            raise wrong_use(f"the key of {'.'.join(whose)} is a credential: netc replaces only keys in files")
        found.append(Turn(host, whose, file, following))
    return found


def begin(topo: Path, text: str, wanted: Sequence[Turn], given: Mapping[str, Mapping[str, bytes]], by: Carrier) -> None:
    """Phase 1. `given`: what each host needs to make a key."""
    from netc.deploy.keys import make
    from netc.language.additions import with_text

    made = text
    failed = False
    for turn in wanted:
        path = (*turn.whose, "next_public_key")
        key = ".".join(path)
        options = ("--next", turn.file)
        one = make(by, turn.host, given[turn.host], frozenset([key]), _reporter(turn.host), options)
        if one.why:
            warn(f"{turn.host}: the next key is missing: {one.why}")
            failed = True
            continue
        made = with_text(made, path, one.public[key])
    if made != text:
        replace(topo, made)
        say(f"{topo}: the next public keys are written")
        say("Next: build and deploy, so that all peers have them. Then run the same command again: the hosts switch.")
    if failed:
        raise typer.Exit(1)


def end(topo: Path, text: str, wanted: Sequence[Turn], network: Network, by: Carrier) -> None:
    """Phase 2: after all peers said that they have the next keys."""
    from netc.deploy.keys import knows, switch
    from netc.language.additions import with_text, without

    keys = {turn.next for turn in wanted}
    waiting = False
    for host, needed in _peers(network, keys).items():
        if why := knows(by, host, needed, str):
            warn(f"{host}: {why}")
            waiting = True
    if waiting:
        warn("nothing was changed: each of these peers must say that it has the next key. Build and deploy first")
        raise typer.Exit(1)
    made = text
    failed = False
    for turn in wanted:
        assert turn.next is not None
        if why := switch(by, turn.host, turn.file, _reporter(turn.host)):
            warn(f"{turn.host}: still has the key before: {why}")
            failed = True
            continue
        made = with_text(without(made, (*turn.whose, "next_public_key")), (*turn.whose, "public_key"), turn.next)
    if made != text:
        replace(topo, made)
        say(f"{topo}: the new public keys are written")
        say("Next: build and deploy, so that the peers forget the old ones.")
    if failed:
        raise typer.Exit(1)


def _peers(network: Network, keys: set[str | None]) -> dict[str, list[str]]:
    """By host: the next keys that it should know."""
    from netc.network.interface import WireguardInterface

    found: dict[str, list[str]] = {}
    for host, interfaces in network.interfaces.items():
        wireguard = (interface for interface in interfaces if isinstance(interface, WireguardInterface))
        following = {peer.next_key for interface in wireguard for peer in interface.peers}
        if needed := sorted(str(key) for key in following & keys if key):
            found[str(host)] = needed
    return found


def _reporter(host: str) -> Callable[[str], None]:
    return lambda line: warn(f"{host}: {line}")
