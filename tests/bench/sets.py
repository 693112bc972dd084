"""Long lists of prefixes into the files that nft(8) and ipset(8) load, beside iprange (C; https://iprange.firehol.org).

iprange reads, merges and prints; it is run twice, since it prints one form at a time, and knows IPv4 alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from shlex import quote

from bench.figure import NETC, Bar, Command, Figure, away, beside, compared, room
from bench.inputs import listed
from bench.peers import debian_tool

RUNS = {100_000: 5, 400_000: 5}


def figures() -> Iterator[Figure]:
    iprange = debian_tool("iprange")
    for number, runs in RUNS.items():
        with room() as name:
            folder = Path(name)
            topo, out = listed(folder / "topo", number), folder / "out"
            nft = f"{quote(iprange)} --print-suffix , topo/long.txt > long.nft"
            ipset = f"{quote(iprange)} --print-prefix 'add long ' topo/long.txt > long.ipset"
            ways = {
                "netc": Command([*NETC, "build", str(topo), "-o", str(out)], before=partial(away, out)),
                "iprange": Command(["sh", "-ec", f"{nft}; {ipset}"], folder=folder),
            }
            work = f"{number:,} prefixes for nft and ipset"
            cost = beside(work, ways, runs)
        ours, peer = cost["netc"], cost["iprange"]
        bar = Bar("most", 8) if number == max(RUNS) else None
        yield compared(work, "time", "iprange, twice", ours, peer, bar)
        yield Figure(work, "memory", "iprange", ours.memory, peer.memory, "MiB")
