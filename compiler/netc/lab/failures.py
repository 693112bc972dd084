"""Hosts and links that fail in a lab, and heal: by rules, so that all comes back as it was."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from netc.checks.supposed import Tunnels, links
from netc.lab.machine import Host
from netc.lab.scene import Scene
from netc.language.names import HostName
from netc.walk.bird import world
from netc.walk.places import Wrong
from netc.walk.stack import Place
from netc.walk.world import World

TABLE = "netc_lab_failed"


class Failure(Struct, frozen=True):
    """A host that is off, or tunnels that are up and carry nothing."""

    name: str
    gone: frozenset[HostName] = frozenset()
    down: Tunnels = frozenset()


def failure(name: str, paper: World) -> Failure:
    """By the name of a host or link; `link-one` is the part of a link `one`. Raises Wrong."""
    known = dict(links(paper))
    if host := next((host for host in paper.plans if host == name), None):
        return Failure(name, gone=frozenset({host}))
    for one in (name, name.removeprefix("link-")):
        if one in known:
            return Failure(name, down=known[one])
    raise Wrong(f"no host and no link is called `{name}`: there are {', '.join([*map(str, paper.plans), *known])}")


def paper_with(paper: World, failed: Iterable[Failure]) -> World:
    """The network while all of these have failed."""
    gone = frozenset[HostName]().union(*(one.gone for one in failed))
    down = frozenset[tuple[Place, str]]().union(*(one.down for one in failed))
    if not (gone or down):
        return paper
    return world(tuple(paper.plans.values()), gone=gone, down=down, userspace=paper.userspace)


def fail(scene: Scene, one: Failure) -> None:
    """A host's cables carry nothing beyond the host. What comes out of a tunnel is dropped, at both ends."""
    for host, space, lines in _rules(scene, one):
        host.run(["nft", "-f", "-"], namespace=space, input="\n".join(lines))


def heal(scene: Scene, one: Failure) -> None:
    for host, space, lines in _rules(scene, one):
        family, name = lines[0].split()[2:4]
        host.run(["nft", "delete", "table", family, name], namespace=space)


def _rules(scene: Scene, one: Failure) -> Iterator[tuple[Host, str | None, list[str]]]:
    for host in one.gone:
        ends = ", ".join(f'"{far}"' for far in scene.internet.ends(host))
        table = f"inet {TABLE}_{host.replace('-', '_')}"
        chain = "type filter hook {} priority -450;"
        yield (
            scene.internet.host,
            None,
            [
                f"add table {table}",
                f"add chain {table} in {{ {chain.format('prerouting')} }}",
                f"add chain {table} out {{ {chain.format('postrouting')} }}",
                *([f"add rule {table} in iifname {{ {ends} }} drop"] if ends else []),
                *([f"add rule {table} out oifname {{ {ends} }} drop"] if ends else []),
            ],
        )
    for place, device in sorted(one.down, key=str):
        table = f"netdev {TABLE}_{device.replace('-', '_').replace('.', '_')}"
        lines = [
            f"add table {table}",
            f'add chain {table} in {{ type filter hook ingress device "{device}" priority -500; policy drop; }}',
        ]
        yield scene.hosts[str(place[0])], str(place[1]) if place[1] else None, lines
