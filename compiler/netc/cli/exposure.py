"""`netc exposure`"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from netc.cli.options import Topo
from netc.cli.printer import document
from netc.cli.topology import text_of, understood, wrong_use

if TYPE_CHECKING:
    from netc.checks.exposed import Exposure
    from netc.language.values import Family
    from netc.network.ranges import Ranges
    from netc.provenance.text import Source

FEW = 3
"""Prefixes that a line shows."""


def exposure(
    topo: Topo,
    host: Annotated[str, typer.Argument(metavar="[HOST]", help="One host. Default: all.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print what the internet, tunnels, bridges and namespaces can open on each host, and by which key.

    Every port, protocol and source that rules could tell apart is walked. Nothing is sent.
    """
    from netc.checks.exposed import exposures
    from netc.pipeline import plan
    from netc.provenance.text import Source
    from netc.walk.bird import world

    network = understood(topo, promises=False).network
    hosts = sorted(network.topology.hosts)
    if host and host not in hosts:
        raise wrong_use(f"no host is called `{host}`", f"the hosts are {', '.join(hosts)}")
    made = world(plan(one, network) for one in hosts)
    found = [one for name in hosts if host in ("", name) for one in exposures(made, name)]
    places = Source(str(topo), text_of(topo))
    if as_json:
        document(json.dumps([_as_json(one, places) for one in found], indent=2))
    else:
        document("\n".join(_table(found, places)) + "\n")


def _as_json(one: Exposure, places: Source) -> dict[str, object]:
    from netc.diagnostic import dotted

    return {
        "host": one.host,
        "from": one.sender,
        "family": one.family,
        "protocol": one.protocol,
        "ports": [list(span) for span in one.ports],
        "sources": _prefixes(one.sources, one.family),
        "arrives": one.arrives,
        "key": dotted(one.key),
        "line": places.place(one.key) if one.key else "",
    }


def _table(found: Iterable[Exposure], places: Source) -> Iterator[str]:
    """A row for what is the same in both families."""
    from netc.diagnostic import dotted

    families: dict[tuple[str, str, str, str, str, str, str], list[int]] = {}
    for one in found:
        key = dotted(one.key) if one.key else "no packet filter"
        where = places.place(one.key) if one.key else ""
        same = (str(one.host), one.sender, _opens(one), _from(one), one.arrives, key, where)
        families.setdefault(same, []).append(one.family)
    rows = [
        (host, sender, f"{opens}{'' if len(of) > 1 else f', IPv{of[0]}'}{sources}", arrives, key, where)
        for (host, sender, opens, sources, arrives, key, where), of in families.items()
    ]
    heads = ("host", "from", "opens", "reaches", "by", "")
    widths = [max(len(row[at]) for row in (heads, *rows)) for at in range(len(heads))]
    last = ("", "")
    for line in (heads, *rows):
        shown = [cell if line[:2] != last or at > 1 else "" for at, cell in enumerate(line)]
        yield "  ".join(f"{cell:{width}}" for cell, width in zip(shown, widths, strict=True)).rstrip()
        last = line[:2]


def _opens(one: Exposure) -> str:
    if not one.ports:
        return one.protocol
    if one.ports == ((1, 65535),):
        return f"all {one.protocol}"
    spans = [f"{first}" if first == last else f"{first}-{last}" for first, last in one.ports]
    return f"{', '.join(spans)}/{one.protocol}"


def _from(one: Exposure) -> str:
    if not one.sources:
        return ""
    sources, others = (_prefixes(ranges, one.family) for ranges in (one.sources, one.others))
    if len(sources) > FEW >= len(others):
        return f", not from {', '.join(others)}"
    return f", from {', '.join(sources) if len(sources) <= FEW else f'{len(sources)} prefixes'}"


def _prefixes(sources: Ranges, family: Family) -> list[str]:
    from netaddr import IPAddress, iprange_to_cidrs

    ranges = ((IPAddress(first, family), IPAddress(last, family)) for first, last in sources)
    return [str(net) for ends in ranges for net in iprange_to_cidrs(*ends)]
